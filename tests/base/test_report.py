import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest

from dfl.base import report as report_module
from dfl.base.report import Failures, Report, open_report
from tests.recording_report import RecordingReport


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, work: Any) -> str:
    """What `work(report)` shows on a terminal of 100 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with redirect_stdout(_Terminal()) as screen:
        work(open_report("auto"))
    return screen.getvalue()


def _speak(report: Report) -> None:
    report.line("Reading [red]clip[/red].mp4")
    report.warn("frame 7 is damaged")
    report.status("iteration 1")
    assert list(report.track(iter("abc"), "Frames", 3)) == ["a", "b", "c"]
    with report.progress("Unknown size", None) as progress:
        progress.advance()
        progress.advance(5)
    report.done("3 frames, 1 damaged.", frames=3, damaged=1, folder="Würk")


def test_plain_lines_stand_one_below_the_other(capsys: Any) -> None:
    _speak(open_report("plain"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Reading [red]clip[/red].mp4", "! frame 7 is damaged", "iteration 1"]
    assert lines[-1] == "3 frames, 1 damaged."


def test_plain_progress_tells_how_far_and_how_long(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 6.0, 7.0, 20.0])
    monkeypatch.setattr(report_module.time, "monotonic", lambda: next(clock))
    for _ in open_report("plain").track(range(4), "Frames", 4):
        pass
    # nothing after 2 and 7 seconds: a line every five
    assert capsys.readouterr().out.splitlines() == [
        "Frames: 2 of 4, 6 s left, 0.3 a second",
        "Frames: 4 of 4, 0 s left, 0.2 a second",
    ]


def test_json_is_one_object_a_line_in_any_code_page(capsys: Any) -> None:
    _speak(open_report("json"))
    text = capsys.readouterr().out
    assert text.isascii()
    said = [json.loads(line) for line in text.splitlines()]
    assert [row["kind"] for row in said] == ["line", "warning", "status", "progress", "done"]
    assert said[3] == {"kind": "progress", "label": "Frames", "done": 3, "total": 3, "rate": said[3]["rate"]}
    assert said[4]["counts"] == {"frames": 3, "damaged": 1, "folder": "Würk"}


def test_a_terminal_gets_bars_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _on_a_terminal(monkeypatch, _speak)
    for words in ("Reading [red]clip[/red].mp4", "frame 7 is damaged", "iteration 1", "Frames", "3/3", "1 damaged."):
        assert words in text


def test_a_status_is_written_over_and_then_left_standing(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(report: Report) -> None:
        report.status("iteration 1, a long line")
        report.status("iteration 2")
        report.line("saved")

    assert _on_a_terminal(monkeypatch, work).startswith(
        "\riteration 1, a long line\riteration 2" + " " * 13 + "\nsaved"
    )


def test_a_pipe_gets_plain_lines(capsys: Any) -> None:
    open_report("auto").line("x")
    assert capsys.readouterr().out == "x\n"


@pytest.mark.parametrize("form", ["plain", "json"])
def test_an_error_in_the_work_comes_through(form: Any) -> None:
    def work() -> None:
        for _ in open_report(form).track([1], "Frames", 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_the_first_twenty_failures_are_named_and_all_are_counted() -> None:

    heard = RecordingReport()
    failures = Failures(heard)
    for number in range(30):
        failures.add(f"{number}.jpg", f"{number}.jpg is damaged.")
    assert heard.lines[0] == "! 0.jpg is damaged."
    assert heard.lines[19] == "! 19.jpg is damaged."
    assert heard.lines[20:] == ["! There are more of these: from here on they are only counted."]
    assert failures.names == [f"{number}.jpg" for number in range(30)]
