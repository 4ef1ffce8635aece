"""Person filter (`--only`): select tracks by comparing embeddings of a few faces each with the reference pictures."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Points
from dfl.base.processes import in_processes, lower_priority, stop_if_asked
from dfl.base.report import Report
from dfl.extraction.face_tracks import face_at
from dfl.extraction.frame_source import Part
from dfl.faces.identity import Descriptor, descriptor
from dfl.faces.reference import LIKE_REFERENCE, nearest_person
from dfl.faces.tracks import Position, Track
from dfl.faceset.found_faces import FoundFrame

_SAMPLES = 5  # faces of a track that are compared; their median distance decides


@dataclass(frozen=True, eq=False)
class _Job:
    """Faces of a part's frames that need embeddings: by frame's file name, (index of the track, landmarks)."""

    part: Part
    faces: dict[str, list[tuple[int, Points]]]

    def __str__(self) -> str:
        return str(self.part)


def wanted_tracks(
    parts: Sequence[Part],
    frames: Sequence[FoundFrame | None],
    tracks: Sequence[Track],
    references: NDArray[np.float32],
    workers: int,
    report: Report,
) -> dict[int, bool]:
    """By index of the track: whether its faces match one of the references (M, 128), see LIKE_REFERENCE."""
    chosen: dict[str, list[tuple[int, Points]]] = {}
    for number, track in enumerate(tracks):
        for position in _sample_positions(frames, track):
            frame = frames[position[0]]
            assert frame is not None
            chosen.setdefault(frame.frame, []).append((number, face_at(frames, position).landmarks))
    jobs = list(_jobs(parts, chosen))
    distances: dict[int, list[float]] = {}
    outcomes = in_processes(_describe, jobs, workers=min(workers, max(len(jobs), 1)), start=lower_priority)
    with closing(outcomes), report.progress("comparing people", len(jobs)) as progress:
        for outcome in outcomes:
            for number, found in outcome.result or ():
                distances.setdefault(number, []).append(float(nearest_person(found[None], references)[1][0]))
            progress.advance()
    return {number: _is_wanted(distances.get(number, [])) for number in range(len(tracks))}


def _sample_positions(frames: Sequence[FoundFrame | None], track: Track) -> list[Position]:
    """Large faces of high confidence, spread over the track."""
    stretches = np.array_split(np.arange(len(track)), min(_SAMPLES, len(track)))
    return [
        max(
            (track[index] for index in stretch),
            key=lambda position: face_at(frames, position).area * face_at(frames, position).confidence,
        )
        for stretch in stretches
    ]


def _jobs(parts: Sequence[Part], chosen: Mapping[str, list[tuple[int, Points]]]) -> Iterator[_Job]:
    for part in parts:
        faces = {name: chosen[name] for name in part.names if name in chosen}
        if faces:
            yield _Job(part, faces)


def _describe(job: _Job) -> list[tuple[int, Descriptor]]:
    """Compute the embeddings of a part's chosen faces, in a worker process."""
    described = []
    for frame in job.part.read(frozenset(job.faces)):
        stop_if_asked()
        if frame.picture is not None:
            described += [(number, descriptor(frame.picture, points)) for number, points in job.faces[frame.name]]
    return described


def _is_wanted(distances: list[float]) -> bool:
    """By the median distance, because single faces may be turned away or blurred."""
    return bool(distances) and float(np.median(distances)) < LIKE_REFERENCE
