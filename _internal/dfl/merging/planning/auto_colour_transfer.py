"""Resolve the settings `auto`: the colour transfer with the weakest seam on this clip, and erode and blur for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.base.report import Report
from dfl.imaging.transfers import MERGING_TRANSFERS, MergingTransfer
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_blender import FacePatch, merge_face
from dfl.merging.blending.face_crop import FaceCrop
from dfl.merging.blending.face_filters import to_float
from dfl.merging.blending.face_masks import MASK_SCALE, FacePrediction
from dfl.merging.blending.face_measures import measure_face
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.frame_processor import FrameProcessor

SAMPLE_FRAMES = 8
# A transfer replaces a preferred one only with a seam below this share of its seam: simple transfers flicker less.
_CLEARLY_BETTER = 0.95
# With a seam up to this the most preferred transfer is taken without trying the others.
_WEAK_SEAM = 6.0
_RIM = 0.06  # width of the rim inside the mask's edge where the seam is measured, as a share of the mask's size
_SECTORS = 24
_SKIN_BRIGHTNESS, _MIN_SKIN = 25.0, 0.2  # of Lab's 0..100; and share of the rim
# Edges, the hardest first: the blur as a share of the mask's size, and the strongest seam it hides (by eye, on the
# pairs in docs/benchmarks.md). The mask is eroded by as much as the blur widens it.
_EDGES = ((0.12, 5.0), (0.16, 7.0), (0.20, 10.0), (0.24, np.inf))
_ERODE_SHARE = 0.2  # of the blur: more would uncover the brows, which a narrow face type barely covers
_MIN_SIGMA = 1.5  # frame pixels: a harder edge is seen as a line, however well colours fit
_MAX_BLUR = 400


@dataclass(frozen=True)
class ChosenSettings:
    """The result: chosen settings by name, and the mean seam of each transfer that was tried."""

    settings: dict[str, Any]
    seams: dict[str, float]


@dataclass(frozen=True, eq=False)
class _Sample:
    """A predicted face of a frame, to be merged with several transfers."""

    frame: Picture
    crop: FaceCrop
    prediction: FacePrediction
    settings: MergeSettings

    def seam(self, transfer: MergingTransfer) -> float | None:
        settings = self.settings.model_copy(update={"colour_transfer": transfer, "steady_mask": 0, "steady_colours": 0})
        measures = measure_face(self.frame, self.crop, self.prediction, settings)
        random = np.random.default_rng(0)
        patch = merge_face(self.frame, self.crop, self.prediction, settings, random=random, measures=measures)
        return seam_of(self.frame, patch)

    @property
    def size_in_frame(self) -> float:
        """Of the face's square, in frame pixels."""
        return self.crop.size / float(np.sqrt(abs(np.linalg.det(self.crop.to_face[:, :2]))))


def choose_colour_transfer(
    tasks: Sequence[FrameTask], pictures: Iterable[Picture | None], processor: FrameProcessor, report: Report
) -> ChosenSettings | None:
    """Values for settings that are `auto`; None where no seam can be measured.

    tasks: frames with the faces to measure; pictures: theirs. A seam is the colour difference in Lab (CIE76) between
    merged and original frame along the inner side of the mask's edge; see seam_of.
    """
    samples = _samples(tasks, pictures, processor, report)
    if not samples:
        return None
    first = samples[0].settings
    seams: dict[str, float] = {}
    for transfer in _tried(first):
        found = [seam for sample in samples if (seam := sample.seam(transfer)) is not None]
        if found:
            seams[transfer] = float(np.mean(found))
        if len(seams) == 1 and next(iter(seams.values())) <= _WEAK_SEAM:
            break
    if not seams:
        return None
    transfer = best(seams, _tried(first))
    mask_size = MASK_SCALE * samples[0].crop.size
    erode, blur = edge_for(seams[transfer], mask_size, float(np.median([sample.size_in_frame for sample in samples])))
    chosen = {"colour_transfer": transfer, "erode": erode, "blur": blur}
    waiting = {name: value for name, value in chosen.items() if getattr(first, name) == "auto"}
    return ChosenSettings(waiting, {name: round(value, 2) for name, value in seams.items()})


