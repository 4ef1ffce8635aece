"""Console lines of training: one for each step, one for each save."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_REMEMBERED_STEPS = 100


def iteration_line(iteration: int, seconds: float, *losses: float) -> str:
    """The original's line: `[12:34:56][#001234][0123ms][0.1234][0.2345]`."""
    spent = f"{seconds * 1000:04.0f}ms" if seconds < 10 else f"{seconds:.4f}"[:5] + "s"
    shown = "".join(f"[{loss:.4f}]" for loss in losses)
    return f"[{time.strftime('%H:%M:%S')}][#{iteration:06d}][{spent}]{shown}"


def duration(seconds: float) -> str:
    """A readable duration: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(0.0, seconds):.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


@dataclass
class Pace:
    """Speed of training over the last steps."""

    ends: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_STEPS + 1))

    def step_ended(self, now: float) -> None:
        """now: seconds of a monotonic clock."""
        self.ends.append(now)

    @property
    def per_second(self) -> float:
        """Iterations per second, including the time between steps; 0 while unknown."""
        spent = self.ends[-1] - self.ends[0] if len(self.ends) > 1 else 0.0
        return (len(self.ends) - 1) / spent if spent > 0 else 0.0


def facts(iteration: int, target: int, per_second: float, since_save: float, waited: float) -> str:
    """The rest of the iteration line: `7.9/s, 2 h 5 min to #100000, saved 3 min ago, 1% waiting`.

    target: 0 for none. since_save: seconds. waited: share of the time that steps waited for samples, 0..1.
    """
    parts: list[str] = []
    if per_second:
        parts.append(f"{per_second:.1f}/s" if per_second >= 1 else f"{per_second * 60:.1f}/min")
        if target > iteration:
            parts.append(f"{duration((target - iteration) / per_second)} to #{target}")
    parts += [f"saved {duration(since_save)} ago", f"{waited:.0%} waiting"]
    return ", ".join(parts)


def saved_line(iteration: int, seconds: float, losses: Sequence[float], validation: Sequence[float]) -> str:
    """The line of a save: mean losses since the previous save, and validation losses if there are any."""
    shown = f" held out {' '.join(f'{loss:.4f}' for loss in validation)}" if validation else ""
    return f"{iteration_line(iteration, seconds, *losses)} saved{shown}"
