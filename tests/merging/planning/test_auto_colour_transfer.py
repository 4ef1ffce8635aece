"""`auto`: the colour transfer whose seam is the weakest, measured on the clip."""

import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.imaging.transfers import MERGING_TRANSFERS
from dfl.merging.blending.box import PixelBox
from dfl.merging.blending.face_blender import FacePatch
from dfl.merging.planning.auto_colour_transfer import best, seam_of
from dfl.models.prediction import Prediction
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel

Clip = Callable[..., None]
Merged = Callable[..., Any]
HERE = PixelBox(20, 30, 140, 150)


def patch_of(frame: NDArray[np.uint8], shift: tuple[float, float, float]) -> FacePatch:
    """A round face as the frame is there, but for a shift of its colours (BGR, 0..1)."""
    y, x = np.mgrid[:120, :120]
    cover = np.clip((55 - np.hypot(x - 60, y - 60)) / 3, 0, 1).astype(np.float32)[:, :, None]
    picture = frame[HERE.slices].astype(np.float32) / 255 + np.array(shift, np.float32)
    return FacePatch(HERE, picture.clip(0, 1), cover, cover)


@pytest.mark.parametrize("shift", [(0, 0, 0), (0.1, 0.1, 0.1), (-0.08, 0.0, 0.05)])
def test_a_seam_is_the_distance_in_lab_by_scikit_image(shift: tuple[float, float, float]) -> None:
    from skimage.color import deltaE_cie76, rgb2lab

    frame = np.full((200, 200, 3), (110, 130, 150), np.uint8)
    colours = np.array([(110, 130, 150)]) / 255
    there = float(deltaE_cie76(*(rgb2lab(one[:, ::-1]) for one in (colours, colours + np.array(shift))))[0])
    assert seam_of(frame, patch_of(frame, shift)) == pytest.approx(there, abs=0.15)


def test_a_beard_in_a_few_sectors_does_not_count_and_what_lies_on_the_frames_border_is_no_edge() -> None:
    frame = np.full((200, 200, 3), (110, 130, 150), np.uint8)
    patch = patch_of(frame, (0, 0, 0))
    patch.picture[100:, 40:80] = 0.1
    assert seam_of(frame, patch) == pytest.approx(0, abs=0.3)
    half = PixelBox(20, 0, 140, 60)
    rest = patch_of(frame, (0.1, 0.1, 0.1))
    cut = FacePatch(half, rest.picture[60:], rest.cover[60:], rest.cover[60:])
    assert seam_of(frame, cut) == pytest.approx(seam_of(frame, rest), rel=0.2)
    assert seam_of(frame, FacePatch(half, cut.picture, 0 * cut.cover, 0 * cut.cover)) is None


def test_of_those_that_are_hardly_worse_the_simplest_is_taken() -> None:
    assert best({"rct": 1.02, "mkl": 1.0, "idt": 0.99, "none": 5.0}) == "rct"
    assert best({"rct": 1.5, "mkl": 1.0, "sot-m": 0.98}) == "mkl"
    assert best({"none": 0.5, "rct": 2.0}) == "none"


class Tinted(FakeModel):
    """The face as it is, or in another light."""

    gain: tuple[float, float, float] = (1, 1, 1)

    def predict(self, faces: Any) -> Prediction:
        answer = super().predict(faces)
        face = (faces * np.array(self.gain, np.float32)).astype(np.float32)
        return Prediction(face, answer.face_mask, answer.dst_mask)


class Redder(Tinted):
    gain = (0.5, 0.75, 1.0)


def skin(workspace: Workspace, count: int) -> None:
    """Frames of smooth colours instead of waves."""
    random = np.random.default_rng(4)
    for number in range(1, count + 1):
        blobs = cv2.resize(random.uniform(0.3, 0.8, (4, 4, 3)), (240, 180), interpolation=cv2.INTER_CUBIC)
        write_picture(workspace.frames("dst") / f"{number:05d}.png", (blobs * 255).clip(0, 255).astype(np.uint8))


def test_a_face_in_its_own_colours_needs_no_strong_transfer_and_a_tinted_one_does(
    workspace: Workspace, clip: Clip, merged: Merged
) -> None:
    clip(8)
    skin(workspace, 8)
    own = merged(Tinted(), colour_transfer="auto")
    assert "Chosen on 8 frames: colour transfer skin. Seam with skin 0." in own.text
    tinted = merged(Redder(iteration=2000), colour_transfer="auto")
    assert "Chosen" in tinted.text, "a newer model is looked at anew"
    session = json.loads((workspace.frames("dst") / "merge_session.json").read_text(encoding="utf-8"))
    choice = session["chosen"]["everyone"]
    assert choice["seams"][choice["colour_transfer"]] < 4
    auto = [read_picture(path) for path in list_pictures(workspace.merged)]
    assert "Chosen" not in merged(Redder(iteration=2000)).text, "it stays chosen"
    merged(Redder(iteration=2000), colour_transfer=choice["colour_transfer"])
    for one, path in zip(auto, list_pictures(workspace.merged), strict=True):
        assert np.array_equal(one, read_picture(path))


class Torn(Tinted):
    """Colours that no light mends: every transfer is tried."""

    def predict(self, faces: Any) -> Prediction:
        answer = super().predict(faces)
        stripes = (np.arange(faces.shape[2]) % 24 < 12)[None, None, :, None]
        return Prediction(np.where(stripes, 1 - faces, faces).astype(np.float32), answer.face_mask, answer.dst_mask)


def test_where_the_first_one_shows_a_seam_all_are_tried(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(2)
    skin(workspace, 2)
    report = merged(Torn(), colour_transfer="auto")
    session = json.loads((workspace.frames("dst") / "merge_session.json").read_text(encoding="utf-8"))
    choice = session["chosen"]["everyone"]
    assert set(choice["seams"]) == set(MERGING_TRANSFERS)
    assert choice["seams"][choice["colour_transfer"]] <= min(choice["seams"].values()) / 0.95
    assert f"colour transfer {choice['colour_transfer']}. Seam with" in report.text
