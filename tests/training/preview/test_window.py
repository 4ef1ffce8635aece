"""The window's process: what goes to it and what comes back, with a screen and keys of the test's own."""

import multiprocessing
import threading

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.training.preview import window as window_module
from dfl.training.preview.viewer import View
from dfl.training.preview.window import PreviewWindow, has_display, open_window, show_window


def view(shade: int) -> View:
    return View({"preview": np.full((40, 600, 3), shade, np.uint8)}, np.zeros((0, 2), np.float32), 0)


class TypedKeys:
    """A screen whose user presses keys once a preview is there, then closes it."""

    def __init__(self, keys: str = "sbp \r") -> None:
        self.keys = list(keys)
        self.seen: list[int] = []
        self.has_preview = threading.Event()

    def show(self, picture: np.ndarray) -> None:
        self.seen.append(int(picture[-1, 300, 0]))
        if len(self.seen) > 1:  # the first says that training starts
            self.has_preview.set()

    def key(self) -> int:
        return ord(self.keys.pop(0)) if self.keys and self.has_preview.is_set() else -1

    def is_open(self) -> bool:
        return bool(self.keys)


class NoScreen:
    def __init__(self) -> None:
        raise RuntimeError("The function is not implemented. Rebuild the library.\nMore text")


class UnreachableScreen:
    def __init__(self) -> None:
        raise cv2.error(
            "OpenCV(4.14.0) /io/opencv/modules/highgui/src/window_gtk.cpp:624: error: (-2:Unspecified error) Can't "
            "initialize GTK backend in function 'cvInitSystem'\n"
        )


class DyingScreen:
    """As a toolkit that finds no display: it ends the process."""

    def __init__(self) -> None:
        import os

        os._exit(1)


class StuckScreen(TypedKeys):
    """A window that never reads."""

    def show(self, picture: np.ndarray) -> None:
        threading.Event().wait()


def all_commands(window: PreviewWindow) -> list[str]:
    found: list[str] = []
    while not window.is_gone:
        found += window.commands(wait_seconds=30)
    return found


def test_keys_come_back_as_commands_and_closing_is_noticed():
    window = PreviewWindow(TypedKeys)
    assert window.wait_until_open() == ""
    window.show(view(99))
    assert all_commands(window) == ["save", "backup", "update", "exit"]
    window.show(view(99))  # the window is gone: nothing happens
    window.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("screen", "reason"),
    [
        (NoScreen, "this OpenCV has no windows (opencv-python-headless)"),
        (UnreachableScreen, "the screen cannot be reached"),
        (DyingScreen, "the screen cannot be reached"),
    ],
)
def test_where_there_is_no_window_training_is_told_and_goes_on(screen, reason):
    window = PreviewWindow(screen)
    assert window.wait_until_open() == reason
    assert window.commands() == []
    window.show(view(1))
    window.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stuck_window_does_not_hold_training_up():
    before = set(threading.enumerate())
    window = PreviewWindow(StuckScreen)
    assert window.wait_until_open() == ""
    big = View({"preview": np.zeros((2000, 2000, 3), np.uint8)}, np.zeros((0, 2), np.float32), 0)
    for _ in range(20):  # 240 MB would not fit a pipe
        window.show(big)
    assert window.commands(wait_seconds=1) == []  # the first one is on its way meanwhile
    window.close()
    assert set(threading.enumerate()) <= before, "nothing is left that would still write to the window"


def test_pictures_reach_the_screen_and_the_end_of_training_ends_it():
    ours, theirs = multiprocessing.Pipe()
    screen = TypedKeys("x" * 1_000_000)
    running = threading.Thread(target=show_window, args=(theirs, lambda: screen))
    running.start()
    assert ours.recv() == ("ready", "")
    ours.send(view(77))
    assert screen.has_preview.wait(timeout=60)
    ours.close()
    running.join(timeout=60)
    assert not running.is_alive()
    assert screen.seen[1] == 77


def test_without_a_display_no_process_is_started(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    with open_window("auto") as window:
        assert window is None
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_display()
    with open_window("none") as window:
        assert window is None


def test_a_window_that_was_asked_for_and_cannot_be_had_is_an_error(monkeypatch):
    monkeypatch.setattr(window_module.PreviewWindow.__init__, "__defaults__", (NoScreen,))
    with (
        pytest.raises(UserError, match="No preview window can be opened: this OpenCV has no windows"),
        open_window("window"),
    ):
        raise AssertionError("there is no window")


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [BrokenPipeError(109, "The pipe has been ended"), EOFError(), OSError("handle is closed")]
)
def test_a_window_closed_with_x_on_windows_is_gone_and_no_error(monkeypatch, error):
    """There the pipe of a process that ended raises when it is asked whether anything has come."""
    window = PreviewWindow(TypedKeys)
    assert window.wait_until_open() == ""

    def ended(_: float = 0.0) -> bool:
        raise error

    monkeypatch.setattr(window._connection, "poll", ended)
    assert window.commands() == []
    assert window.is_gone
    assert window.commands(wait_seconds=60) == []
    window.show(view(1))
    window.close()


def test_a_window_that_dies_while_it_opens_on_windows_is_told(monkeypatch):
    window = PreviewWindow(DyingScreen)

    def ended(_: float = 0.0) -> bool:
        raise BrokenPipeError(109, "The pipe has been ended")

    monkeypatch.setattr(window._connection, "poll", ended)
    assert window.wait_until_open() == "the screen cannot be reached"
    window.close()


def test_without_room_for_another_process_there_is_no_window_and_no_error(monkeypatch):
    def refuse(self: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(window_module.PreviewWindow, "__init__", refuse)
    monkeypatch.setattr(window_module, "has_display", lambda: True)
    with open_window("auto") as window:
        assert window is None
    with pytest.raises(UserError, match="temporarily unavailable"), open_window("window"):
        raise AssertionError("there is no window")
