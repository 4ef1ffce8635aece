"""What a training sample costs: one thread, with every kind of sample, from faces of one size."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from dfl.base.report import Report
from dfl.bench.cpu_time import cpu_of, least_in_turn
from dfl.data.batches import load_training_faces
from dfl.data.sample import (
    Base,
    Partner,
    RandomStreams,
    SampleSettings,
    empty_batch,
    fill_sample,
    make_base,
    make_partner,
)
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.faceset.aligned_face import AlignedFace, write_face
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset.segmentation import encode_mask
from dfl.faceset_tools.resized_face import resized_face
from dfl.imaging.colour_transfer import is_formula
from dfl.imaging.transfers import TRAINING_TRANSFERS
from dfl.workspace import Workspace

FACES = 8
_FACES_OF_SLOW_KINDS = 2
_FACE_SIDE, _MASK_SIDE, _MASK_BLUR = 512, 256, (9, 9)


def bench_samples(workspace: Workspace, resolution: int, rounds: int, report: Report) -> None:
    """A table of CPU time a sample, from faces of data_dst brought to 512 pixels and given masks of 256.

    Kept: the face is in memory at the model's size. Read: it is decoded for this sample, as is the partner's picture
    of idt and sot; the other transfers need no more than a partner's mean and spread, which are kept for all faces.
    """
    report.line(f"| ms CPU a sample of {resolution} pixels | faces kept | faces read |")
    report.line("|---|---|---|")
    figures = {}
    with sample_faces(workspace) as faces:
        for name, settings in sample_kinds(resolution).items():
            used = faces_for(faces, settings)
            kept, read = least_in_turn(measurements(used, settings), rounds)
            report.line(f"| {name} | {1000 * kept / len(used):.2f} | {1000 * read / len(used):.2f} |")
            figures[name] = round(1000 * kept / len(used), 3)
    report.done(f"The least of {rounds} measurements of {FACES} samples or more, one thread.", **figures)


@contextmanager
def sample_faces(workspace: Workspace) -> Iterator[list[FaceFile]]:
    """Copies of some of data_dst's faces, all of one size and with a mask; OpenCV has one thread meanwhile."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield _faces_of_one_size(load_training_faces(workspace.aligned("dst")), Path(folder))
    finally:
        cv2.setNumThreads(threads)


def sample_kinds(resolution: int) -> dict[str, SampleSettings]:
    """The kinds of samples that are measured, by name."""
    plain = SampleSettings(resolution, FaceType.FULL, flip=True)
    kinds = {"plain": plain, "eyes and mouth": replace(plain, eyes_mouth="joint")}
    return kinds | {
        f"{mode}, eyes and mouth": replace(plain, eyes_mouth="joint", transfer=mode) for mode in TRAINING_TRANSFERS[1:]
    }


def faces_for(faces: list[FaceFile], settings: SampleSettings) -> list[FaceFile]:
    """The faces that a kind is measured on: few where it is slow."""
    is_fast = settings.transfer == "none" or is_formula(settings.transfer)
    return faces if is_fast else faces[:_FACES_OF_SLOW_KINDS]


def measurements(faces: list[FaceFile], settings: SampleSettings) -> list[Callable[[], float]]:
    """CPU seconds of one sample of every face: with faces kept, and with faces read."""
    return [partial(cpu_of, _work(faces, settings, is_kept)) for is_kept in (True, False)]


def _faces_of_one_size(faces: list[FaceFile], folder: Path) -> list[FaceFile]:
    """Copies of some faces, each with a mask."""
    for number in range(FACES):
        face = faces[number * len(faces) // FACES]
        large = resized_face(AlignedFace(face.read_picture(), face.metadata), _FACE_SIDE)
        hull = hull_mask((_FACE_SIDE, _FACE_SIDE), large.metadata.landmarks)
        mask: Any = cv2.GaussianBlur(cv2.resize(hull, (_MASK_SIDE, _MASK_SIDE)), _MASK_BLUR, 0)
        write_face(folder / f"{number}.jpg", large.picture, replace(large.metadata, xseg_mask=encode_mask(mask)))
    return list_faceset(folder)


def _work(faces: list[FaceFile], settings: SampleSettings, is_kept: bool) -> Callable[[], None]:
    """Makes one sample of every face."""
    bases = [_base(face, settings) for face in faces] if is_kept else []
    partners = [_partner(face, settings) for face in faces] if is_kept or is_formula(settings.transfer) else []
    streams, batch = RandomStreams(), empty_batch(settings, len(faces))

    def work() -> None:
        for number, face in enumerate(faces):
            base = bases[number] if bases else _base(face, settings)
            partner: Partner | None = None
            if settings.transfer != "none":
                other = (number + 1) % len(faces)
                partner = partners[other] if partners else _partner(faces[other], settings)
            streams.start(number)
            fill_sample(base, settings, streams, partner, batch.sample(number))

    return work


def _base(face: FaceFile, settings: SampleSettings) -> Base:
    return make_base(face.read_picture(), face.metadata, settings, face.display_path)


def _partner(face: FaceFile, settings: SampleSettings) -> Partner:
    return make_partner(face.read_picture(), settings)
