"""The training loop: steps, console line, saves, backups and previews; a save at the end, whatever ended it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from dfl.base.asking import ask_yes
from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.base.stopping import stop_signals
from dfl.models.backups import make_backup
from dfl.training.monitoring.console_line import Pace, facts, iteration_line, saved_line
from dfl.training.monitoring.early_stopping import EarlyStopping
from dfl.training.monitoring.history_csv import HistoryCsv
from dfl.training.monitoring.tensorboard_log import TensorBoardLog
from dfl.training.options import TrainRunOptions
from dfl.training.plan import TrainingPlan
from dfl.training.preview.history import PreviewHistory, history_interval
from dfl.training.preview.viewer import Command, View
from dfl.training.preview.window import PreviewWindow
from dfl.training.trainer import Trainer

_WINDOW_WAIT_SECONDS = 0.2
# Time until a failed save (a full disk) is tried again.
_RETRY_SECONDS = 60.0
# The first save comes early: it shows whether saving works, and most power cuts hit a run that was just begun.
_FIRST_SAVE_SECONDS = 60.0
# How often the user is asked whether to try a failed last save again.
_TRIES = 20
# Resolution for the interval of the preview history, of classes without that option: the shortest interval.
_NO_RESOLUTION = 64


class TrainingLoop:
    """One run of training: steps, console, saves, backups, previews and logs."""

    def __init__(
        self,
        trainer: Trainer,
        options: TrainRunOptions,
        stored: dict[str, Any],
        report: Report,
        window: PreviewWindow | None = None,
        validate: Callable[[], tuple[float, ...]] | None = None,
        plan: TrainingPlan | None = None,
    ) -> None:
        """stored: the model's options. validate: computes the losses of validation faces; called at saves. plan: see
        TrainingPlan; the trainer has the same.
        """
        self._trainer, self._options, self._report, self._window, self._validate = (
            trainer,
            options,
            report,
            window,
            validate,
        )
        self._target = int(stored["target_iter"])
        self._backup_seconds = 3600 * int(stored["autobackup_hour"])
        self._history_every = history_interval(int(stored.get("resolution", _NO_RESOLUTION)))
        self._tensorboard = TensorBoardLog(trainer.folder, report.warn) if options.tensorboard else None
        self._csv = HistoryCsv(trainer.folder, trainer.loss_names, trainer.iteration, trainer.history(), report.warn)
        self._previews = PreviewHistory(trainer.folder) if stored["write_preview_history"] else None
        # Without an end a plan takes the plateau for the end of its first stage.
        self._early_stopping = EarlyStopping(0 if plan and options.plan == "auto" else options.stop_at_plateau)
        self._pace, self._plan = Pace(), plan
        self._has_gan = not plan or plan.has_gan(trainer.iteration) or not stored.get("gan_power")
        self._is_warped = bool(plan and stored.get("random_warp") and plan.is_warped(trainer.iteration))
        self._start = self._saved_at = self._backed_up_at = time.monotonic()
        self._save_due_at = self._next_save()
        self._since = self._first = trainer.iteration
        self._draw = 0  # number of the selection of faces in the window
        self._has_previews = True  # False after it was reported that previews cannot be written

    def run(self) -> bool:
        """Train until the target (0: none), the time limit, a plateau, Ctrl-C or the window's Enter.

        True: the plan's next stage needs other networks; build them from the checkpoint, and go on. After any other
        error unsaved steps are saved if possible.
        """
        reason = ""
        try:
            with _stop_request() as stop:
                self._update_window()
                while not (reason or self._is_done or self._needs_gan):
                    self._step()
                    asked = self._window.commands() if self._window else []
                    reason = self._reason_to_stop(bool(stop) or "exit" in asked)
                    if not reason:
                        self._save_and_show(asked)
                if self._trainer.iteration > self._since:
                    self._save_at_the_end()
                self._trainer.release_followers()
                if not reason and self._options.ask and not self._needs_gan:
                    self._stay_open(stop)
        except BaseException:
            self._rescue()
            raise
        finally:
            for part in (self._previews, self._tensorboard):
                if part:
                    part.close()
        if self._needs_gan and not reason:
            self._report.line(f"From iteration {self._trainer.iteration} on with the GAN.")
            return True
        self._report_end(reason or "target reached")
        return False

    @property
    def _is_done(self) -> bool:
        return bool(self._target and self._trainer.iteration >= self._target)

    @property
    def _needs_gan(self) -> bool:
        """Whether the plan's GAN is due, which this trainer was built without."""
        if self._has_gan or self._is_done or not self._plan:
            return False
        return self._plan.has_gan(self._trainer.iteration)

    def _rescue(self) -> None:
        """After an error: save the steps since the last save. The error itself is reported by the caller."""
        trainer = self._trainer
        try:
            if trainer.save_at_last():
                self._report.warn(f"After an error: the model is saved at iteration {trainer.iteration}.")
        except Exception as error:  # noqa: BLE001 - the first error is the one that the caller reports
            with suppress(OSError):
                self._report.warn(f"After an error: iterations since the last save could not be saved: {_what(error)}")

    def _step(self) -> None:
        """One iteration, its console line and its logs."""
        trainer, before, begin = self._trainer, self._trainer.iteration, time.perf_counter()
        losses = trainer.iterate()
        reported = [losses[name] for name in trainer.loss_names]
        seconds, now = time.perf_counter() - begin, time.monotonic()
        self._pace.step_ended(now)
        if self._plan:
            self._plan.update(trainer.iteration, now - self._start, self._pace.per_second, reported)
        if trainer.iteration > before:
            self._csv.add(trainer.iteration, seconds, losses)
            if not self._validate:
                self._early_stopping.update_step(trainer.iteration, reported)
            if self._tensorboard:
                self._tensorboard.step(trainer.iteration, losses)
        else:
            self._rolled_back()
        waited = trainer.waited_seconds / max(now - self._start, 1e-9)
        more = facts(trainer.iteration, self._target, self._pace.per_second, now - self._saved_at, waited)
        if self._plan:
            more = f"{self._plan.line(trainer.iteration, self._pace.per_second)}, {more}"
        self._report.status(f"{iteration_line(trainer.iteration, seconds, *reported)} {more}")
        if self._is_warped and self._plan and not self._plan.is_warped(trainer.iteration):
            self._is_warped = False
            self._report.line(f"From iteration {trainer.iteration} on without random warp.")
        self._report_messages()

    def _rolled_back(self) -> None:
        """After a rollback: forget the losses of the later iterations."""
        self._csv.forget(self._trainer.iteration)
        self._since = min(self._since, self._trainer.iteration)

    def _report_messages(self) -> None:
        """Report the trainer's messages."""
        for message in self._trainer.messages:
            self._report.warn(message)
        self._trainer.messages.clear()

    def _reason_to_stop(self, is_asked: bool) -> str:
        minutes = self._options.minutes
        if is_asked:
            return "stopped"
        if self._is_done:  # also the end of a plan that was made for it
            return ""
        if self._plan and self._plan.is_over(self._trainer.iteration):
            return "time is up" if minutes else "the plan is done"
        if not self._plan and 0 < minutes * 60 <= time.monotonic() - self._start:
            return "time is up"
        if self._early_stopping.is_reached:
            return f"no better for {self._options.stop_at_plateau} iterations"
        return ""

    def _save_and_show(self, asked: list[Command]) -> None:
        """Save, back up and update previews, where due or asked for."""
        trainer, now = self._trainer, time.monotonic()
        is_backup_due = 0 < self._backup_seconds <= now - self._backed_up_at
        if trainer.iteration == 1:
            self._save()
        elif now >= self._save_due_at or is_backup_due or "save" in asked or "backup" in asked:
            self._try_to_save()
        if is_backup_due or "backup" in asked:
            self._back_up()
        if "update" in asked:
            self._draw += 1
            self._update_window()
        if self._previews and (trainer.iteration % self._history_every == 0 or trainer.iteration == 1):
            self._previews.put(trainer.pages(), trainer.history(), trainer.iteration)

    def _try_to_save(self) -> None:
        """Save; a failure (a full disk) does not end training but is retried later."""
        try:
            self._save()
        except UserError as error:
            self._save_due_at = time.monotonic() + _RETRY_SECONDS
            self._report.warn(f"Not saved: {error.what} {error.todo} Training continues and retries in a minute.")

    def _save_at_the_end(self) -> None:
        """Save; with questions, the user may fix the cause of a failure and try again."""
        for is_last in (False,) * _TRIES + (True,):
            try:
                self._save()
                return
            except UserError as error:
                if is_last or not self._options.ask:
                    raise
                self._report.warn(f"Not saved: {_what(error)}")
                if not ask_yes("Try again to save?", True, help="No: end, and lose the training since the last save."):
                    raise

    def _save(self) -> None:
        """Save, and report the mean losses since the previous save. UserError when the checkpoint is not written."""
        trainer, begin, before = self._trainer, time.perf_counter(), self._trainer.iteration
        trainer.save()
        if trainer.iteration < before:
            self._rolled_back()
        self._report_messages()
        self._saved_at = time.monotonic()
        self._save_due_at = self._next_save()
        validation = self._validate() if self._validate else ()
        losses = trainer.mean_losses(self._since)
        self._since = trainer.iteration
        if validation:
            self._csv.add_validation(validation)
            self._early_stopping.update(trainer.iteration, sum(validation))
        self._csv.append()
        self._write_previews()
        self._update_window()
        if self._tensorboard:
            points = {f"held_out_{name}": loss for name, loss in zip(trainer.loss_names, validation, strict=False)}
            self._tensorboard.point(trainer.iteration, points | {"iterations_a_second": self._pace.per_second})
            self._tensorboard.pages(trainer.iteration, trainer.pages())
        self._report.line(saved_line(trainer.iteration, time.perf_counter() - begin, losses, validation))

    def _next_save(self) -> float:
        """When the next save is due, by the monotonic clock."""
        interval = self._options.save_minutes * 60
        first = self._start + min(interval, _FIRST_SAVE_SECONDS)
        return first if self._saved_at < first else self._saved_at + interval

    def _write_previews(self) -> None:
        """Write the previews into the model's folder; a failure is reported once, and the next save tries again."""
        try:
            self._trainer.write_previews()
        except (UserError, OSError) as error:
            if self._has_previews:
                self._report.warn(f"The previews could not be written: {_what(error)} The model itself is saved.")
            self._has_previews = False
        else:
            self._has_previews = True

    def _back_up(self) -> None:
        """Back up the last checkpoint; a failure does not end training."""
        self._backed_up_at = time.monotonic()
        try:
            backup = make_backup(self._trainer.folder)
        except (UserError, OSError) as error:
            self._report.warn(f"No backup was made: {_what(error)} Training continues.")
            return
        self._report.line(f"Backup {backup.name} made of iteration {self._trainer.iteration}.")

    def _update_window(self) -> None:
        """Send the window the current previews; report once when it is closed."""
        if self._window and self._window.is_gone:
            reason = "was closed" if self._window.is_ready else f"did not open: {self._window.reason}"
            self._report.line(f"The preview window {reason}; previews are pictures in {self._trainer.folder}.")
            self._window = None
        if self._window:
            trainer = self._trainer
            self._window.show(View(trainer.pages(self._draw), trainer.history(), trainer.iteration))

    def _stay_open(self, stop: list[int]) -> None:
        """At the target, with a window: keep it open until the user ends it."""
        if self._window and not self._window.is_gone:
            self._report.line("Target reached and saved. Enter in the preview window, or Ctrl-C here, ends.")
        while self._window and not self._window.is_gone and not stop:
            asked = self._window.commands(_WINDOW_WAIT_SECONDS)
            if "exit" in asked:
                return
            if "backup" in asked:
                self._back_up()
            self._draw += "update" in asked
            if asked:
                self._update_window()

    def _report_end(self, reason: str) -> None:
        trainer = self._trainer
        for problem in trainer.problems:
            self._report.warn(problem)
        if trainer.left_out:
            self._report.warn(
                f"{trainer.left_out} batches were left out, whose losses or gradients were not finite. Check "
                "the facesets for damaged pictures; try --clipgrad or a lower --learning-rate."
            )
        if self._previews and (self._previews.left_out or self._previews.problem):
            reason = self._previews.problem or "the disk was too slow"
            self._report.warn(f"The preview history lacks {self._previews.left_out or 'some'} entries: {reason}")
        done, seconds = trainer.iteration - self._first, time.monotonic() - self._start
        waited = trainer.waited_seconds / seconds
        pace = f", {seconds / done:.2f} s each, {waited:.1%} of it waiting for samples" if done > 0 else ""
        self._report.done(
            f"{reason.capitalize()}: iteration {trainer.iteration}, {done} in this run{pace}."
            f" Model and previews: {trainer.folder}",
            iteration=trainer.iteration,
            iterations=done,
        )


def _what(error: Exception) -> str:
    """An error as one line, with its advice if it has one."""
    return f"{error.what} {error.todo}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


@contextmanager
def _stop_request() -> Iterator[list[int]]:
    """Collect Ctrl-C (and SIGTERM) instead of interrupting a step or save."""
    requests: list[int] = []
    counted = count()

    def remember(number: int, _: object) -> None:
        requests.append(number)
        # Signal handlers may be nested, so an atomic counter decides which one prints. Printing raises RuntimeError
        # where the signal came while another line was being printed.
        if next(counted) == 0:
            with suppress(RuntimeError, OSError):  # a terminal that was closed
                print("\nFinishing this iteration, then saving.", flush=True)

    if threading.current_thread() is not threading.main_thread():  # signals belong to the program that called dfl
        yield requests
        return
    before = {number: signal.signal(number, remember) for number in {*stop_signals(), signal.SIGINT}}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
