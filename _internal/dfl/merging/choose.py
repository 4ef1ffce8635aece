"""What the setting `auto` becomes: the colour transfer that shows the weakest seam on this clip."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.base.report import Report
from dfl.merging.box import as_float
from dfl.merging.face_in_frame import Patch, merge_face
from dfl.merging.frame import CutFrame, FrameWork
from dfl.merging.masks import FacePrediction
from dfl.merging.operations import to_float
from dfl.merging.settings import ColourTransfer
from dfl.merging.tasks import FrameTask

LOOKS = 12  # frames that are tried
CANDIDATES: tuple[ColourTransfer, ...] = tuple(name for name in get_args(ColourTransfer) if name != "auto")
# A transfer must be better than an earlier one of this order by so much: the simple ones flicker less.
_ORDER: tuple[ColourTransfer, ...] = ("rct", "mkl-m", "lct", "mkl", "idt-m", "idt", "sot-m", "mix-m", "none")
_CLEARLY_BETTER = 0.95
_RIM = 0.06  # of the mask's size: how far inside its edge the seam is looked at
_SECTORS = 24


def spread(tasks: Sequence[FrameTask], count: int = LOOKS) -> list[FrameTask]:
    """So many of the tasks, evenly spread."""
    if len(tasks) <= count:
        return list(tasks)
    return [tasks[round(place)] for place in np.linspace(0, len(tasks) - 1, count)]


def choose_transfer(
    tasks: Sequence[FrameTask], pictures: Iterable[Picture | None], work: FrameWork, report: Report
) -> tuple[ColourTransfer, dict[str, float]]:
    """The transfer with the weakest seam, and the mean seam of each.

    tasks: frames with the faces to look at; pictures: theirs. A seam is the difference in Lab (CIE76) between merged
    and untouched frame along the inner side of the mask's edge, where skin should meet skin; see seam_of.
    """
    seams: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for task, picture in zip(report.track(tasks, "Choosing the colour transfer", len(tasks)), pictures, strict=True):
        if picture is None:
            continue
        cut = work.cut_picture(task, picture)
        predictions = work.networks.predict(cut.faces)
        for place in range(len(cut.faces)):
            for name, seam in _seams_of(cut, place, predictions[place]).items():
                seams[name].append(seam)
    means = {name: float(np.mean(values)) for name, values in seams.items() if values}
    if not means:
        return "rct", {}
    return best(means), {name: round(value, 2) for name, value in means.items()}


def best(means: Mapping[str, float]) -> ColourTransfer:
    """The one with the smallest seam; of those that are hardly worse the simplest."""
    smallest = min(means.values())
    return next(name for name in _ORDER if name in means and means[name] * _CLEARLY_BETTER <= smallest)


def _seams_of(cut: CutFrame, place: int, prediction: FacePrediction) -> dict[str, float]:
    """The seam of one face with each transfer; empty where nothing of the face is seen."""
    found: dict[str, float] = {}
    shown = cut.faces[place]
    for name in CANDIDATES:
        settings = shown.settings.model_copy(update={"colour_transfer": name, "steady_mask": 0, "steady_colours": 0})
        patch = merge_face(cut.picture, shown.crop, prediction, settings, random=np.random.default_rng(0))
        seam = seam_of(cut.picture, patch)
        if seam is not None:
            found[name] = seam
    return found


def seam_of(frame: Picture, patch: Patch) -> float | None:
    """How far the colours of a patch are from the frame's just inside its edge; None without an edge in the frame.

    The way around the face is cut into sectors, and the middle one of them counts: a beard, hair or a hand differs in a
    few sectors, and no transfer should be chosen because it makes a beard paler.
    """
    inside = (patch.cover[:, :, 0] > 0.5).astype(np.uint8)
    size = float(np.sqrt(inside.sum()))
    rim = max(int(_RIM * size), 1) * 2 + 1
    # What lies on the frame's border is no edge.
    core: Any = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim)))
    rows, columns = np.nonzero((inside > 0) & (core == 0))
    if size < 8 or len(rows) < _SECTORS:
        return None
    angles = np.arctan2(rows - rows.mean(), columns - columns.mean())
    sectors = ((angles + np.pi) * (_SECTORS / (2 * np.pi))).astype(int) % _SECTORS
    difference = (_lab(patch.picture) - _lab(to_float(frame[patch.box.slices])))[rows, columns]  # (N, 3)
    steps = [float(np.linalg.norm(difference[sectors == one].mean(axis=0))) for one in np.unique(sectors)]
    return float(np.median(steps))


def _lab(picture: FloatPicture) -> NDArray[np.float32]:
    return as_float(cv2.cvtColor(np.clip(picture, 0, 1), cv2.COLOR_BGR2LAB))
