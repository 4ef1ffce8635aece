"""Whole stages on the frames of a workspace, without its model: frames a second and CPU time a frame."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.report import NullReport, Report
from dfl.bench.cpu_time import cpu_seconds
from dfl.extraction.extract_faces import run as extract_faces
from dfl.extraction.options import ExtractFacesOptions
from dfl.faces.face_type import FaceType
from dfl.imaging.transfers import MergingTransfer
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.running.open_models import GivenModels
from dfl.models.prediction import Prediction
from dfl.workspace import Workspace

# From the fastest to the slowest, and the default.
_TRANSFERS: tuple[MergingTransfer, ...] = ("auto", "none", "rct", "idt-m", "mix-m", "sot-m")


class MirrorModel:
    """Stands for a trained model: gives every face back, under a soft round mask, in no time."""

    name = "mirror"
    iteration = 0
    digest = ""
    face_type = FaceType.FULL
    settings: dict[str, Any] = {}  # noqa: RUF012 - never written to

    def __init__(self, resolution: int) -> None:
        self.resolution = resolution
        axis = np.linspace(-1.2, 1.2, resolution, dtype=np.float32)
        distance = np.hypot(axis[None, :], axis[:, None])
        self._mask: NDArray[np.float32] = np.clip(4 * (1 - distance), 0, 1)[None, :, :, None]

    def predict(self, faces: NDArray[np.float32]) -> Prediction:
        """faces: (N, R, R, 3) float32 BGR 0..1."""
        mask = np.repeat(self._mask, len(faces), axis=0)
        return Prediction(faces, mask, mask)

    def reconstruct(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """faces: as for predict."""
        return faces, np.repeat(self._mask, len(faces), axis=0)


def bench_extract(workspace: Workspace, report: Report) -> None:
    """extract-faces with its default options on the frames of data_dst."""
    with _copy(workspace, with_faces=False) as (copied, frames):
        spent = _spent(lambda: extract_faces(copied, ExtractFacesOptions(side="dst"), Report()))
    _tell(report, "extract-faces", frames, spent)


def bench_merge(workspace: Workspace, resolution: int, report: Report) -> None:
    """merge with several colour transfers, the network left out: reading PNG, blending, writing PNG and mask."""
    model = MirrorModel(resolution)
    merge_spent(workspace, model, MergeOptions(contact_sheet=True))  # what the first run alone takes, imports and such
    report.line("| colour transfer | frames a second | CPU ms a frame |\n|---|---|---|")
    frames = 0
    for transfer in _TRANSFERS:
        wall, cpu, frames = merge_spent(workspace, model, MergeOptions(colour_transfer=transfer))
        report.line(f"| {transfer} | {frames / wall:.1f} | {1000 * cpu / frames:.1f} |")
    report.done(f"Measured on {frames} frames, {resolution} pixel model, without network.", frames=frames)


def merge_spent(workspace: Workspace, model: MirrorModel, options: MergeOptions) -> tuple[float, float, int]:
    """Wall and CPU seconds of merging the frames of a workspace, and their number."""
    with _copy(workspace, with_faces=True) as (copied, frames):
        return *_spent(partial(run_merge, copied, options, GivenModels(model), NullReport())), frames


def _spent(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of a call, its processes included."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def _tell(report: Report, what: str, frames: int, spent: tuple[float, float]) -> None:
    wall, cpu = spent
    rate, each = frames / wall, 1000 * cpu / frames
    report.done(
        f"| {what} | {frames} frames | {rate:.1f} frames/s | {each:.1f} ms CPU a frame |",
        frames=frames,
        frames_a_second=round(rate, 2),
        milliseconds=round(each, 2),
    )


@contextmanager
def _copy(workspace: Workspace, with_faces: bool) -> Iterator[tuple[Workspace, int]]:
    """A workspace of its own with data_dst's frames, so that nothing of the user's is touched; and their number."""
    frames = list_pictures(workspace.frames("dst"))
    if not frames or (with_faces and not list_pictures(workspace.aligned("dst"))):
        raise UserError(
            f"{workspace.frames('dst')} lacks frames or faces to measure with.",
            "Name a workspace that has them (--workspace PATH); `dfl demo` makes one.",
        )
    with tempfile.TemporaryDirectory() as folder:
        copied = Workspace(Path(folder))
        copied.create()
        for path in frames:
            shutil.copy2(path, copied.frames("dst"))
        if with_faces:
            # With what extraction knows of cuts, and that it has smoothed the landmarks.
            known = [workspace.found_faces("dst"), workspace.extraction_journal("dst")]
            for path in [*list_pictures(workspace.aligned("dst")), *(path for path in known if path.is_file())]:
                shutil.copy2(path, copied.root / path.relative_to(workspace.root))
        yield copied, len(frames)
