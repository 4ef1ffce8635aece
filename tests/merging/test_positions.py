"""Pictures lie where they belong: what a model gives back unchanged is merged where it was, to a tenth of a pixel."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.merging.blending.face_crop import NO_SHIFT, Shift
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.merging.running.frame_processor import CroppedFrame, FrameProcessor
from dfl.merging.running.networks import Networks
from dfl.merging.running.open_models import GivenModels
from dfl.models.prediction import Prediction
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, face_at
from tests.recording_report import RecordingReport

HEIGHT, WIDTH = 420, 560
LEARNED = (0.6875, 0.40625)  # model pixels; thirty-seconds, to which OpenCV rounds positions
PLAIN = {"colour_transfer": "none", "erode": 0, "blur": 0}


def textured(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Blobs of several sizes in colours of skin, dense enough to be registered everywhere."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), (0.4, 0.5, 0.6))
    for cell, strength in ((80, 0.2), (36, 0.12), (18, 0.07)):
        noise = random.normal(size=(height // cell + 3, width // cell + 3, 3))
        picture += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def tilted(side: float = 150) -> NDArray[np.float32]:
    points = face_at(WIDTH / 2, HEIGHT / 2, side)
    turn = np.array([[0.97, 0.24], [-0.24, 0.97]])
    return ((points - points.mean(axis=0)) @ turn + points.mean(axis=0)).astype(np.float32)


@dataclass
class Copying(FakeModel):
    """Gives every face back, and an oval as its mask, both moved by `moved` pixels as warp teaches it."""

    moved: Shift = NO_SHIFT

    def _drawn(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        way = np.array([[1, 0, self.moved[0]], [0, 1, self.moved[1]]])
        size = (self.resolution, self.resolution)

        def move(picture: NDArray[np.float32]) -> NDArray[np.float32]:
            moved = cv2.warpAffine(picture, way, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
            return np.clip(moved, 0, 1).reshape(picture.shape)

        y, x = np.mgrid[: self.resolution, : self.resolution] / self.resolution - 0.5
        oval = np.clip(8 * (0.4 - np.hypot(x, y - 0.02)), 0, 1).astype(np.float32)
        if self.moved == NO_SHIFT:
            return faces, np.repeat(oval[None, :, :, None], len(faces), axis=0)
        return np.stack([move(face) for face in faces]), np.repeat(move(oval)[None, :, :, None], len(faces), axis=0)

    def predict(self, faces: NDArray[np.float32]) -> Prediction:
        face, mask = self._drawn(faces)
        return Prediction(face, mask, mask)

    def reconstruct(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._drawn(faces)


class Enlarging:
    """An enhancer that adds nothing."""

    def enlarge(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), np.float32)


@dataclass
class GreenIsFace:
    """An XSeg model whose mask is the picture's own green, so that it can be found again in the frame."""

    face_type: FaceType
    iteration: int = 1
    digest: str = ""

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.clip(faces[:, :, :, 1:2], 0, 1))


Made = tuple[NDArray[np.uint8], NDArray[np.uint8], CroppedFrame]


def made(
    frame: NDArray[np.uint8], model: Copying, shift: Shift = NO_SHIFT, xseg: FaceType | None = None, **options: Any
) -> Made:
    """Picture and mask of a frame with one face, merged on the whole road; and what it was cropped to."""
    settings = MergeSettings(**options)
    networks = Networks({"m": model}, GreenIsFace(xseg) if xseg else None, Enlarging())
    processor = FrameProcessor(networks, model.resolution)
    face: Any = FaceTask(tilted(), None, "m", settings, shift=shift)  # type: ignore[arg-type]
    cropped = processor.crop_picture(FrameTask(Path("1.png"), settings=settings, faces=(face,)), frame)
    predicted = processor.measure(cropped, processor.predict([cropped])[0])
    return *processor.blend(predicted).as_bytes(), cropped


