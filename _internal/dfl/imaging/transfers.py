"""The registry of colour transfers: for training samples, for merging, and for merging's `auto`.

To add one: write it as a function here, with its imports inside (the options import this module, which must stay
light), add its name to `TrainingTransfer`, `MergingTransfer` or both, and its entry to TRANSFERS. Options, questions,
samples, merging and `auto` follow; `docs/manual.md` is generated from the options. Its reference values go into
tests/imaging/test_transfers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from dfl.base.pictures import FloatPicture
    from dfl.imaging.colour_transport import Random

TrainingTransfer = Literal["none", "rct", "lct", "mkl", "idt", "sot"]
# The original's, in its order; -m: inside the mask. `auto` is replaced by the one with the weakest seam.
MergingTransfer = Literal["none", "rct", "lct", "mkl", "mkl-m", "idt", "idt-m", "sot-m", "mix-m", "skin", "auto"]
# Transfers that only need mean and covariance: these can be measured once, and smoothed over time.
Formula = Literal["rct", "lct", "mkl"]

# Merging uses 30 directions a step, training 5, as in the original.
_SOT_STEPS, _SOT_DIRECTIONS = 10, 30
# idt makes hundreds of calls of microseconds each: two threads that contend for the GIL take a tenth more CPU time for
# a whole frame than with this lock, and no frame is done earlier.
_ONE_IDT = Lock()


@dataclass(frozen=True)
class Transfer:
    """A colour transfer.

    apply: function of target, reference (H, W, 3) float32 BGR 0..1, area (H, W, 1), 1 inside the mask, and a random
    generator; None where merging computes it (blending/skin). formula: name of a transfer by statistics. is_masked:
    both pictures are blackened outside the mask.
    """

    apply: Callable[[FloatPicture, FloatPicture, FloatPicture | None, Random], FloatPicture] | None
    formula: Formula | None = None
    is_masked: bool = False


def _none(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    return target


def _rct(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transfer import rct

    return rct(target, reference, area, area)


def _lct(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transfer import lct

    return lct(target, reference)


def _mkl(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transfer import mkl

    return mkl(target, reference)


def _idt(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transport import idt

    with _ONE_IDT:
        return idt(target, reference, random)


def _sot(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transport import sot

    return sot(target, reference, random)


def _sot_of_merging(
    target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random
) -> FloatPicture:
    from dfl.imaging.colour_transport import sot

    return sot(target, reference, random, steps=_SOT_STEPS, batch=_SOT_DIRECTIONS)


def _mix(target: FloatPicture, reference: FloatPicture, area: FloatPicture | None, random: Random) -> FloatPicture:
    from dfl.imaging.colour_transfer import mix

    return mix(target, reference, random)


# In the order in which `auto` prefers them: the simple ones flicker less.
TRANSFERS: dict[TrainingTransfer | MergingTransfer, Transfer] = {
    "skin": Transfer(None),
    "rct": Transfer(_rct, "rct"),
    "mkl-m": Transfer(_mkl, "mkl", is_masked=True),
    "lct": Transfer(_lct, "lct"),
    "mkl": Transfer(_mkl, "mkl"),
    "idt-m": Transfer(_idt, is_masked=True),
    "idt": Transfer(_idt),
    "sot-m": Transfer(_sot_of_merging, is_masked=True),
    "sot": Transfer(_sot),
    "mix-m": Transfer(_mix, is_masked=True),
    "none": Transfer(_none),
}
TRAINING_TRANSFERS: tuple[TrainingTransfer, ...] = get_args(TrainingTransfer)
# All of merging's but `auto`, the preferred ones first.
MERGING_TRANSFERS: tuple[MergingTransfer, ...] = tuple(
    sorted((name for name in get_args(MergingTransfer) if name != "auto"), key=list(TRANSFERS).index)
)
STATISTICAL_TRANSFERS = tuple(name for name, transfer in TRANSFERS.items() if transfer.formula)
