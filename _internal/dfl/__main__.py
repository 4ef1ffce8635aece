"""The command `dfl`, also `python -m dfl`. Where its packages are broken, the doctor still comes."""

import sys


def main() -> None:
    """Start the command line; when a package that it needs is missing or broken, say so, with exit code 2."""
    try:
        from dfl.base.memory import keep_freed_memory
        from dfl.cli import main as command_line

        keep_freed_memory()
        command_line()
    except ImportError as error:
        print(f"Error: dfl cannot start: {error}", file=sys.stderr, flush=True)
        if "doctor" in sys.argv[1:]:
            from dfl.diagnostics.doctor import run_alone

            sys.exit(run_alone())
        print("`dfl doctor` (or `python -m dfl doctor`) tells what is missing.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
