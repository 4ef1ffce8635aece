"""Answers to questions, remembered in the workspace: the next run's defaults."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import read_json_or_empty, write_json


class Answers:
    """The file of remembered answers, by what was asked: `extract-faces src`, `train SAEHD`."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        """path: answers.json. warn: told once when answers cannot be kept; the stage can still do its work."""
        self._path, self._warn = path, warn
        self._has_warned = False

    def of(self, key: str) -> dict[str, Any]:
        """What was answered there; empty if nothing was."""
        found = read_json_or_empty(self._path, self._warn).get(key)
        return found if isinstance(found, dict) else {}

    def keep(self, key: str, answers: Mapping[str, Any]) -> None:
        """Keep answers for the next time, beside those that were not given now."""
        self.replace(key, {**self.of(key), **answers})

    def replace(self, key: str, answers: Mapping[str, Any]) -> None:
        """Keep these answers, and nothing else under that key; without any, the key goes."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            others = {name: value for name, value in read_json_or_empty(self._path, self._warn).items() if name != key}
            write_json(self._path, others | ({key: dict(answers)} if answers else {}))
        except (OSError, UserError) as error:
            if not self._has_warned:
                self._warn(f"The answers are not remembered: {error.what if isinstance(error, UserError) else error}")
            self._has_warned = True
