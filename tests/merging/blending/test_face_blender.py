"""One face in one frame: equal to what was recorded from the original, and right where no record exists."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.pictures import read_picture
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import FaceCrop, Motion, crop_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.merged_frame import compose, compose_raw
from dfl.merging.blending.original_rules import ORIGINAL_RULES
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.running.xseg_masks import XsegMasks

MASKS = MergeSettings.model_fields["mask_mode"].annotation.__args__
TRANSFERS = MergeSettings.model_fields["colour_transfer"].annotation.__args__
SHARPEN = MergeSettings.model_fields["sharpen_mode"].annotation.__args__


def settings_of(config: dict[str, Any]) -> MergeSettings:
    """The recorded settings under our names."""
    return MergeSettings(
        mode=config["mode"],
        masked_hist_match=config["masked_hist_match"],
        hist_match_threshold=config["hist_match_threshold"],
        mask_mode=MASKS[config["mask_mode"]],
        erode=config["erode_mask_modifier"],
        blur=config["blur_mask_modifier"],
        motion_blur=config["motion_blur_power"],
        face_scale=config["output_face_scale"],
        colour_transfer=TRANSFERS[config["color_transfer_mode"]],
        sharpen_mode=SHARPEN[config["sharpen_mode"]],
        sharpen_amount=config["blursharpen_amount"],
        denoise=config["image_denoise_power"],
        bicubic=config["bicubic_degrade_power"],
        colour_degrade=config["color_degrade_power"],
        like_original=True,
    )


class Recorded:
    """The recorded frames, predictions and results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = json.loads((folder / "merge.json").read_text(encoding="utf-8"))

    def frame(self, number: int) -> NDArray[np.uint8]:
        return read_picture(self.folder / f"frame{number}.png")

    def landmarks(self, number: int) -> NDArray[np.float64]:
        return np.array(self.facts["frames"][number]["landmarks"])

    def crop(self, number: int, landmarks: NDArray[np.float64] | None = None) -> FaceCrop:
        facts = self.facts["frames"][number]
        kind = FaceType.from_name(facts["face_type"])
        points = self.landmarks(number) if landmarks is None else landmarks
        return crop_face(self.frame(number), points, kind, facts["resolution"], rules=ORIGINAL_RULES)

    def prediction(self, number: int) -> FacePrediction:
        face, prd, dst = (
            read_picture(self.folder / f"pred{number}_{part}.png").astype(np.float32) / 255
            for part in ("bgr", "mask_prd", "mask_dst")
        )
        return FacePrediction(face, prd[:, :, 0], dst[:, :, 0])

    def result(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        content = np.frombuffer((self.folder / name).read_bytes(), np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        return picture[:, :, :3], picture[:, :, 3]

    def merged(self, case: dict[str, Any], prediction: FacePrediction) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        number = case["frame"]
        motion = Motion(case.get("motion_power", 0.0), case.get("motion_deg", 0.0))
        random = np.random.RandomState(case.get("numpy_seed", 1234))
        frame, crop = self.frame(number), self.crop(number)
        settings = settings_of(case["config"])
        patch = merge_face(frame, crop, prediction, settings, motion, random)
        is_raw = settings.mode == "raw-predict"
        return (compose_raw(patch, settings) if is_raw else compose(frame, [patch], settings)).as_bytes()


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Recorded:
    return Recorded(shared / "original" / "merge")


def levels_apart(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    return float(np.abs(made.astype(int) - wanted.astype(int)).mean())


@pytest.mark.parametrize("index", range(35))
def test_equals_the_recorded_frame(recorded: Recorded, index: int, agrees: Any) -> None:
    case = recorded.facts["cases"][index]
    picture, mask = recorded.merged(case, recorded.prediction(case["frame"]))
    wanted, wanted_mask = recorded.result(case["file"])
    # Sharpening and the choice of 256 colours make more of last digits.
    strict = not (case["config"]["sharpen_mode"] or case["config"]["color_degrade_power"])
    mode, transfer = case["config"]["mode"], case["config"]["color_transfer_mode"]
    agrees(f"merge {mode}, transfer {transfer}", picture, wanted, 0.25 if strict else 0.5, how="mean")
    agrees("merge masks", mask, wanted_mask, 0.25, how="mean")


def test_shows_the_model_what_the_original_showed_it(recorded: Recorded, agrees: Any) -> None:
    inputs = np.load(recorded.folder / "predictor_inputs.npz")
    for number in range(3):
        # Stored as 16-bit numbers of 0..1.
        agrees("merge predictor inputs", recorded.crop(number).picture, inputs[f"frame{number}"] / 65535, 0.002)


def test_two_faces_cover_each_other_as_recorded(recorded: Recorded, agrees: Any) -> None:
    case = recorded.facts["two_faces"]
    number = case["frame"]
    frame = recorded.frame(number)
    settings = settings_of(case["config"])
    patches = [
        merge_face(frame, recorded.crop(number, np.array(points)), recorded.prediction(number), settings)
        for points in case["landmarks_list"]
    ]
    picture, mask = compose(frame, patches, settings).as_bytes()
    wanted, wanted_mask = recorded.result("two_faces.png")
    assert len(patches) == 2
    agrees("merge two faces", picture, wanted, 0.25, how="mean")
    agrees("merge masks", mask, wanted_mask, 0.25, how="mean")


def made_up_xseg(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The function that stood for the XSeg network when the records were made."""
    y, x = np.mgrid[:256, :256] / 256
    mask = np.clip(3 - 7 * np.sqrt((x - 0.5) ** 2 + (y - 0.55) ** 2), 0, 1)
    return (mask * (picture[:, :, 1] > 0.08)).astype(np.float32)


class MadeUpXseg:
    """The function as a model of a face type."""

    iteration = 0

    def __init__(self, face_type: FaceType) -> None:
        self.face_type = face_type

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([made_up_xseg(face) for face in faces])[:, :, :, None]


@pytest.mark.parametrize("index", range(4))
def test_xseg_masks_equal_the_recorded_ones(recorded: Recorded, index: int, agrees: Any) -> None:
    case = recorded.facts["xseg"][index]
    crop = recorded.crop(case["frame"])
    mode = settings_of(case["config"]).mask_mode
    xseg = XsegMasks.for_mode(MadeUpXseg(crop.face_type), mode, ORIGINAL_RULES)
    crop = xseg.add_input(recorded.frame(case["frame"]), crop)
    (prediction,) = xseg.draw([crop], [recorded.prediction(case["frame"])])
    picture, mask = recorded.merged(case, prediction)
    wanted, wanted_mask = recorded.result(case["file"])
    agrees("merge with XSeg masks", picture, wanted, 0.25, how="mean")
    agrees("merge masks", mask, wanted_mask, 0.25, how="mean")
