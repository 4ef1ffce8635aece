"""The plain way of merging, with which `bench merge` compares, makes the original's recorded frames, and ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import crop_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.merged_frame import compose
from dfl.merging.blending.original_rules import ORIGINAL_RULES
from dfl.merging.planning.settings import ORIGINAL, MergeSettings
from tests.merging.blending.test_face_blender import Recorded, levels_apart, settings_of
from tests.merging.conftest import FakeModel, face_at, waves
from tests.reference.plain_merge import PLAIN_TRANSFERS, can_be_plain, plain_merge


def test_makes_the_recorded_frames(shared: Path, agrees: Any) -> None:
    recorded = Recorded(shared / "original" / "merge")
    seen = set()
    for case in recorded.facts["cases"]:
        settings = settings_of(case["config"]).model_copy(update={"like_original": False})
        if not can_be_plain(settings) or case.get("motion_power"):
            continue
        crop, frame = recorded.crop(case["frame"]), recorded.frame(case["frame"]).astype(np.float32) / np.float32(255)
        prediction = recorded.prediction(case["frame"])
        made = plain_merge(
            frame, crop.landmarks, crop.face_type, crop.picture, prediction, settings, case.get("numpy_seed", 1234)
        )
        wanted, wanted_mask = recorded.result(case["file"])
        picture, mask = (made[..., part] * 255 for part in (slice(3), 3))
        agrees("plain merge", picture.astype(np.uint8), wanted, 0.25, how="mean")
        agrees("plain merge masks", mask.astype(np.uint8), wanted_mask, 0.25, how="mean")
        seen.add((settings.mode, settings.colour_transfer))
    assert {("overlay", transfer) for transfer in PLAIN_TRANSFERS} <= seen
    assert {("hist-match", "none"), ("seamless", "none")} <= seen


@pytest.mark.parametrize("transfer", [one for one in PLAIN_TRANSFERS if one != "none"])
def test_makes_what_merging_makes(transfer: Any) -> None:
    settings = MergeSettings(**(ORIGINAL | {"colour_transfer": transfer, "steady_mask": 0, "steady_landmarks": False}))
    assert can_be_plain(settings)
    model, frame, landmarks = FakeModel(), waves(3), face_at(120, 90, 90)
    crop = crop_face(frame, landmarks, model.face_type, model.resolution, rules=ORIGINAL_RULES)
    answer = model.predict(crop.picture[None])
    prediction = FacePrediction(answer.face[0], answer.face_mask[0, :, :, 0], answer.dst_mask[0, :, :, 0])
    plain = plain_merge(
        frame.astype(np.float32) / np.float32(255), landmarks, model.face_type, crop.picture, prediction, settings
    )
    ours = settings.model_copy(update={"like_original": True})
    patch = merge_face(frame, crop, prediction, ours, random=np.random.RandomState(0))
    picture, mask = compose(frame, [patch], ours).as_bytes()
    assert levels_apart((plain[..., :3] * 255).astype(np.uint8), picture) < 0.3
    assert levels_apart((plain[..., 3] * 255).astype(np.uint8), mask) < 0.05


def test_leaves_settings_alone_that_it_does_not_know() -> None:
    for given in ({"erode": 10}, {"mode": "raw-rgb"}, {"colour_transfer": "lct"}, {"mode": "seamless"}):
        assert not can_be_plain(MergeSettings(**(ORIGINAL | given)))
