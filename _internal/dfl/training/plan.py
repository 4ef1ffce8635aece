"""The plan of a run with an end: random warp first, then faces as they are, with a falling learning rate, the GAN last.

Models that end so are nearer to held-out faces after the same time (measured, docs/benchmarks.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dfl.data.prefetch import MAX_BEGUN
from dfl.models.checkpoint import Checkpoint
from dfl.models.kinds import kind_of
from dfl.models.options import TrainedSwapOptions
from dfl.training.monitoring.console_line import duration
from dfl.training.monitoring.early_stopping import EarlyStopping
from dfl.training.options import TrainRunOptions

# The share of a plan at which each part of it begins.
WARP_ENDS, RATE_FALLS, GAN_BEGINS = 0.65, 0.5, 0.8
# Iterations without a better loss that end the warp of a plan without an end, unless the user gives their number.
_PATIENCE = 5000
# Batches are made ahead: this one is not begun yet when a step has ended.
_AHEAD = MAX_BEGUN + 1
# Key of a checkpoint's state.
STATE_KEY = "plan"


@dataclass(frozen=True)
class Stages:
    """What a checkpoint keeps of a plan; iterations are counted as the model's.

    minutes, target_iter: what it was made for; 0 if not given. seconds: trained of the minutes so far. begin: the
    iteration that it began at. end: the last one; None while unknown, or where only the time ends it. warp_ends: the
    first iteration without random warp. gan_begins: the first with the GAN. Both are None until they are decided.
    """

    minutes: float
    target_iter: int
    begin: int
    end: int | None = None
    seconds: float = 0.0
    warp_ends: int | None = None
    gan_begins: int | None = None

    def progress(self, iteration: int) -> float:
        """The share of the plan that is done when an iteration begins, 0..1."""
        of_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        of_steps = 0.0 if self.end is None else (iteration - self.begin) / max(1, self.end - self.begin)
        return min(1.0, max(of_time, of_steps))

    def ending_at(self, end: int) -> "Stages":
        """With all of it decided, for a plan that does not depend on the time."""
        length = end - self.begin
        warp_ends, gan_begins = (self.begin + round(share * length) for share in (WARP_ENDS, GAN_BEGINS))
        return replace(self, end=end, warp_ends=warp_ends, gan_begins=gan_begins)


_KEPT = {part.name for part in fields(Stages)}


class TrainingPlan:
    """What of training changes over one run: samples, learning rate and GAN by iteration, and when it ends."""

    def __init__(self, stages: Stages, options: TrainedSwapOptions, patience: int = _PATIENCE) -> None:
        """options: the model's; what they leave out does not come. patience: see EarlyStopping; without an end."""
        self._stages, self._options = stages, options
        self._seconds_before = stages.seconds
        self._plateau = EarlyStopping(patience)

    @classmethod
    def received(cls, saved: Checkpoint) -> "TrainingPlan | None":
        """The plan that a checkpoint goes on with, whatever it was made for."""
        options, known = kind_of(saved.class_name).read_options(saved.options), saved.state.get(STATE_KEY)
        return cls(Stages(**known), options) if known and isinstance(options, TrainedSwapOptions) else None

    @property
    def _has_schedule(self) -> bool:
        """Whether the user chose how the learning rate changes."""
        return bool(self._options.lr_cos) or self._options.lr_dropout != "n"

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on with the plan."""
        return asdict(self._stages)

    def follow(self, state: Mapping[str, Any]) -> None:
        """Take over what another process has decided."""
        self._stages = Stages(**state)

    def is_warped(self, iteration: int) -> bool:
        """Whether the samples of an iteration may be warped."""
        return self._stages.warp_ends is None or iteration < self._stages.warp_ends

    def has_gan(self, iteration: int) -> bool:
        """Whether an iteration may have a GAN."""
        return self._stages.gan_begins is not None and iteration >= self._stages.gan_begins

    def rate_share(self, iteration: int) -> float:
        """The share of the learning rate, 0..1: all of it at first, then evenly less, nothing after the end."""
        if self._has_schedule:
            return 1.0
        return min(1.0, (1 - self._stages.progress(iteration)) / (1 - RATE_FALLS))

    def is_over(self, iteration: int) -> bool:
        """Whether the time is up, or the last iteration done."""
        return self._stages.progress(iteration) >= 1

    def update(self, iteration: int, seconds: float, per_second: float, losses: Sequence[float]) -> None:
        """After a step. seconds: since the run began. per_second: steps, 0 while unknown. losses: the reported ones."""
        stages = self._stages
        if stages.minutes:
            self._stages = replace(stages, seconds=self._seconds_before + seconds)
            self._decide(iteration, per_second)
        elif stages.end is None:
            self._plateau.update_step(iteration, losses)
            if self._plateau.is_reached:
                whole = round((iteration - stages.begin) / WARP_ENDS)
                self._stages = replace(stages.ending_at(stages.begin + whole), warp_ends=iteration + _AHEAD)

    def _decide(self, iteration: int, per_second: float) -> None:
        """Decide what is due; the warp's end before the first batch without it is begun."""
        stages, progress = self._stages, self._stages.progress(iteration)
        coming = stages.progress(iteration + _AHEAD)
        if per_second:
            coming = max(coming, progress + _AHEAD / per_second / (60 * stages.minutes))
        if stages.warp_ends is None and coming >= WARP_ENDS:
            stages = replace(stages, warp_ends=iteration + _AHEAD)
        if stages.gan_begins is None and progress >= GAN_BEGINS:
            stages = replace(stages, gan_begins=iteration)
        self._stages = stages

    def summary(self) -> str:
        """What will happen, for the start of a run."""
        stages = self._stages
        if not stages.minutes and stages.end is None:
            return "Plan: random warp until the loss gets no better, then half as many iterations without it."
        parts = []
        for name, share, at, is_wanted in (
            ("no random warp", WARP_ENDS, stages.warp_ends, self._options.random_warp),
            ("a GAN", GAN_BEGINS, stages.gan_begins, self._options.gan_power),
        ):
            when = f"{share:.0%} of the time" if at is None else f"iteration {at}"
            parts += [f"{name} from {when} on"] if is_wanted else []
        falling = [] if self._has_schedule else ["the learning rate falls in the second half"]
        end = f"{stages.minutes:g} minutes" if stages.minutes else f"iteration {stages.end}"
        left = f", {duration(60 * stages.minutes - stages.seconds)} left" if stages.seconds else ""
        return f"Plan to {end}{left}: {', '.join([*parts, *falling]) or 'one stage'}."

    def line(self, iteration: int, per_second: float) -> str:
        """The stage, and when the next one comes: `warp for 3 min`."""
        if self._options.random_warp and self.is_warped(iteration):
            name, share, at = "warp for", WARP_ENDS, self._stages.warp_ends
        elif self._options.gan_power and not self.has_gan(iteration):
            name, share, at = "GAN in", GAN_BEGINS, self._stages.gan_begins
        else:
            name, share, at = "end in", 1.0, self._stages.end
        if self._stages.minutes and at is None:
            return f"{name} {duration((share - self._stages.progress(iteration)) * 60 * self._stages.minutes)}"
        if at is None:  # until a plateau
            return "warp"
        return f"{name} {duration((at - iteration) / per_second) if per_second else f'{at - iteration} iterations'}"


