"""Wanted people, given by reference pictures of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.frames import no_frames
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.faces.find import FaceFinder
from dfl.faces.identity import descriptor

# A face nearer than this to one of the references is taken for that person. Measured on 10 clips with 5 known people,
# from one still of each: their own 990 faces were at most 0.544 away, all other faces at least 0.576.
LIKE_REFERENCE = 0.56


def references_of(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Descriptors of the people in reference pictures: (M, 128), one row a picture.

    paths: pictures of any kind, a frame, a photo or an aligned picture, with one face each; a folder stands for all
    pictures in it. UserError when one cannot be read, or shows no face or several.
    """
    pictures = [picture for path in paths for picture in (list_pictures(path) if path.is_dir() else [path])]
    if not pictures:
        raise no_frames(paths[0], "Name pictures of the person.", "pictures")
    finder = FaceFinder()
    return np.stack([_reference(path, finder) for path in pictures])


def _reference(path: Path, finder: FaceFinder) -> NDArray[np.float32]:
    picture = read_picture(path)
    faces = finder.find(picture)
    if len(faces) != 1:
        raise UserError(
            f"{path} shows {len(faces) or 'no'} {'faces' if faces else 'face'} that can be found.",
            "Expected one: name another picture, or cut this one so that it shows the wanted person's face only.",
        )
    return descriptor(picture, faces[0].landmarks)


def nearest_person(
    descriptors: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which reference each face is nearest to, (N,), and how far from it, (N,) float32; see LIKE_REFERENCE.

    descriptors: (N, 128). references: (M, 128), M at least 1.
    """
    distances = np.linalg.norm(descriptors[:, None, :] - references[None, :, :], axis=2)  # (N, M)
    nearest = distances.argmin(axis=1)
    return nearest.astype(np.int64), distances[np.arange(len(distances)), nearest].astype(np.float32)
