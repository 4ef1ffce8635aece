"""Which frames a result has, and when each is shown."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.video.colours import ColourTags
from dfl.video.plan import TimedFrame, VideoPlan, at_constant_rate
from tests.recording_report import RecordingReport


def plan_of(starts: list[int], end: int, rate: Fraction, time_base: Fraction) -> VideoPlan:
    frames = [TimedFrame(f"{number:05d}", a, b - a) for number, (a, b) in enumerate(pairwise([*starts, end]))]
    return VideoPlan(frames, time_base, rate, Fraction(1), ColourTags(), None)


def test_a_constant_rate_stays_as_it_is() -> None:
    report = RecordingReport()
    starts = [round(number * Fraction(1001, 30)) for number in range(100)]  # milliseconds, rounded
    made = at_constant_rate(plan_of(starts, 3337, Fraction(30000, 1001), Fraction(1, 1000)), report)
    assert [(frame.ticks, frame.duration) for frame in made.frames] == [(number, 1) for number in range(100)]
    assert made.rate == 1 / made.time_base == Fraction(30000, 1001)
    assert report.warnings == []


def test_a_gap_is_filled_with_the_frame_before_it() -> None:
    report = RecordingReport()
    made = at_constant_rate(plan_of([0, 1, 2, 6, 7], 8, Fraction(20), Fraction(1, 25)), report)
    assert [frame.stem for frame in made.frames] == ["00000", "00001", *["00002"] * 4, "00003", "00004"]
    assert made.rate == 25
    assert "3 frames are repeated" in report.warnings[0]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(5, 60))
def test_no_frame_is_lost_and_none_comes_early_or_out_of_order(lengths: list[int], rate: int) -> None:
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    made = at_constant_rate(plan_of(starts, sum(lengths), Fraction(rate), Fraction(1, 1000)), RecordingReport())
    assert [frame.ticks for frame in made.frames] == list(range(made.frames[0].ticks, made.frames[-1].ticks + 1))
    assert list(dict.fromkeys(frame.stem for frame in made.frames)) == [f"{n:05d}" for n in range(len(lengths))]
    first = {frame.stem: frame.ticks for frame in reversed(made.frames)}
    for number, start in enumerate(starts):
        assert first[f"{number:05d}"] / made.rate >= Fraction(start, 1000) - 1 / made.rate / 2


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_one_frame(rate: Fraction) -> None:
    assert len(at_constant_rate(plan_of([0], 1, rate, 1 / rate), RecordingReport()).frames) == 1
