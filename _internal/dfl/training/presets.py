"""Presets: options of a new SAEHD model for what a device has room for."""

import subprocess
from dataclasses import dataclass
from typing import Any, Literal

import psutil

from dfl.base.errors import UserError

PresetName = Literal["quick", "balanced", "quality"]
_GB = 2**30
# Options by the least memory in GB; the last line that fits counts. (resolution, ae, e, d, d_mask, batch size).
# Measured on a processor, a step in float32 takes 16 bytes for each weight and 11 KB for each pixel of a batch at 64
# dims (160 pixels, batch 6: 3.0 GB). The lines need 36 to 75 % of the memory by that; a card needs some for itself.
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
# Without a card time is what lacks, not memory.
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
    """What training will run on. card_bytes: memory of the graphics card, 0 without one."""

    name: str
    card_bytes: int

    def __str__(self) -> str:
        return f"{self.name} with {self.card_bytes / _GB:.0f} GB" if self.card_bytes else self.name


PROCESSOR = Device(f"{psutil.cpu_count() or 1} processors", 0)


def preset_options(preset: PresetName, class_name: str, device: Device) -> dict[str, Any]:
    """The options that a preset sets, for a new model. UserError for classes other than SAEHD."""
    if class_name != "SAEHD":
        raise UserError(f"There are presets for SAEHD only, not for {class_name}.", "Leave --preset out.")
    sizes = _PROCESSOR[preset]
    if device.card_bytes:
        # Cards tell a little less than what is printed on them: 7.6 of 8.
        fitting = [row for least, row in _CARD[preset] if device.card_bytes >= 0.93 * least * _GB]
        sizes = fitting[-1]
    return dict(zip(_SIZES, sizes, strict=True)) | _MORE[preset]


def find_device() -> Device:
    """The NVIDIA card with the most memory, else the processor."""
    query = ["nvidia-smi", "--query-gpu=memory.total,name", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            query, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        answer = ""
    found = [read for line in answer.splitlines() if (read := _card(line))]
    return max(found, key=lambda device: device.card_bytes, default=PROCESSOR)


def _card(line: str) -> Device | None:
    """One line of nvidia-smi: `8192, NVIDIA GeForce RTX 3070`; memory in MiB."""
    megabytes, _, name = line.partition(",")
    return Device(name.strip(), int(megabytes) * 2**20) if megabytes.strip().isdigit() else None