def _samples(
    tasks: Sequence[FrameTask], pictures: Iterable[Picture | None], processor: FrameProcessor, report: Report
) -> list[_Sample]:
    frames = []
    for task, picture in zip(report.track(tasks, "Measuring seams", len(tasks)), pictures, strict=True):
        if picture is not None:
            frames.append(processor.crop_picture(task, picture))
    # All in one call, so that batches have the size used in merging: another size would compile the network again.
    return [
        _Sample(frame.picture, crop, prediction, face.settings)
        for frame, predictions in zip(frames, processor.predict(frames), strict=True)
        for face, crop, prediction in zip(frame.task.faces, frame.crops, predictions, strict=True)
    ]


def _tried(settings: MergeSettings) -> Sequence[MergingTransfer]:
    """The transfers to try, preferred ones first; seamless modes prefer `none`, since cloning adapts the colours."""
    if settings.colour_transfer != "auto":
        return (settings.colour_transfer,)
    return ("none", *MERGING_TRANSFERS[:-1]) if settings.is_seamless else MERGING_TRANSFERS


def best(means: Mapping[str, float], order: Sequence[MergingTransfer] = MERGING_TRANSFERS) -> MergingTransfer:
    """The transfer with the smallest seam; among those nearly as good the first of `order`."""
    smallest = min(means.values())
    return next(name for name in order if name in means and means[name] * _CLEARLY_BETTER <= smallest)


def edge_for(seam: float, mask_size: int, frame_size: float) -> tuple[int, int]:
    """Erode and blur that hide a seam. mask_size: of the mask in its own pixels; frame_size: of it in the frame."""
    share = next(share for share, hidden in _EDGES if seam <= hidden)
    least = (_MIN_SIGMA * mask_size / frame_size - 0.35) / 0.15  # of a Gaussian with that sigma, as OpenCV has it
    blur = min(round(max(share * mask_size, least)), _MAX_BLUR, mask_size // 2)
    return round(_ERODE_SHARE * min(blur, _EDGES[-1][0] * mask_size)), blur


def seam_of(frame: Picture, patch: FacePatch) -> float | None:
    """Colour difference between patch and frame just inside the mask's edge; None without an edge in the frame.

    Pixels whose brightness differs from that of the face's median (hair over cheeks) are excluded, unless nearly all
    do. The result is the median over angular sectors of the rim: a beard or a hand differs in a few sectors only, and
    no transfer should be chosen because it makes a beard paler.
    """
    inside = (patch.cover[:, :, 0] > 0.5).astype(np.uint8)
    size = float(np.sqrt(inside.sum()))
    rim = max(int(_RIM * size), 1) * 2 + 1
    # The frame's border does not count as an edge.
    core: Any = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim)))
    ring = (inside > 0) & (core == 0)
    if size < 8 or ring.sum() < _SECTORS:
        return None
    untouched = _lab(to_float(frame[patch.box.slices]))
    bright = untouched[:, :, 0]
    skin = ring & (np.abs(bright - np.median(bright[inside > 0])) < _SKIN_BRIGHTNESS)
    rows, columns = np.nonzero(skin if skin.sum() > max(_MIN_SKIN * ring.sum(), _SECTORS) else ring)
    angles = np.arctan2(rows - rows.mean(), columns - columns.mean())
    sectors = ((angles + np.pi) * (_SECTORS / (2 * np.pi))).astype(int) % _SECTORS
    difference = (_lab(patch.picture) - untouched)[rows, columns]  # (N, 3)
    steps = [float(np.linalg.norm(difference[sectors == one].mean(axis=0))) for one in np.unique(sectors)]
    return float(np.median(steps))


def _lab(picture: FloatPicture) -> NDArray[np.float32]:
    return as_float(cv2.cvtColor(np.clip(picture, 0, 1), cv2.COLOR_BGR2LAB))
