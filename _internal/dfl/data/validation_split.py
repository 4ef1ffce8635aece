"""The validation split: faces that a model is not trained on."""

import hashlib
from collections.abc import Sequence

from dfl.base.listing import natural_key
from dfl.faceset.faceset import FaceFile

# Of the faces, at most this share is kept from training, the neighbours of those held out included.
_MAX_SHARE = 20  # one of so many
# Frames beside a validation-out one show nearly the same: they are in neither set.
_NEIGHBOURS = 2
# No two validation-out frames are nearer than this.
_DISTANCE = 10

_Frame = tuple[str, str]  # person (empty for none) and the source's file name


def validation_split(faces: Sequence[FaceFile], count: int, seed: int) -> tuple[list[FaceFile], list[FaceFile]]:
    """Faces to train on, in their order, and at most `count` faces held out of training.

    Chosen by a hash of the seed and the name of the face's source frame: the same whatever the faces' files are called
    and however they are sorted, and nearly the same after some are deleted. All faces of a chosen frame are held out;
    frames within two of it are left out of both lists, as they show nearly the same. Together these are never more than
    one of twenty faces; so small sets hold out none.
    """
    frames: dict[_Frame, list[FaceFile]] = {}
    for face in faces:
        frames.setdefault(_frame(face), []).append(face)
    order = sorted(frames, key=lambda frame: (frame[0], natural_key(frame[1])))
    budget = len(faces) // _MAX_SHARE
    chosen: list[int] = []
    taken: set[int] = set()
    validation: list[FaceFile] = []
    for at in sorted(range(len(order)), key=lambda at: _hash(order[at], seed)):
        group = frames[order[at]]
        if len(validation) + len(group) > count:
            continue
        near = range(max(at - _NEIGHBOURS, 0), min(at + _NEIGHBOURS + 1, len(order)))
        cost = sum(len(frames[order[other]]) for other in near)
        if cost > budget or any(abs(at - other) < _DISTANCE for other in chosen):
            continue
        budget -= cost
        chosen.append(at)
        taken.update(near)
        validation += group
    left_out = {order[at] for at in taken}
    validation_frames = {order[at] for at in chosen}
    training = [face for face in faces if _frame(face) not in left_out]
    return training, [face for face in faces if _frame(face) in validation_frames]


def _frame(face: FaceFile) -> _Frame:
    """Faces of foreign programs may not know their frame; then each stands for itself."""
    return face.person or "", face.metadata.source_filename or face.name


def _hash(frame: _Frame, seed: int) -> bytes:
    return hashlib.blake2b("\0".join((str(seed), *frame)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
