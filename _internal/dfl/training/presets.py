"""Presets: options of a new SAEHD model by the memory of the device."""

from dataclasses import dataclass
from typing import Any, Literal

import psutil

from dfl.base.errors import UserError
from dfl.base.nvidia import card_of
from dfl.models.engine import Engine

PresetName = Literal["quick", "balanced", "quality"]
_GB = 2**30
# A card that only drives the desktop has at least this share of its memory free.
_FREE_SHARE = 0.8
# Options by the minimum memory in GB; the last row that fits is used. (resolution, ae, e, d, d_mask, batch size).
# Measured on a processor, a step in float32 takes 16 bytes for each weight and 11 KB for each pixel of a batch at 64
# dims (160 pixels, batch 6: 3.0 GB). By that the rows need 36 to 75 % of the memory; the engine needs some as well.
_CARD: dict[PresetName, list[tuple[float, tuple[int, ...]]]] = {
    "quick": [(0, (96, 128, 48, 48, 16, 4)), (4, (128, 128, 48, 48, 16, 8)), (8, (128, 192, 64, 64, 22, 16))],
    "balanced": [
        (0, (128, 128, 48, 48, 16, 4)),
        (6, (160, 256, 64, 64, 22, 6)),
        (8, (192, 256, 64, 64, 22, 8)),
        (11, (224, 256, 64, 64, 22, 8)),
        (16, (256, 256, 64, 64, 22, 10)),
    ],
    "quality": [
        (0, (128, 256, 64, 64, 22, 4)),
        (6, (192, 256, 64, 64, 22, 4)),
        (8, (224, 256, 64, 64, 22, 6)),
        (11, (256, 256, 64, 64, 22, 6)),
        (16, (288, 288, 80, 80, 26, 8)),
        (24, (320, 320, 96, 96, 32, 8)),
    ],
}
# Without a graphics card training is limited by time, not by memory.
_PROCESSOR: dict[PresetName, tuple[int, ...]] = {
    "quick": (64, 96, 32, 32, 16, 4),
    "balanced": (96, 128, 48, 48, 16, 4),
    "quality": (128, 128, 48, 48, 16, 4),
}
_SIZES = ("resolution", "ae_dims", "e_dims", "d_dims", "d_mask_dims", "batch_size")
_MORE: dict[PresetName, dict[str, Any]] = {
    "quick": {"archi": "df-ud", "face_type": "f", "learning_rate": 1e-4},
    "balanced": {"archi": "liae-ud", "face_type": "wf", "clipgrad": True},
    "quality": {
        "archi": "liae-ud",
        "face_type": "wf",
        "clipgrad": True,
        "eyes_mouth_prio": True,
        "uniform_yaw": True,
    },
}


@dataclass(frozen=True)
class Device:
    """The device of training. card_bytes: memory of the graphics card, 0 without one.

    free_bytes: the part of it that other programs leave free; 0 where unknown, then all of it counts as free.
    """

    name: str
    card_bytes: int
    free_bytes: int = 0

    def __str__(self) -> str:
        if not self.card_bytes:
            return self.name
        free = f", {self.room / _GB:.0f} GB free" if self.room < self.card_bytes else ""
        return f"{self.name} with {self.card_bytes / _GB:.0f} GB{free}"

    @property
    def room(self) -> int:
        """Bytes of the card that training can use; all of them on a card that only drives the desktop."""
        is_used = 0 < self.free_bytes < _FREE_SHARE * self.card_bytes
        return self.free_bytes if is_used else self.card_bytes


PROCESSOR = Device(f"{psutil.cpu_count() or 1} processors", 0)


def preset_options(preset: PresetName, class_name: str, device: Device) -> dict[str, Any]:
    """The options that a preset sets, for a new model. UserError for classes other than SAEHD."""
    if class_name != "SAEHD":
        raise UserError(f"There are presets for SAEHD only, not for {class_name}.", "Leave --preset out.")
    sizes = _PROCESSOR[preset]
    if device.card_bytes:
        # Cards report a little less than their nominal memory: 7.6 of 8 GB.
        fitting = [row for least, row in _CARD[preset] if device.room >= 0.93 * least * _GB]
        sizes = fitting[-1]
    return dict(zip(_SIZES, sizes, strict=True)) | _MORE[preset]


def find_device(engine: Engine) -> Device:
    """The device that the engine computes on; one of several, since each holds the whole model."""
    if not engine.is_gpu:
        return PROCESSOR
    free, total = engine.memory
    if total:
        return Device(engine.card, total, free)
    card = card_of(engine.card)
    return Device(card.name, card.total_bytes, card.free_bytes) if card else Device(engine.card, 0)
