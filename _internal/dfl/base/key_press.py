"""Wait for a key at a terminal, for a while."""

import os
import sys
import time

_STEP_SECONDS = 0.05


def key_pressed_within(seconds: float) -> bool:
    """Whether a key is pressed at the terminal in this time; it is taken. Without a terminal, True at once.

    Ctrl-C raises KeyboardInterrupt, as always.
    """
    if not sys.stdin.isatty():
        return True
    if sys.platform == "win32":
        return _pressed_in_console(seconds)
    else:
        return _pressed_in_terminal(seconds)


if sys.platform == "win32":
    import msvcrt

    def _pressed_in_console(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not msvcrt.kbhit():
            if time.monotonic() >= end:
                return False
            time.sleep(_STEP_SECONDS)
        while msvcrt.kbhit():  # a key like F1 is two characters
            msvcrt.getwch()
        return True

else:
    import select
    import termios
    import tty

    def _pressed_in_terminal(seconds: float) -> bool:
        stdin = sys.stdin.fileno()
        before = termios.tcgetattr(stdin)
        try:
            tty.setcbreak(stdin, termios.TCSANOW)  # keys come at once, also one that was pressed before
            if not select.select([stdin], [], [], seconds)[0]:
                return False
            os.read(stdin, 1)
            termios.tcflush(stdin, termios.TCIFLUSH)  # an arrow key is several characters
            return True
        finally:
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)
