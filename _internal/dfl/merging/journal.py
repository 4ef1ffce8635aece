"""What a run has already merged, so that a stopped run goes on and a finished one has nothing to do.

`merge.journal` beside the merged pictures: the first line says how the pictures were made (model, iteration, settings);
each further line names a frame whose picture and mask are written, with a print of what they were made from. A line
that was cut off by a crash does not count.
"""

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dfl.base.files import mendable, write_text
from dfl.merging.faces_of_clip import ClipFrame

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def source_print(frame: ClipFrame) -> str:
    """Short text that changes when the frame's file, its faces or its motion change."""
    status = frame.path.stat()
    digest = hashlib.sha256(repr((frame.path.name, status.st_size, status.st_mtime_ns, frame.motion)).encode())
    for landmarks in frame.faces:
        digest.update(landmarks.tobytes())
    return digest.hexdigest()[:16]


class Journal:
    """The open journal of one run. Use as a context manager; `add` may be called from any one thread."""

    def __init__(self, path: Path, made_with: dict[str, Any]) -> None:
        self._path = path
        self._made_with: dict[str, Any] = json.loads(json.dumps(made_with))
        before, self._done = _read(path)
        self.earlier = before if before not in (None, self._made_with) else None
        """How the pictures of an earlier run were made, when it was not as now."""
        if before != self._made_with:
            self._done = {}

    def __enter__(self) -> Self:
        lines = [json.dumps(self._made_with), *(json.dumps(entry) for entry in self._done.items())]
        write_text(self._path, "\n".join(lines) + "\n")
        self._file = self._path.open("a", encoding="utf-8", newline="\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._file.close()

    def has(self, frame: ClipFrame) -> bool:
        """Whether this frame was merged from the same sources."""
        return self._done.get(frame.stem) == source_print(frame)

    def add(self, frame: ClipFrame) -> None:
        """Note a frame whose files are written."""
        try:
            self._file.write(json.dumps([frame.stem, source_print(frame)]) + "\n")
            self._file.flush()
        except OSError as error:
            raise mendable(error, self._path) from error


def _read(path: Path) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """How the pictures were made and the frames that are done; (None, {}) for no journal or one that is no journal."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return None, {}
    made_with = _parsed(lines[0])
    if not isinstance(made_with, dict):
        return None, {}
    entries = (_parsed(line) for line in lines[1:-1])
    return made_with, {entry[0]: entry[1] for entry in entries if _is_entry(entry)}


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry)


def is_whole_png(path: Path) -> bool:
    """Whether a PNG file begins and ends as one: a crash of the machine may leave an empty or cut one."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_PNG_START))
            file.seek(-len(_PNG_END), 2)
            return start == _PNG_START and file.read() == _PNG_END
    except OSError:
        return False
