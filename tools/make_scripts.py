"""Make every batch and shell file from the stage table: `python tools/make_scripts.py`.

The five numbered batch files beside the README, and here one .bat and one .sh for every stage (and side) and step.
All they do is to start `_internal/run.bat` or `_internal/run.sh`, which have the logic. A test fails when one differs.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_internal"))

from dfl.stages import STAGES, STEPS  # noqa: E402 - a source checkout need not be installed for this

# Without `call`, run.bat takes over: arguments are read once only (% and ^ stay whole) and its exit code is ours.
BATCH = """\
@echo off
rem {help} (made by tools/make_scripts.py)
setlocal EnableExtensions DisableDelayedExpansion
"%~dp0{up}_internal\\run.bat" {words} --ask %*
"""
SHELL = """\
#!/bin/sh
# {help} (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" {words} --ask "$@"
"""


def commands() -> list[tuple[str, str, str]]:
    """(file name without suffix, words for `dfl`, what it does) of every stage, of each side where it has sides."""
    made = []
    for row in STAGES:
        for side in ("src", "dst") if row.has_sides else ("",):
            of_side = f" For data_{side}." if side else ""
            made.append((f"{row.name}_{side}".rstrip("_"), f"{row.name} {side}".rstrip(), row.help + of_side))
    return made


def steps() -> list[tuple[str, str, str]]:
    """The same of the five steps."""
    return [(name, f"step {name}", f"Step {name[0]}: {_stage_names(name)}.") for name in STEPS]


def _stage_names(step: str) -> str:
    return ", then ".join(" ".join(words) for words in STEPS[step])


def batch_file(up: str, words: str, help: str) -> bytes:
    """A batch file: ASCII with Windows line ends, or cmd.exe loses its labels."""
    return BATCH.format(up=up, words=words, help=help).replace("\n", "\r\n").encode("ascii")


def script_files() -> dict[Path, bytes]:
    """Every made file and its content."""
    files = {ROOT / f"{name}.bat": batch_file("", words, help) for name, words, help in steps()}
    for name, words, help in commands():
        files[ROOT / "scripts" / f"{name}.bat"] = batch_file("..\\", words, help)
    for name, words, help in steps() + commands():
        files[ROOT / "scripts" / f"{name}.sh"] = SHELL.format(words=words, help=help).encode("ascii")
    return files


def left_over() -> list[Path]:
    """Files made from a row that the stage table does not have any more."""
    mark = b"(made by tools/make_scripts.py)"
    found = [*ROOT.glob("*.bat"), *(ROOT / "scripts").glob("*.bat"), *(ROOT / "scripts").glob("*.sh")]
    return sorted(path for path in set(found) - set(script_files()) if mark in path.read_bytes())


def main() -> None:
    """Write what differs, remove what is left over."""
    for path in left_over():
        path.unlink()
    for path, content in script_files().items():
        path.write_bytes(content)
        if path.suffix == ".sh":
            path.chmod(0o755)
    print(f"{len(script_files())} files made")


if __name__ == "__main__":
    main()
