"""The one list of colour transfers: for training's samples, for merging, and for what merging's `auto` tries.

To add one: write it as a function here (its imports inside: options import this module, so that nothing heavy may
stand at the top), add its name to `TrainingTransfer`, `MergingTransfer` or both, and its entry to TRANSFERS. Options,
questions, samples, merging and `auto` follow; `docs/manual.md` is made from the options. Its figures go into
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
# Transfers by mean colours and their covariance alone: these can be measured once, and smoothed over time.
Formula = Literal["rct", "lct", "mkl"]

# Along 30 directions a step in merging, 5 in training, as in the original.
_SOT_STEPS, _SOT_DIRECTIONS = 10, 30
# Hundreds of calls that take microseconds each: two threads that hand Python's lock to and fro for them take a tenth
# more CPU time for a whole frame than when one waits for the other, and no frame is done earlier.
_ONE_IDT = Lock()


@dataclass(frozen=True)
class Transfer:
    """A colour transfer.

    apply: of target, reference (H, W, 3) float32 BGR 0..1, area (H, W, 1), 1 inside the mask, and random numbers; None
    where merging computes it (blending/skin). formula: of a transfer by statistics. is_masked: what lies outside the
    mask is black in both pictures.
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