def apart(one: NDArray[Any], other: NDArray[Any], inside: NDArray[np.bool_]) -> float:
    """How far `other` lies beside `one`, pixels: the translation of maximal correlation, without light and shading."""
    planes = []
    for part in (one.astype(np.float32), other.astype(np.float32)):
        grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY) if part.ndim == 3 else part
        planes.append(grey - cv2.GaussianBlur(grey, (0, 0), 12))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-7)
    area = inside.astype(np.uint8)
    _, back = cv2.findTransformECC(*planes, np.eye(2, 3, dtype=np.float32), cv2.MOTION_TRANSLATION, criteria, area, 1)
    return float(np.hypot(*back[:, 2]))


def middle_of(mask: NDArray[Any]) -> NDArray[np.float64]:
    """The centroid, (x, y)."""
    moments = cv2.moments(mask)
    return np.array([moments["m10"], moments["m01"]]) / moments["m00"]


def inner(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return cv2.erode(mask, np.ones((9, 9), np.uint8)) > 200


MODES: list[dict[str, Any]] = [
    {},
    {"mode": "seamless"},
    {"mode": "seamless", "colour_transfer": "rct"},
    {"mode": "hist-match", "hist_match_threshold": 255},  # lower ones change the picture, not its position
    {"mode": "seamless-hist-match", "hist_match_threshold": 255},
    {"mode": "raw-rgb"},
    {"colour_transfer": "none"},
    {"colour_transfer": "rct"},
    {"colour_transfer": "none", "sharpen_mode": "gaussian", "sharpen_amount": 4},
    {"super_resolution": 100},
    {"super_resolution": 50, "mode": "seamless"},
    {"super_resolution": 100, "colour_transfer": "none", "sharpen_mode": "box", "sharpen_amount": 2},
    {"two_pass": True},
    {"mask_mode": "full"},
    {"mask_mode": "dst"},
    {"blur": 60, "erode": 10},
]


@pytest.mark.parametrize("moved", [NO_SHIFT, LEARNED], ids=["exact", "shifted"])
@pytest.mark.parametrize("options", MODES, ids=str)
def test_a_face_that_is_given_back_lies_where_it_was(options: dict[str, Any], moved: Shift) -> None:
    frame = textured()
    picture, mask, _ = made(frame, Copying(resolution=128, moved=moved), moved, **options)
    assert apart(frame, picture, inner(mask)) < 0.1


@pytest.mark.parametrize("moved", [NO_SHIFT, LEARNED], ids=["exact", "shifted"])
@pytest.mark.parametrize("super_resolution", [0, 100])
@pytest.mark.parametrize("resolution", [64, 128, 256])
@pytest.mark.parametrize("face_type", [FaceType.HALF, FaceType.FULL, FaceType.WHOLE, FaceType.HEAD])
def test_a_face_of_any_type_and_size_lies_where_it_was(
    face_type: FaceType, resolution: int, super_resolution: int, moved: Shift
) -> None:
    frame, model = textured(1), Copying(resolution=resolution, face_type=face_type, moved=moved)
    picture, mask, _ = made(frame, model, moved, super_resolution=super_resolution)
    assert apart(frame, picture, inner(mask)) < 0.1


@pytest.mark.parametrize("moved", [NO_SHIFT, LEARNED], ids=["exact", "shifted"])
@pytest.mark.parametrize("super_resolution", [0, 100])
@pytest.mark.parametrize("face_scale", [10, -10])
def test_a_scaled_face_keeps_its_centre(face_scale: int, super_resolution: int, moved: Shift) -> None:
    frame, options = textured(2), {"face_scale": face_scale, "super_resolution": super_resolution}
    picture, mask, cropped = made(frame, Copying(resolution=128, moved=moved), moved, **options)
    crop = cropped.crops[0]
    middle = cv2.invertAffineTransform(crop.to_face) @ (64 + moved[0], 64 + moved[1], 1)
    scale = 1 + face_scale / 100
    way = np.array([[scale, 0, middle[0] * (1 - scale)], [0, scale, middle[1] * (1 - scale)]])
    wanted = cv2.warpAffine(frame, way, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    assert apart(wanted, picture, inner(mask)) < 0.1


def test_a_shift_that_is_not_taken_back_shows() -> None:
    """The measure of these tests sees it, and with like_original nothing is moved."""
    frame = textured()
    picture, mask, cropped = made(frame, Copying(resolution=128, moved=LEARNED), like_original=True)
    scale = np.sqrt(abs(np.linalg.det(cropped.crops[0].to_face[:, :2])))
    assert apart(frame, picture, inner(mask)) == pytest.approx(np.hypot(*LEARNED) / scale, abs=0.1)


@pytest.mark.parametrize("options", [{}, {"super_resolution": 100}, {"two_pass": True}, {"face_scale": 10}], ids=str)
def test_the_predicted_mask_is_moved_with_the_face(options: dict[str, Any]) -> None:
    frame = textured()
    _, wanted, _ = made(frame, Copying(resolution=128), **PLAIN, **options)
    _, mask, _ = made(frame, Copying(resolution=128, moved=LEARNED), LEARNED, **PLAIN, **options)
    _, left, _ = made(frame, Copying(resolution=128, moved=LEARNED), **PLAIN, **options)
    away, without = (np.hypot(*(middle_of(one) - middle_of(wanted))) for one in (mask, left))
    assert away < 0.1
    assert without > 1


@pytest.mark.parametrize("moved", [NO_SHIFT, LEARNED], ids=["exact", "shifted"])
@pytest.mark.parametrize("xseg", [FaceType.WHOLE, FaceType.FULL, FaceType.HEAD])
@pytest.mark.parametrize("mask_mode", ["xseg-prd", "xseg-dst"])
@pytest.mark.parametrize("resolution", [64, 320])
def test_masks_of_xseg_lie_where_the_frame_shows_them(
    mask_mode: str, xseg: FaceType, resolution: int, moved: Shift
) -> None:
    frame, model = textured(3), Copying(resolution=resolution, moved=moved)
    _, mask, _ = made(frame, model, moved, xseg, **PLAIN, mask_mode=mask_mode)
    inside = cv2.circle(np.zeros_like(mask), (WIDTH // 2, HEIGHT // 2), 70, 1, -1) > 0
    assert apart(frame[:, :, 1], mask, inside) < 0.1


@pytest.mark.parametrize("moved", [NO_SHIFT, LEARNED], ids=["exact", "shifted"])
def test_the_hull_of_the_landmarks_lies_on_the_face(moved: Shift) -> None:
    """On the mean of faces that lie a part of a pixel further; the original's hull lies a third too high and left."""
    offsets = []
    for part in np.linspace(0, 0.875, 8):
        settings = MergeSettings(**PLAIN, mask_mode="dst")  # type: ignore[arg-type]
        points = face_at(280 + part, 210 + part, 150)
        processor = FrameProcessor(Networks({"m": Copying(resolution=256, moved=moved)}), 256)
        face: Any = FaceTask(points, None, "m", settings, shift=moved)  # type: ignore[arg-type]
        cropped = processor.crop_picture(FrameTask(Path("1.png"), settings=settings, faces=(face,)), textured())
        _, mask = processor.blend(processor.measure(cropped, processor.predict([cropped])[0])).as_bytes()
        offsets.append(middle_of(mask) - points.mean(axis=0))
    reference = hull_middle()
    assert np.abs(np.mean(offsets, axis=0) - reference).max() < 0.1


def hull_middle() -> NDArray[np.float64]:
    """The hull's centroid against the landmarks' mean; drawn so large that whole pixels do not count."""
    points = face_at(280, 210, 150)
    large = hull_mask((HEIGHT * 16, WIDTH * 16), (points + 0.5) * 16 - 0.5)[:, :, 0]
    return (middle_of(large) + 0.5) / 16 - 0.5 - points.mean(axis=0)


@pytest.fixture
def shifted_clip(workspace: Workspace, clip: Callable[..., None]) -> Workspace:
    """Eight textured frames with a face each."""
    clip(8)
    for number in range(1, 9):
        write_picture(workspace.frames("dst") / f"{number:05d}.png", textured(number, 180, 240))
    return workspace


Merged = Callable[..., Any]
UNSMOOTHED = {"steady_mask": 0, "steady_landmarks": False}


def test_the_shift_is_measured_said_and_taken_back(shifted_clip: Workspace, merged: Merged) -> None:
    report = merged(Copying(moved=LEARNED), **UNSMOOTHED, colour_transfer="none")
    assert "Model waves draws faces 0.7 px right and 0.4 px low of 64: moved back." in report.lines
    session = json.loads((shifted_clip.frames("dst") / "merge_session.json").read_text(encoding="utf-8"))
    shift = session["shifts"]["waves"]
    assert (shift["x"], shift["y"]) == pytest.approx(LEARNED, abs=0.05)
    for path in list_pictures(shifted_clip.merged):
        before, mask = (read_picture(folder / path.name) for folder in (path.parent.parent, shifted_clip.merged_mask))
        assert apart(before, read_picture(path), inner(mask[:, :, 0])) < 0.1


@pytest.mark.parametrize("super_resolution", [0, 100])
def test_crops_are_written_with_the_matrix_to_where_they_belong(shifted_clip: Workspace, super_resolution: int) -> None:
    options = MergeOptions(crops=True, super_resolution=super_resolution, **UNSMOOTHED, **PLAIN)  # type: ignore[arg-type]
    models = GivenModels(Copying(moved=LEARNED), enhancer=Enlarging())
    run_merge(shifted_clip, options, models, RecordingReport())
    folder = shifted_clip.frames("dst") / "merged_crops"
    facts = json.loads((folder / "00003.json").read_text(encoding="utf-8"))
    before, (face,) = read_picture(shifted_clip.frames("dst") / facts["frame"]), facts["faces"]
    crop, back = read_picture(folder / face["picture"]), np.array(face["crop_to_frame"])
    laid, size = before.copy(), before.shape[1::-1]
    cv2.warpAffine(crop, back, size, dst=laid, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT)
    mask = read_picture(shifted_clip.merged_mask / "00003.png")[:, :, 0]
    assert apart(before, laid, inner(mask)) < 0.1


def test_a_model_that_draws_faces_in_their_place_is_left_alone(shifted_clip: Workspace, merged: Merged) -> None:
    assert "draws faces" not in merged(Copying(), **UNSMOOTHED).text
    before = {path.name: path.read_bytes() for path in list_pictures(shifted_clip.merged)}
    assert "8 of 8 frames are merged already" in merged(Copying(), correct_shift=False).text
    assert {path.name: path.read_bytes() for path in list_pictures(shifted_clip.merged)} == before


class Measured(Copying):
    """Must not be measured again."""

    def reconstruct(self, faces: Any) -> Any:
        raise AssertionError


def test_a_merge_goes_on_with_the_shift_that_it_began_with(shifted_clip: Workspace, merged: Merged) -> None:
    merged(Copying(moved=LEARNED), **UNSMOOTHED)
    before = {path.name: path.read_bytes() for path in list_pictures(shifted_clip.merged)}
    for number in (2, 5):
        (shifted_clip.merged / f"{number:05d}.png").unlink()
    for number in (7, 8):  # without these another shift would be measured
        (shifted_clip.aligned("dst") / f"{number:05d}_0.jpg").unlink()
    report = merged(Measured(moved=LEARNED))
    assert "4 of 8 frames are merged already" in report.text
    assert "moved back" in report.text
    after = {path.name: path.read_bytes() for path in list_pictures(shifted_clip.merged)}
    assert {name: after[name] for name in sorted(after)[:6]} == {name: before[name] for name in sorted(before)[:6]}


def test_a_model_that_learned_on_is_measured_again(shifted_clip: Workspace, merged: Merged) -> None:
    merged(Copying(moved=LEARNED), **UNSMOOTHED)
    report = merged(Copying(moved=(-0.3, 0), iteration=1200))
    assert "Model waves draws faces 0.3 px left of 64: moved back." in report.lines


def test_the_correction_can_be_switched_off(shifted_clip: Workspace, merged: Merged) -> None:
    merged(Copying(moved=LEARNED), **UNSMOOTHED)
    report = merged(Measured(moved=LEARNED), correct_shift=False)
    assert "moved back" not in report.text
    assert "8 frames were made otherwise (no shift" in report.text
    report = merged(Measured(moved=LEARNED, iteration=1300), correct_shift=True, like_original=True)
    assert "moved back" not in report.text
