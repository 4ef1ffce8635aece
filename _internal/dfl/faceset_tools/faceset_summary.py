"""The measurements of one faceset that `inspect` shows and that its recommendations rest on."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import shown_size
from dfl.base.rare_pictures import size_by_pillow
from dfl.base.report import Report
from dfl.face_analysis.clustering import NOBODY
from dfl.face_analysis.measures import measure
from dfl.face_analysis.near_duplicates import near_duplicates
from dfl.face_analysis.outliers import Outlier, find_outliers
from dfl.face_analysis.poses import enlargements, pitch_yaw, rectangle_areas
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset_tools.people import PersonGroup, people_of
from dfl.video.facts import read_facts
from dfl.workspace import Side, Workspace

# Enough faces to cluster people; descriptors take as long as all other measures together.
SAMPLED_FACES = 400
_HEAD_BYTES = 65536
_END_OF_JPEG = b"\xff\xd9"


@dataclass(frozen=True, eq=False)
class FacesetSummary:
    """A faceset's measures; arrays have a value for each of `faces`, in their order, which is by name.

    poses: (N, 2) pitch and yaw, radians. source_sizes: square root of the face's area in its frame, pixels.
    enlargements: scale from the frame to the aligned picture. sharpness: 0..1. brightness: 0..255. outliers: the worst
    first. duplicates: groups of two and more near equal faces, the sharpest of each first. people: clusters of
    `compared` evenly sampled faces, the largest first. mean_descriptor: (128,), of the largest. damaged: names of
    pictures that could not be read.
    """

    side: Side
    faces: tuple[FaceFile, ...]
    poses: NDArray[np.float64]
    source_sizes: NDArray[np.float64]
    enlargements: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    brightness: NDArray[np.float64]
    outliers: tuple[Outlier, ...]
    duplicates: tuple[tuple[FaceFile, ...], ...]
    people: tuple[PersonGroup, ...]
    compared: int
    mean_descriptor: NDArray[np.float32]
    damaged: tuple[str, ...]

    @property
    def face_types(self) -> Counter[str]:
        """How many faces are of each face type."""
        return Counter(face.metadata.face_type.file_name for face in self.faces)

    @property
    def picture_sizes(self) -> Counter[int]:
        """How many pictures have each size, in pixels."""
        return Counter(face.shape[1] for face in self.faces)

    @property
    def spare_faces(self) -> int:
        """How many faces are near duplicates of another one."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def people_count(self) -> int:
        """How many people were seen often enough to tell them apart."""
        return sum(person.number != NOBODY for person in self.people)

    @property
    def others(self) -> tuple[PersonGroup, ...]:
        """Everybody but the person with most faces."""
        return self.people[1:] if self.people and self.people[0].number != NOBODY else ()


def summarise_faceset(workspace: Workspace, side: Side, compare_all: bool, report: Report) -> FacesetSummary | None:
    """Measure a side's faceset; None when it has no faces. compare_all: cluster all faces, not a sample."""
    report.line(f"{side}: {workspace.aligned(side)}")
    listed = list_faceset(workspace.aligned(side), report)
    if not listed:
        return None
    measured = measure(listed, ["sharpness", "brightness", "thumbnail"], report)
    readable = measured["readable"]
    faces = [face for face, is_readable in zip(listed, readable, strict=True) if is_readable]
    if not faces:
        return None
    sharpness = measured["sharpness"][readable]
    groups = near_duplicates(measured["thumbnail"][readable], sharpness, report)
    people, compared, mean = _people(faces, compare_all, report)
    return FacesetSummary(
        side=side,
        faces=tuple(faces),
        poses=pitch_yaw(faces),
        source_sizes=np.sqrt(rectangle_areas(faces)),
        enlargements=enlargements(faces),
        sharpness=sharpness,
        brightness=measured["brightness"][readable],
        # Faces of dst that the frame's edge cuts are swapped like any other.
        outliers=tuple(find_outliers(faces, frame_sizes(workspace, side, faces) if side == "src" else {})),
        duplicates=tuple(tuple(faces[index] for index in group) for group in groups if len(group) > 1),
        people=tuple(people),
        compared=compared,
        mean_descriptor=mean,
        damaged=tuple(face.name for face, is_readable in zip(listed, readable, strict=True) if not is_readable),
    )


def frame_sizes(workspace: Workspace, side: Side, faces: list[FaceFile]) -> dict[str, tuple[int, int]]:
    """Height and width of the faces' frames by file name, from their headers; the clip's where a frame is gone."""
    clip = _clip_size(workspace.clip_facts(side))
    sizes = {}
    for name in {face.metadata.source_filename for face in faces}:
        size = _picture_size(workspace.frames(side) / name) or clip
        if size:
            sizes[name] = size
    return sizes


def _clip_size(path: Path) -> tuple[int, int] | None:
    try:
        facts = read_facts(path)
    except UserError:
        return None  # told by the stages that need it
    return (facts.height, facts.width) if facts else None


def _picture_size(path: Path) -> tuple[int, int] | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    height, width = shown_size(head + _END_OF_JPEG)
    return (height, width) if height and width else size_by_pillow(path)


def _people(
    faces: list[FaceFile], compare_all: bool, report: Report
) -> tuple[list[PersonGroup], int, NDArray[np.float32]]:
    """Clusters of the faces, or of an evenly spaced sample; its size; the mean descriptor of the largest cluster."""
    chosen = faces if compare_all else evenly_spaced(faces, SAMPLED_FACES)
    measured = measure(chosen, ["descriptor"], report)
    readable, descriptors = measured["readable"], measured["descriptor"]
    chosen = [face for face, is_readable in zip(chosen, readable, strict=True) if is_readable]
    people = people_of(chosen, descriptors[readable])
    if not people:
        return [], 0, np.zeros(128, np.float32)
    first = {id(face) for face in people[0].faces}
    mean: NDArray[np.float32] = descriptors[readable][[id(face) in first for face in chosen]].mean(axis=0)
    return people, len(chosen), mean
