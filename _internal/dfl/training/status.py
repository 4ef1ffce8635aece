"""What the console says of every step."""

import time


def iteration_line(iteration: int, seconds: float, *losses: float) -> str:
    """The original's line: `[12:34:56][#001234][0123ms][0.1234][0.2345]`."""
    spent = f"{seconds * 1000:04.0f}ms" if seconds < 10 else f"{seconds:.4f}"[:5] + "s"
    shown = "".join(f"[{loss:.4f}]" for loss in losses)
    return f"[{time.strftime('%H:%M:%S')}][#{iteration:06d}][{spent}]{shown}"
