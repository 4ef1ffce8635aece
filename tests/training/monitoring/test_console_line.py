"""The console's lines."""

import pytest

from dfl.training.monitoring.console_line import Pace, duration, facts, iteration_line, saved_line


def test_the_originals_line():
    assert iteration_line(1234, 0.123, 0.1234, 0.2345)[10:] == "[#001234][0123ms][0.1234][0.2345]"
    assert "[12.34s]" in iteration_line(1, 12.3456, 1, 1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (7500, "2 h 5 min"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_what_stands_behind_the_line():
    assert facts(1000, 10000, 2.5, 185, 0.012) == "2.5/s, 1 h 0 min to #10000, saved 3 min ago, 1% waiting"
    assert facts(1000, 0, 0.5, 5, 0) == "30.0/min, saved 5 s ago, 0% waiting"
    assert facts(0, 10, 0, 0, 0) == "saved 0 s ago, 0% waiting"


def test_the_pace_is_that_of_the_last_steps():
    pace = Pace()
    assert pace.per_second == 0
    for step in range(50):
        pace.step_ended(100.0 + step)
    assert pace.per_second == pytest.approx(1)
    for step in range(200):
        pace.step_ended(1000.0 + step / 4)
    assert pace.per_second == pytest.approx(4)


def test_the_line_that_stays():
    assert saved_line(7, 0.01, (1.0, 2.0), ()).endswith("[#000007][0010ms][1.0000][2.0000] saved")
    assert saved_line(7, 0.01, (1.0, 2.0), (0.5, 0.25)).endswith(" saved held out 0.5000 0.2500")
