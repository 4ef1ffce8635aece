"""Format, lint, types, layers, tests: what CI runs, in one command. `--fix` lets the formatter and linter mend."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIX = "--fix" in sys.argv[1:]

CHECKS = (
    ("format", [sys.executable, "-m", "ruff", "format", *([] if FIX else ["--check"]), "."]),
    ("lint", [sys.executable, "-m", "ruff", "check", *(["--fix"] if FIX else []), "."]),
    ("types", [sys.executable, "-m", "mypy"]),
    # What only Linux has is named where it is used without asking.
    ("types on Windows", [sys.executable, "-m", "mypy", "--platform", "win32"]),
    ("layers", [str(Path(sys.executable).with_name("lint-imports"))]),
    ("tests", [sys.executable, "-m", "pytest"]),
)


def main() -> int:
    """Run all checks; return the number that failed."""
    failed = [name for name, command in CHECKS if subprocess.run(command, cwd=ROOT, check=False).returncode]
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
