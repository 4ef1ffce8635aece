"""The loop of training: step, line, save now and then; a save at the end, whatever ended it."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dfl.base.report import Report
from dfl.training.options import TrainRunOptions
from dfl.training.status import iteration_line
from dfl.training.trainer import Trainer


def train_on(trainer: Trainer, options: TrainRunOptions, target: int, report: Report) -> None:
    """Train until the target (0: none), the time, or Ctrl-C."""
    start = last_save = time.monotonic()
    since = first = trainer.iteration
    reason = ""
    with _stop_request() as stop:
        while not target or trainer.iteration < target:
            begin = time.perf_counter()
            losses = trainer.iterate()
            report.status(iteration_line(trainer.iteration, time.perf_counter() - begin, *losses))
            _tell(trainer, report)
            now = time.monotonic()
            reason = "stopped" if stop else "time is up" if 0 < options.minutes * 60 <= now - start else ""
            if reason:
                break
            if trainer.iteration == 1 or now - last_save >= options.save_minutes * 60:
                _save(trainer, since, report)
                since, last_save = trainer.iteration, time.monotonic()
        if trainer.iteration > since:
            _save(trainer, since, report)
    for problem in trainer.problems:
        report.warn(problem)
    done = trainer.iteration - first
    seconds = time.monotonic() - start
    waited = trainer.waited_seconds / seconds
    pace = f", {seconds / done:.2f} s each, {waited:.1%} of it waiting for samples" if done else ""
    report.done(
        f"{(reason or 'target reached').capitalize()}: iteration {trainer.iteration}, {done} in this run{pace}."
        f" Model and previews: {trainer.folder}",
        iteration=trainer.iteration,
        iterations=done,
    )


def _save(trainer: Trainer, since: int, report: Report) -> None:
    """Save, and leave a line with the mean losses since the save before."""
    begin = time.perf_counter()
    losses = trainer.mean_losses(since)
    trainer.save()
    report.line(iteration_line(trainer.iteration, time.perf_counter() - begin, *losses) + " saved")


def _tell(trainer: Trainer, report: Report) -> None:
    """Pass on what the trainer has to say."""
    for message in trainer.messages:
        report.warn(message)
    trainer.messages.clear()


@contextmanager
def _stop_request() -> Iterator[list[int]]:
    """Collect Ctrl-C (and the system's request to end) instead of breaking off in the middle of a step or save."""
    requests: list[int] = []

    def remember(number: int, _: object) -> None:
        if not requests:
            print("\nFinishing this iteration, then saving.", flush=True)
        requests.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGBREAK] if hasattr(signal, "SIGBREAK") else [])
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
