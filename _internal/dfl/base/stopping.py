"""Ctrl-C, a closed terminal or window, the system's request to end: each stops a stage in the same way.

They all do what Ctrl-C does: raise KeyboardInterrupt in the main thread, or whatever a stage has set for SIGINT while
it must not be broken off (training finishes its iteration and saves).
"""

import _thread
import multiprocessing
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

# The second signal of a closing terminal, or an impatient second Ctrl-C, must not break what the first one began.
_IGNORE_SECONDS = 10.0
# Windows ends a program whose window was closed 5 seconds later, or as soon as its handler returns.
_WAIT_FOR_END_SECONDS = 60.0
_CTRL_CLOSE, _CTRL_LOGOFF, _CTRL_SHUTDOWN = 2, 5, 6
_interrupted_at = float("-inf")
_handlers: list[Any] = []  # what Windows calls must live on


def stop_signals() -> list[signal.Signals]:
    """The signals that ask a program to end; one that the user told to ignore (nohup) is left out."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


def stop_on_every_signal() -> None:
    """Let every request to end do what Ctrl-C does. Only a program's main thread can."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    for number in stop_signals():
        if number != signal.SIGINT:
            signal.signal(number, _as_ctrl_c)
    _handle_closed_window()


def note_every_signal(asked: threading.Event) -> None:
    """In a worker: only note what a terminal sends to all its programs; the program ends its workers itself.

    SIGTERM, which is sent to one process, still ends a worker that hangs; another one takes its place.
    """
    for number in stop_signals():
        if number != signal.SIGTERM:
            signal.signal(number, lambda *_: asked.set())
    _handle_closed_window()


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; not again while what it leads to is under way."""
    global _interrupted_at
    now = time.monotonic()
    if now - _interrupted_at < _IGNORE_SECONDS:
        return
    _interrupted_at = now
    raise KeyboardInterrupt


def ask_to_stop() -> None:
    """Stop this program as Ctrl-C would, from any thread."""
    if threading.current_thread() is threading.main_thread():
        signal.raise_signal(signal.SIGINT)
    else:
        _thread.interrupt_main()


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:  # Ctrl-C is ignored (a job in the background); this is another request
        interrupt(number, frame)


def _handle_closed_window() -> None:
    """Windows: a closed console window, the end of the user's session or of the system count as Ctrl-C.

    Python's own handler would return at once, and Windows then ends the program in the middle of everything.
    """
    if sys.platform != "win32":
        return
    import ctypes
    from ctypes import wintypes

    is_worker = multiprocessing.parent_process() is not None

    def handle(event: int) -> bool:
        if event not in (_CTRL_CLOSE, _CTRL_LOGOFF, _CTRL_SHUTDOWN):
            return False  # Ctrl-C and Ctrl-Break are Python's
        if not is_worker:
            _thread.interrupt_main()
        time.sleep(_WAIT_FOR_END_SECONDS)  # in a thread of Windows; the end of the program ends it too
        return True

    _handlers.append(ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(handle))
    ctypes.windll.kernel32.SetConsoleCtrlHandler(_handlers[-1], True)
