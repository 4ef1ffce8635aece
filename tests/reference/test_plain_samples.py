"""The plain float32 samples, with which `bench samples` compares, show the same pictures as training's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.data.sample import SampleSettings, make_sample
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.segmentation import encode_mask
from tests.reference.plain_samples import PLAIN_MODES, plain_sample


@pytest.mark.parametrize("mode", PLAIN_MODES)
def test_plain_samples_are_those_of_training(make_face: Any, tmp_path: Path, mode: Any) -> None:
    area = np.zeros((80, 80, 1), np.float32)
    area[10:70, 15:65] = 1
    for seed in (1, 2):
        face = make_face(seed=seed, xseg_mask=encode_mask(area))
        write_face(tmp_path / f"{seed}.jpg", face.picture, face.metadata)
    face, partner = list_faceset(tmp_path)
    settings = SampleSettings(64, FaceType.FULL, flip=True, eyes_mouth="joint", transfer=mode)
    for seed in range(3):
        used = None if mode == "none" else partner
        plain = plain_sample(face, settings, seed, used)
        reference = None if used is None else used.read_picture()
        ours = make_sample(face.read_picture(), face.metadata, settings, seed, reference)
        for part in ("warped", "target", "mask", "eyes_mouth"):
            apart = np.abs(getattr(plain, part) - getattr(ours, part))
            assert apart.mean() < 0.004, part
            assert np.quantile(apart, 0.999) < 0.06, part
