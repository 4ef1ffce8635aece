"""Which file names may be taken from a file of unknown origin: those that every system takes, inside one folder."""

import re

from dfl.base.part_files import is_part

_MAX_BYTES = 240  # file systems take 255; names of half-written and renamed files need a few more
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\.|$)", re.IGNORECASE)


def why_unsafe(name: str) -> str:
    """Why a file of this name must not be written; empty when it may.

    Refused are paths, drive letters, "..", what Windows reserves or cannot store, and the mark of half-written files.
    """
    if not name or len(name.encode("utf-8", "replace")) > _MAX_BYTES:
        return "it is empty or too long"
    if _FORBIDDEN.search(name):
        return "it holds a character that file names cannot have"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a space or dot that Windows drops"
    if name.startswith("."):
        return "it is a hidden file"
    if _RESERVED.match(name):
        return "Windows reserves it"
    if is_part(name):
        return "it is marked as half-written"
    return ""


def name_key(name: str) -> str:
    """A key that is equal for names that are one file on some system: Windows and macOS ignore case."""
    return name.casefold()
