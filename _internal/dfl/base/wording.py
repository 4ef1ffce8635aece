"""Counts and lists of names in messages."""

from collections.abc import Sequence

_NAMED = 5


def first_few(names: Sequence[str], separator: str = ", ") -> str:
    """The first five names, and how many more there are: "a, b, c, d, e, and 3 more"."""
    more = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its noun, or noun and verb: "1 picture", "3 pictures". several: `one` and an s if not given."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
