"""Assign the clip's faces to people: by reference pictures, or by the file names of the aligned faces."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.report import Report
from dfl.face_analysis.measures import measure
from dfl.faces.reference import LIKE_REFERENCE, nearest_person, references_of
from dfl.faces.tracks import Position, Track
from dfl.faceset.faceset import FaceFile
from dfl.merging.planning.session import SessionPerson
from dfl.merging.planning.tasks import FrameTask

# Faces of a track that are compared with the people's pictures, evenly spaced; their median distance decides, as
# single faces may be turned away or blurred.
_SAMPLES = 7


def assign_people(
    clip: Sequence[FrameTask],
    tracks: Iterable[Track],
    people: Sequence[SessionPerson],
    folder: Path,
    report: Report,
    workers: int = 0,
) -> dict[Position, int]:
    """The person of each face, as an index of `people`; faces of none of them are left out.

    Faces that a person's `faces` names are that person's; the others of a track go to the nearest person. folder: base
    of relative paths of pictures. UserError when a picture shows no face, and when nobody is found in the clip.
    """
    owners = _by_hand(clip, people)
    references = {
        owner: references_of([folder / path for path in person.only])
        for owner, person in enumerate(people)
        if person.only
    }
    if references:
        unknown = [[position for position in track if position not in owners] for track in tracks]
        for track, owner in _nearest_people([track for track in unknown if track], clip, references, report, workers):
            owners |= dict.fromkeys(track, owner)
    _report_people(people, owners, report)
    return owners


def _by_hand(clip: Sequence[FrameTask], people: Sequence[SessionPerson]) -> dict[Position, int]:
    owners = {}
    for index, frame in enumerate(clip):
        for number, face in enumerate(frame.faces):
            for owner, person in enumerate(people):
                if any(fnmatchcase(face.file.name, pattern) for pattern in person.faces):
                    owners[index, number] = owner
                    break
    return owners


def _nearest_people(
    tracks: Sequence[Track],
    clip: Sequence[FrameTask],
    references: Mapping[int, NDArray[np.float32]],
    report: Report,
    workers: int,
) -> Iterator[tuple[Track, int]]:
    """The tracks that show one of the people, with the person. references: descriptors (M, 128) by person's index."""
    samples = [evenly_spaced(track, _SAMPLES) for track in tracks]
    faces: list[FaceFile] = [clip[frame].faces[face].file for sample in samples for frame, face in sample]
    measured = measure(faces, ["descriptor"], report, workers)
    first = 0
    for track, sample in zip(tracks, samples, strict=True):
        rows = slice(first, first + len(sample))
        first += len(sample)
        descriptors = measured["descriptor"][rows][measured["readable"][rows]]
        if not len(descriptors):
            continue
        distances = {
            owner: float(np.median(nearest_person(descriptors, pictures)[1])) for owner, pictures in references.items()
        }
        owner = min(distances, key=lambda one: distances[one])
        if distances[owner] < LIKE_REFERENCE:
            yield track, owner


def _report_people(people: Sequence[SessionPerson], owners: Mapping[Position, int], report: Report) -> None:
    counts = Counter(owners.values())
    if not counts:
        raise UserError(
            "None of the people of this merge is in data_dst's faces.",
            "Check the pictures given with --only, or swap everyone again with --everyone.",
        )
    for owner, person in enumerate(people):
        name = ", ".join(person.only + person.faces)
        if not counts[owner]:
            report.warn(f"No face of data_dst is like {name}: nothing is swapped for this person.")
        else:
            what = "stay" if person.model is None else "are swapped"
            report.line(f"{counts[owner]} faces of {name} {what}.")
