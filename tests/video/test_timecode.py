from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.video.timecode import timecode_after

NTSC, DOUBLE = Fraction(30000, 1001), Fraction(60000, 1001)


@pytest.mark.parametrize(
    ("text", "rate", "frames", "wanted"),
    [
        ("10:00:00:00", Fraction(25), 26, "10:00:01:01"),
        ("10:00:00:23", Fraction(24000, 1001), 1, "10:00:01:00"),
        ("23:59:59:24", Fraction(25), 1, "00:00:00:00"),
        ("00:00:59;29", NTSC, 1, "00:01:00;02"),  # two numbers are dropped
        ("00:09:59;29", NTSC, 1, "00:10:00;00"),  # but not in every tenth minute
        ("00:00:00;00", NTSC, 17982, "00:10:00;00"),  # ten minutes
        ("00:00:59;59", DOUBLE, 1, "00:01:00;04"),
        ("00:00:59:29", NTSC, 1, "00:01:00:00"),  # not drop-frame
        ("00:00:00:30", Fraction(25), 0, ""),
        ("noon", Fraction(25), 0, ""),
    ],
)
def test_the_timecode_of_a_later_frame(text: str, rate: Fraction, frames: int, wanted: str) -> None:
    assert timecode_after(text, rate, frames) == wanted


@given(st.integers(0, 2_589_000), st.integers(0, 100_000), st.sampled_from([NTSC, DOUBLE, Fraction(25)]))
def test_steps_add_up(first: int, second: int, rate: Fraction) -> None:
    start = "00:00:00:00" if rate == 25 else "00:00:00;00"
    both = timecode_after(timecode_after(start, rate, first), rate, second)
    assert both == timecode_after(start, rate, first + second)
