"""Timecode (SMPTE ST 12-1): the time of day of a frame as hours:minutes:seconds:frames, `;` before dropped numbers."""

import re
from fractions import Fraction

_FORM = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})")


def timecode_after(text: str, rate: Fraction, frames: int) -> str:
    """The timecode of the frame that comes `frames` after the one of timecode `text`; empty where that is none.

    Drop-frame timecode leaves out two numbers a minute at 29.97 frames a second (four at 59.94) but in every tenth.
    """
    found = _FORM.fullmatch(text.strip())
    whole = round(rate)
    if not found or not whole or int(found[5]) >= whole:
        return ""
    hours, minutes, seconds, number = (int(found[group]) for group in (1, 2, 3, 5))
    dropped = whole // 15 if found[4] != ":" and whole % 30 == 0 else 0
    passed = hours * 60 + minutes
    count = (passed * 60 + seconds) * whole + number - dropped * (passed - passed // 10) + frames
    count %= 24 * 60 * (60 * whole) - dropped * 24 * 54
    if dropped:
        tens, rest = divmod(count, 600 * whole - 9 * dropped)
        count += 9 * dropped * tens
        if rest >= 60 * whole:
            count += dropped * (1 + (rest - 60 * whole) // (60 * whole - dropped))
    rest, number = divmod(count, whole)
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{';' if dropped else ':'}{number:02d}"
