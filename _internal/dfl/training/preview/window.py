"""The preview window, in a process of its own, so that neither a missing display nor a hanging window affects training.

Training sends views and polls the commands of pressed keys; it never waits for either. Whether a window can be opened
is found out by that process: OpenCV without GUI raises there, a toolkit without a display ends the process, and
training continues with previews as pictures on disk.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Literal, Protocol

import cv2

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.training.preview.viewer import Command, View, Viewer

TITLE = "Training preview"
_KEY_MILLISECONDS = 50
_START_SECONDS = 60.0
_LAST_VIEW_SECONDS = 2.0  # for a view that is being sent when training ends
_END_SECONDS = 5.0
_NO_SCREEN = "the screen cannot be reached"


class Screen(Protocol):
    """A window and its keyboard."""

    def show(self, picture: Picture) -> None: ...

    def key(self) -> int:
        """The key that was pressed within some milliseconds, -1 for none."""

    def is_open(self) -> bool:
        """False once the user has closed it."""


class CvScreen:
    """A Screen in OpenCV's window; needs a process of its own."""

    def __init__(self) -> None:
        # GUI toolkits print to stderr, above all when there is no display.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, on Windows no path
            os.dup2(nowhere.fileno(), 2)
        cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.waitKey(1)

    def show(self, picture: Picture) -> None:
        cv2.imshow(TITLE, picture)

    def key(self) -> int:
        key = cv2.waitKey(_KEY_MILLISECONDS)
        return key & 0xFF if key >= 0 else -1

    def is_open(self) -> bool:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1


def has_display() -> bool:
    """Whether this system may have a display, by its environment variables; without one no window is tried."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def open_window(wanted: Literal["auto", "window", "none"]) -> Iterator["PreviewWindow | None"]:
    """Open the preview window as `--preview` asks, and close it at the end; None where there is none.

    With `auto` the window may still turn out not to open. UserError when `window` was asked for and does not open.
    """
    if wanted == "none" or (wanted == "auto" and not has_display()):
        yield None
        return
    window, reason = None, ""
    try:
        try:
            window = PreviewWindow()
        except OSError as error:  # another process could not be started
            reason = str(error)
        if wanted == "window" and window:
            reason = window.wait_until_open()
        if reason and wanted == "window":
            raise UserError(
                f"No preview window can be opened: {reason}.",
                "Use --preview auto: previews are written as pictures. On Linux the package opencv-python-headless "
                "has no windows, opencv-python has.",
            )
        yield window
    finally:
        if window:
            window.close()


class PreviewWindow:
    """The window as training sees it. Only wait_until_open, and commands with a time to wait, block."""

    def __init__(self, make_screen: Callable[[], Screen] = CvScreen) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, child_end = context.Pipe()
        self._process = context.Process(target=show_window, args=(child_end, make_screen), daemon=True)
        self._process.start()
        child_end.close()
        self._newest: queue.Queue[View | None] = queue.Queue(maxsize=1)
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()
        self.is_ready = self.is_gone = False
        self.reason = ""  # why there is no window

    def wait_until_open(self) -> str:
        """Wait for the window; returns the reason if it did not open, else an empty text."""
        while not (self.is_ready or self.is_gone):
            if not self._has_come(_START_SECONDS):
                return self.reason or "it did not open in a minute"
            self._read_one()
        return self.reason if self.is_gone else ""

    def show(self, view: View) -> None:
        """Send a view to the window without waiting; replaces one that was not sent yet."""
        with contextlib.suppress(queue.Empty):
            self._newest.get_nowait()
        with contextlib.suppress(queue.Full):
            self._newest.put_nowait(view)

    def commands(self, wait_seconds: float = 0.0) -> list[Command]:
        """Commands since the last call; waits up to `wait_seconds` for a first one."""
        found: list[Command] = []
        while not self.is_gone and self._has_come(0 if found else wait_seconds):
            command = self._read_one()
            found += [command] if command else []
        return found

    def close(self) -> None:
        """End the window."""
        with contextlib.suppress(queue.Empty):
            self._newest.get_nowait()
        self._newest.put(None)
        self._sender.join(timeout=_LAST_VIEW_SECONDS)
        if self._sender.is_alive():
            # The window does not read. Ending its process unblocks the sender; closing the pipe would raise there.
            self._process.terminate()
            self._sender.join(timeout=_END_SECONDS)
        self._connection.close()
        self._process.join(timeout=_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(timeout=_END_SECONDS)

    def _has_come(self, wait_seconds: float) -> bool:
        """Whether there is a message; on Windows polling the pipe of an ended process raises."""
        try:
            return self._connection.poll(wait_seconds)
        except (EOFError, OSError):
            self._note_end()
            return False

    def _note_end(self) -> None:
        self.is_gone = True
        self.reason = self.reason or ("its process ended" if self.is_ready else _NO_SCREEN)

    def _read_one(self) -> Command | None:
        try:
            kind, text = self._connection.recv()
        except (EOFError, OSError):
            self._note_end()
            return None
        if kind == "ready":
            self.is_ready = True
        elif kind == "failed":
            self.is_gone, self.reason = True, text
        return text if kind == "command" else None

    def _send(self) -> None:
        """Send views to the window's process, in a thread: a full pipe blocks until the window reads."""
        while (view := self._newest.get()) is not None:
            try:
                self._connection.send(view)
            except (OSError, ValueError):
                return


def show_window(connection: Connection, make_screen: Callable[[], Screen]) -> None:
    """Main function of the window's process: shows views, sends commands, ends with training or when closed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the console is handled by training
    try:
        screen = make_screen()
    except Exception as error:  # noqa: BLE001 - whatever a toolkit raises, there is no window
        connection.send(("failed", _in_words(error)))
        return
    viewer = Viewer()
    try:
        connection.send(("ready", ""))
        screen.show(viewer.canvas())
        while screen.is_open():
            _update(connection, screen, viewer)
    except (EOFError, OSError):
        return


def _update(connection: Connection, screen: Screen, viewer: Viewer) -> None:
    """Receive views, handle a key, redraw if something changed."""
    has_changed = False
    while connection.poll():
        viewer.take(connection.recv())
        has_changed = True
    key = screen.key()
    if key >= 0:
        command = viewer.press(key)
        if command:
            connection.send(("command", command))
    if has_changed or key >= 0:
        screen.show(viewer.canvas())


def _in_words(error: Exception) -> str:
    """Why there is no window: the error's reason without OpenCV's file and line."""
    text = str(getattr(error, "err", None) or error)  # cv2.error: the reason without file and line
    if "not implemented" in text:
        return "this OpenCV has no windows (opencv-python-headless)"
    if any(word in text.lower() for word in ("display", "gtk", "xcb", "wayland")):
        return _NO_SCREEN
    lines = [line for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].strip().rstrip(".")[:200]
