"""Whose face each face of the clip is: by pictures of the people, or by the names of the aligned faces."""

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
from dfl.faceset.faceset import FaceFile
from dfl.merging.planning.clip_faces import ClipFrame
from dfl.merging.planning.clip_tracks import Place
from dfl.merging.planning.session import SessionPerson

# Faces of a track that are compared with the people's pictures, spread over it; the middle distance decides, for
# single ones may be turned away or blurred.
_LOOKS = 7


def who_is_who(
    clip: Sequence[ClipFrame],
    tracks: Iterable[Sequence[Place]],
    people: Sequence[SessionPerson],
    folder: Path,
    report: Report,
    workers: int = 0,
) -> dict[Place, int]:
    """Whose face each is, as a place in `people`; faces of nobody among them are left out.

    A face named by hand (`faces`) is that person's; the others of a track go to the person they are like. folder: what
    paths of pictures start from. UserError when a picture shows no face, and when nobody is found in the clip.
    """
    owners = _by_hand(clip, people)
    references = {
        owner: references_of([folder / path for path in person.only])
        for owner, person in enumerate(people)
        if person.only
    }
    if references:
        unknown = [[place for place in track if place not in owners] for track in tracks]
        for track, owner in _like_whom([track for track in unknown if track], clip, references, report, workers):
            owners |= dict.fromkeys(track, owner)
    _say_who_is_missing(people, owners, report)
    return owners


def _by_hand(clip: Sequence[ClipFrame], people: Sequence[SessionPerson]) -> dict[Place, int]:
    owners = {}
    for number, frame in enumerate(clip):
        for place, face in enumerate(frame.faces):
            for owner, person in enumerate(people):
                if any(fnmatchcase(face.file.name, pattern) for pattern in person.faces):
                    owners[number, place] = owner
                    break
    return owners


def _like_whom(
    tracks: Sequence[Sequence[Place]],
    clip: Sequence[ClipFrame],
    references: Mapping[int, NDArray[np.float32]],
    report: Report,
    workers: int,
) -> Iterator[tuple[Sequence[Place], int]]:
    """The tracks that show one of the people, and whom. references: descriptors (M, 128) by place in the people."""
    looked_at = [evenly_spaced(track, _LOOKS) for track in tracks]
    faces: list[FaceFile] = [clip[frame].faces[place].file for some in looked_at for frame, place in some]
    measured = measure(faces, ["descriptor"], report, workers)
    first = 0
    for track, some in zip(tracks, looked_at, strict=True):
        rows = slice(first, first + len(some))
        first += len(some)
        descriptors = measured["descriptor"][rows][measured["readable"][rows]]
        if not len(descriptors):
            continue
        distances = {
            owner: float(np.median(nearest_person(descriptors, pictures)[1])) for owner, pictures in references.items()
        }
        owner = min(distances, key=lambda one: distances[one])
        if distances[owner] < LIKE_REFERENCE:
            yield track, owner


def _say_who_is_missing(people: Sequence[SessionPerson], owners: Mapping[Place, int], report: Report) -> None:
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
