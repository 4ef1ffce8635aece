"""No edge around the face by default: the light of the frame's skin, whatever hair lies at the mask's rim."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, read_picture, write_picture
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import crop_face
from dfl.merging.blending.face_masks import FacePrediction, shape_mask, soften_mask
from dfl.merging.blending.merged_frame import compose
from dfl.merging.blending.skin import SIZE, measure_light, relight
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.planning.auto_colour_transfer import edge_for, seam_of
from dfl.merging.planning.settings import ORIGINAL, MergeSettings
from dfl.merging.running.open_models import GivenModels
from dfl.models.prediction import Prediction
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, face_at
from tests.recording_report import RecordingReport

N = 64
TAN, PALE = (0.25, 0.38, 0.55), (0.72, 0.74, 0.86)  # BGR
Y, X = np.mgrid[:N, :N] / (N - 1) * 2 - 1
HULL = np.hypot(X / 0.62, Y / 0.7)
MASK = np.clip(8 * (1 - HULL), 0, 1).astype(np.float32)
HAIR = (np.abs(X) > 0.42) & (Y > -0.5)  # along both cheeks, well inside the mask


def head(skin: tuple[float, float, float], slope: float, hair: bool) -> FloatPicture:
    """A face of one skin with brows, eyes and a mouth, brighter to the right by `slope`; dark hair beside it."""
    picture = np.ones((N, N, 3)) * skin * (1 + slope * X[..., None])
    for x, y, width, height in ((-0.25, -0.2, 0.14, 0.05), (0.25, -0.2, 0.14, 0.05), (0, 0.38, 0.2, 0.06)):
        picture[np.hypot((X - x) / width, (Y - y) / height) < 1] *= 0.35
    if hair:
        picture[HAIR | (HULL > 1.15)] = (0.05, 0.06, 0.08)
    return cv2.GaussianBlur(picture, (0, 0), 0.8).astype(np.float32)


def lab(picture: FloatPicture) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_BGR2LAB))


RIM = (HULL < 0.95) & (HULL > 0.75) & ~cv2.dilate(HAIR.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
CHEEK = (np.hypot(X, Y) < 0.3) & (np.hypot(X, Y + 0.2) > 0.02) & (Y > 0)


def apart(one: FloatPicture, other: FloatPicture, where: NDArray[np.bool_]) -> float:
    """Mean distance in Lab."""
    return float(np.linalg.norm(lab(one) - lab(other), axis=2)[where].mean())


@pytest.mark.parametrize(("own", "there"), [(PALE, TAN), (TAN, PALE)])
@pytest.mark.parametrize("hair", [False, True])
def test_skin_of_another_tone_meets_the_frames(own: Any, there: Any, hair: bool) -> None:
    face, seen = head(own, -0.15, hair=False), head(there, 0.15, hair)
    made = relight(face, measure_light(face, seen, MASK))
    assert apart(face, seen, RIM) > 15
    assert apart(made, seen, RIM) < 3
    assert apart(made, head(there, 0.15, hair=False), CHEEK) < 4, "hair beside it gives the cheek no colour"


def test_a_face_in_its_own_light_stays_as_it_is() -> None:
    face = head(TAN, 0.1, hair=False)
    assert np.abs(relight(face, measure_light(face, face, MASK)) - face).max() < 1e-3


@pytest.mark.parametrize("mask", [np.zeros((N, N)), np.eye(N), np.ones((N, N))])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_to_go_by_gives_a_light_all_the_same(mask: Any, value: float) -> None:
    flat = np.full((N, N, 3), value, np.float32)
    light = measure_light(flat, head(TAN, 0, hair=True), mask.astype(np.float32))
    assert light.shape == (SIZE, SIZE, 3)
    assert np.isfinite(light).all()
    assert 0 <= relight(flat, light).min() <= relight(flat, light).max() <= 1


def in_frame(hair: bool, **settings: Any) -> tuple[NDArray[np.uint8], Any, NDArray[np.uint8]]:
    """Frame, patch and merged frame: a pale face laid over a tan one."""
    large = cv2.resize(head(TAN, 0.15, hair), (300, 300), interpolation=cv2.INTER_CUBIC)
    frame = np.full((340, 340, 3), 90, np.uint8)
    frame[20:320, 20:320] = np.clip(large * 255, 0, 255)
    crop = crop_face(frame, face_at(170, 170, 130), FaceType.WHOLE, N)
    matrix = crop.to_face @ np.array([[300 / N, 0, 20], [0, 300 / N, 20], [0, 0, 1]])
    mask, face = (
        cv2.warpAffine(one, matrix, (N, N), borderMode=cv2.BORDER_REPLICATE) for one in (MASK, head(PALE, -0.15, False))
    )
    chosen = MergeSettings(**settings)
    patch = merge_face(frame, crop, FacePrediction(face, mask, np.ones_like(mask)), chosen)
    return frame, patch, compose(frame, [patch], chosen).as_bytes()[0]


@pytest.mark.parametrize("hair", [False, True])
def test_the_default_shows_no_edge_where_the_original_start_does(hair: bool) -> None:
    frame, patch, _ = in_frame(hair)
    before_frame, before, _ = in_frame(hair, **ORIGINAL)
    seam, plain = seam_of(frame, patch), seam_of(before_frame, before)
    assert seam is not None
    assert plain is not None
    assert seam < 5
    assert seam < plain / 2


def test_dark_hair_at_the_rim_does_not_pull_a_cloned_face_to_its_colour() -> None:
    middle = slice(160, 180), slice(150, 190)
    edge: dict[str, Any] = {"mode": "seamless", "colour_transfer": "none", "erode": 0, "blur": 0}
    with_hair, without = (
        lab(in_frame(hair, **edge)[2][middle] / np.float32(255)).mean(axis=(0, 1)) for hair in (True, False)
    )
    assert np.linalg.norm(with_hair - without) < 8


@pytest.mark.parametrize(("erode", "blur"), [(0, 40), (8, 24), (15, 41), (-12, 30), (3, 61)])
def test_a_soft_mask_is_the_shaped_one(erode: int, blur: int) -> None:
    exact, soft = shape_mask(MASK, erode, blur), soften_mask(MASK, erode, blur)
    wanted = exact.at_face_size(N)
    assert np.abs(soft.at_face_size(N) - wanted).max() < 0.1
    assert np.abs(soft.at_face_size(N) - wanted).mean() < 0.008
    assert soft.at_face_size(4 * N).shape == (4 * N, 4 * N, 1)


def test_an_edge_is_softer_for_a_strong_seam_and_for_a_small_face() -> None:
    blurs = [edge_for(seam, 256, 300)[1] for seam in (2, 6, 8, 30)]
    assert blurs == sorted(set(blurs))
    assert edge_for(2, 256, 30)[1] > edge_for(2, 256, 300)[1]
    assert edge_for(2, 1024, 300)[1] == pytest.approx(4 * blurs[0], abs=4)


class Pale(FakeModel):
    """The frame's face in another light."""

    def predict(self, faces: Any) -> Prediction:
        answer = super().predict(faces)
        face = np.clip(faces * np.array((1.6, 1.4, 1.2), np.float32) + 0.05, 0, 1).astype(np.float32)
        return Prediction(face, answer.face_mask, answer.dst_mask)


