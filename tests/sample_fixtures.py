"""Made-up faces: landmarks of the mean head, turned, on smooth random colours. No picture of a person is needed."""

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace, FaceMetadata, write_face

MakeFace = Callable[..., AlignedFace]


def _picture(seed: int, size: int) -> Picture:
    noise = np.random.default_rng(seed).random((8, 8, 3), np.float32)
    return (cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_face() -> MakeFace:
    """A function that makes an aligned face: seed of its colours, size, face type, yaw in radians, XSeg mask."""
    numbers = json.loads(resources.files("dfl.faces").joinpath("mean_face.json").read_text(encoding="utf-8"))
    head = np.array(numbers["model3d"], np.float32)

    def make(
        seed: int = 0,
        size: int = 160,
        face_type: FaceType = FaceType.WHOLE,
        yaw: float = 0.0,
        xseg_mask: bytes | None = None,
    ) -> AlignedFace:
        across = head[:, 0] * np.cos(yaw) + head[:, 2] * np.sin(yaw)
        source = np.stack([across + 200, head[:, 1] + 200], axis=1).astype(np.float32)
        matrix = alignment_matrix(source, size, face_type)
        landmarks = transform_points(source, matrix)
        metadata = FaceMetadata(face_type, landmarks, f"{seed:05d}.png", np.zeros(4, int), source, matrix, xseg_mask)
        return AlignedFace(_picture(seed, size), metadata)

    return make


@pytest.fixture
def faceset(tmp_path: Path, make_face: MakeFace) -> Path:
    """A folder `Würk/data_src/aligned` of six faces that look in different directions."""
    folder = tmp_path / "Würk 顔" / "data_src" / "aligned"
    folder.mkdir(parents=True)
    for number in range(6):
        face = make_face(seed=number, yaw=0.2 * number - 0.5)
        write_face(folder / f"{number:05d}_0.jpg", face.picture, face.metadata)
    return folder
