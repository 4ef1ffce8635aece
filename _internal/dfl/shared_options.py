"""Options that several stages have, declared once. Nothing heavy is imported here."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dfl.base.errors import UserError
from dfl.base.listing import is_hidden, list_pictures
from dfl.base.options import Choice, Options, option
from dfl.workspace import Side, Workspace

EngineName = Literal["tensorflow", "torch"]

# An option keeps its place among the others of its stage, so these are values of fields and not classes.


def devices_here(_: Path) -> list[Choice]:
    """The graphics cards of this machine and its processor."""
    from dfl.base.nvidia import visible_cards

    cards = visible_cards()
    most = max((card.total_bytes for card in cards), default=0)
    first = next((number for number, card in enumerate(cards) if card.total_bytes == most), None)
    listed = [Choice(str(number), card.summary(), number == first) for number, card in enumerate(cards)]
    return [*listed, Choice("cpu", f"cpu: the processor, {os.cpu_count()} cores", not cards)]


ENGINE = option(None, "Engine; chosen by what the machine has if not given.")
DEVICE = option(
    None,
    "What computes: the number of a graphics card, or cpu; without it the first card, or the processor where there is "
    "none.",
    ask="Device",
    offers=devices_here,
)
WORKERS = option(0, "Processes that work at once; 0 takes one a core, at most 16.", minimum=0, maximum=64)


class FacesetOptions(Options):
    """Options of a stage over the faceset of one side."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """A faceset without a file has no faces; what its files are, the stage finds out."""
        aligned = Workspace(workspace).aligned(known["side"])
        if not aligned.is_dir() or all(is_hidden(path) for path in aligned.iterdir()):
            raise UserError(f"There are no faces in {aligned}.", f"Run extract-faces {known['side']} first.")


class FramesOptions(Options):
    """Options of a stage over the frames of one side."""

    side: Side = option(..., "Whose frames: src or dst.", argument=True)

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """Frames are pictures in the side's folder, or a clip."""
        place = Workspace(workspace)
        if not list_pictures(place.frames(known["side"])):
            place.clip(known["side"])
