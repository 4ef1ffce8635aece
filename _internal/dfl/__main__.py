"""`python -m dfl` is the same as the command `dfl`."""

from dfl.cli import main

if __name__ == "__main__":
    main()