def can_be_planned(saved: Checkpoint) -> bool:
    """Whether there are plans for the model: not for Quick96 and XSeg, and not while it is pretrained."""
    is_swap = issubclass(kind_of(saved.class_name).options, TrainedSwapOptions)
    return is_swap and not saved.options.get("pretrain")


def minutes_planned(state: Mapping[str, Any], iteration: int) -> float:
    """The minutes of a checkpoint's plan that is not done, 0 without one: how long a run has that goes on with it."""
    known = {name: value for name, value in state.get(STATE_KEY, {}).items() if name in _KEPT}
    if not known or Stages(**known).progress(iteration) >= 1:
        return 0.0
    return Stages(**known).minutes


def plan_of(saved: Checkpoint, run: TrainRunOptions) -> TrainingPlan | None:
    """The plan of a run: that of the checkpoint if it was made for the same end and is not done, else a new one.

    None where nothing is planned: no end is given and no plateau asked for, or the model is one that is not planned.
    """
    options = kind_of(saved.class_name).read_options(saved.options)
    if run.plan == "none" or not can_be_planned(saved) or not isinstance(options, TrainedSwapOptions):
        return None
    target = options.target_iter if options.target_iter > saved.iteration else 0
    if not run.minutes and not target and run.plan != "auto":
        return None
    patience = run.stop_at_plateau or _PATIENCE
    known = {name: value for name, value in saved.state.get(STATE_KEY, {}).items() if name in _KEPT}
    if (known.get("minutes"), known.get("target_iter")) == (run.minutes, target):
        plan = TrainingPlan(Stages(**known), options, patience)
        if not plan.is_over(saved.iteration):
            return plan
    stages = Stages(run.minutes, target, saved.iteration, target or None)
    if target and not run.minutes:
        stages = stages.ending_at(target)
    return TrainingPlan(stages, options, patience)