def merge(workspace: Workspace, **options: Any) -> RecordingReport:
    report = RecordingReport()
    run_merge(workspace, MergeOptions(**options), GivenModels(Pale()), report)
    return report


def smooth_clip(workspace: Workspace, clip: Any) -> None:
    clip(6)
    for path in sorted(workspace.frames("dst").glob("*.png")):
        write_picture(path, cv2.GaussianBlur(read_picture(path) // 3 + np.uint8(60), (0, 0), 9).astype(np.uint8))


def test_what_was_measured_is_said_in_one_line_and_kept(workspace: Workspace, clip: Any) -> None:
    smooth_clip(workspace, clip)
    (line,) = [line for line in merge(workspace).lines if line.startswith("Chosen")]
    assert line.startswith("Chosen on 6 frames: colour transfer skin, erode ")
    auto = read_picture(workspace.merged / "00003.png")
    session = json.loads((workspace.frames("dst") / "merge_session.json").read_text(encoding="utf-8"))
    chosen = session["chosen"]["everyone"]
    assert session["ranges"][0]["options"]["erode"] == "auto"
    assert "Chosen" not in merge(workspace).text, "it stays chosen"
    merge(workspace, **{name: chosen[name] for name in ORIGINAL})
    assert np.array_equal(read_picture(workspace.merged / "00003.png"), auto), "given by numbers it is the same"


def test_the_originals_numbers_are_one_option_away(workspace: Workspace, clip: Any) -> None:
    smooth_clip(workspace, clip)
    report = merge(workspace, like_original=True)
    assert "Chosen" not in report.text
    assert "colour transfer rct" in report.text
    short = [read_picture(path) for path in sorted(workspace.merged.glob("*.png"))]
    merge(workspace, **ORIGINAL)
    for one, path in zip(short, sorted(workspace.merged.glob("*.png")), strict=True):
        assert np.array_equal(one, read_picture(path))


def test_a_recorded_session_keeps_its_numbers(workspace: Workspace, clip: Any, tmp_path: Path) -> None:
    smooth_clip(workspace, clip)
    options = {**MergeSettings().model_dump(mode="json"), **ORIGINAL}
    path = workspace.frames("dst") / "merge_session.json"
    path.write_text(json.dumps({"format": 1, "ranges": [{"from": 1, "options": options}]}), encoding="utf-8")
    assert "Chosen" not in merge(workspace).text
    recorded = read_picture(workspace.merged / "00003.png")
    path.unlink()
    merge(workspace, **ORIGINAL)
    assert np.array_equal(read_picture(workspace.merged / "00003.png"), recorded)
