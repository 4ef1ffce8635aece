"""Every message for the user, read from the source: `pytest tests/test_messages.py --messages FILE` prints them all."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "_internal" / "dfl"
SAID = ("warn", "line", "done", "status")  # the reporter's methods
SENTENCE_ENDS = tuple(".?:)}`")


def wording(node: ast.expr) -> str | None:
    """The text of a string in the source, its values in braces; None where it is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"  # type: ignore[attr-defined]
            for part in node.values
        )
    return None


def messages(kinds: tuple[str, ...]) -> Iterator[tuple[str, list[str | None]]]:
    """Where each call of that name stands, and the texts that it is given."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", None) or getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and name in kinds:
                texts = [wording(argument) for argument in node.args]
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}", texts


def test_every_error_says_what_happened_and_the_way_out() -> None:
    wrong = []
    for place, texts in messages(("UserError",)):
        if len(texts) == 1:  # `UserError(*outcome)` and the like
            continue
        what, way_out = texts
        if what is not None and not what.endswith(SENTENCE_ENDS):
            wrong.append(f"{place}: no sentence: {what}")
        is_command = way_out is not None and ": pip install " in way_out  # copied whole, so nothing stands behind it
        if way_out is not None and not is_command and not way_out.endswith(SENTENCE_ENDS):
            wrong.append(f"{place}: no way out: {way_out!r}")
    assert not wrong, "\n".join(wrong)


def test_no_message_speaks_of_the_insides() -> None:
    """A user knows files, faces and models; not errno, exceptions and objects."""
    insides = ("errno", "Exception", "Traceback", "NoneType", "stderr", "stdout")
    wrong = [
        f"{place}: {text}"
        for place, texts in messages(("UserError", *SAID))
        for text in texts
        if text and any(word in re.sub(r"\{.*?\}", "", text) for word in insides)
    ]
    assert not wrong, "\n".join(wrong)


def test_all_messages_can_be_read_in_one_go(request: pytest.FixtureRequest) -> None:
    """For whoever reads them with a beginner's eyes: `--messages FILE`."""
    rows = [f"{place}\n    " + "\n    ".join(filter(None, texts)) for place, texts in messages(("UserError", *SAID))]
    assert len(rows) > 300
    target = request.config.getoption("--messages")
    if target:
        Path(target).write_text("\n".join(rows) + "\n", encoding="utf-8")
