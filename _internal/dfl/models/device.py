"""Which device computes: chosen for the whole process, before an engine is loaded."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from dfl.base.answers import Answers
from dfl.base.asking import ask_choice
from dfl.base.errors import UserError
from dfl.base.nvidia import Card, visible_cards
from dfl.base.options import declared
from dfl.base.report import Report
from dfl.shared_options import DEVICE, devices_here

PROCESSOR = "cpu"
# What CUDA takes for "no card".
_NONE = "-1"
_VISIBLE, _ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


@dataclass
class _Chosen:
    """What this process was told, and what CUDA_VISIBLE_DEVICES was before."""

    device: str = ""
    before: str | None = None


_chosen = _Chosen()


def use_device(device: str | None) -> None:
    """Let engines see this device alone: a card's number, several with commas, or cpu; None: as it is.

    Cards are counted as nvidia-smi does, of those that CUDA_VISIBLE_DEVICES shows. UserError for a card that is not
    there, and where an engine computes on another device already.
    """
    if device is None or device == _chosen.device:
        return
    if not _chosen.device:
        _chosen.before = os.environ.get(_VISIBLE)
    cards = visible_cards(_before())
    if device == PROCESSOR:
        visible = _NONE if cards else _chosen.before
    else:
        visible = ",".join(_card_of(number, cards) for number in device.split(","))
    if visible != os.environ.get(_VISIBLE) and {"tensorflow", "torch"} & set(sys.modules):
        raise UserError(f"This process computes already, and not on device {device}.", "Start a new one.")
    _chosen.device = device
    if visible is not None:
        os.environ[_ORDER] = "PCI_BUS_ID"  # as nvidia-smi counts
        os.environ[_VISIBLE] = visible


def _before() -> dict[str, str]:
    """The environment as it was before a device was chosen."""
    shown = {} if _chosen.before is None else {_VISIBLE: _chosen.before}
    return {name: value for name, value in os.environ.items() if name != _VISIBLE} | shown


def _card_of(number: str, cards: list[Card]) -> str:
    """The card of a number, as CUDA_VISIBLE_DEVICES names it."""
    if not number.isdecimal() or int(number) >= len(cards):
        there = ", ".join(f"{index} ({card.name})" for index, card in enumerate(cards)) or "none"
        raise UserError(
            f"There is no graphics card {number} here. Cards: {there}.", "Use --device cpu, or leave it out."
        )
    return cards[int(number)].uuid or number


def ask_device(answers: Path, key: str, device: str | None, asks: bool, report: Report) -> str | None:
    """The device that was named; else asked for, if there is a choice; else what was answered the last time.

    answers: the file of remembered answers; key: of the stage.
    """
    if device is not None:
        return device
    remembered = Answers(answers, report.warn)
    choices = devices_here(answers.parent)
    names = [choice.name for choice in choices]
    last = remembered.of(key).get("device")
    known = str(last) if last in names else None
    if not asks or len(choices) < 2:
        return known
    default = known or next(choice.name for choice in choices if choice.is_default)
    chosen = ask_choice(str(declared(DEVICE, "ask")), default, choices, help=str(DEVICE.description))
    remembered.keep(key, {"device": chosen})
    return chosen
