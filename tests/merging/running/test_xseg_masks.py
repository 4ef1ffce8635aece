"""Masks of an XSeg model, whatever part of the head it learned from."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.faces.align import transform_points
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_crop import FaceCrop, crop_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.original_rules import EXACT_RULES, ORIGINAL_RULES
from dfl.merging.merge import run, run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.running.open_models import GivenModels
from dfl.merging.running.xseg_masks import XsegMasks
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, face_at, make_clip
from tests.recording_report import RecordingReport

SIDE = 64


@dataclass
class GreenIsFace:
    """Says that a face is where it is green."""

    face_type: FaceType
    iteration: int = 3
    digest: str = ""

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        assert faces.shape[1:] == (256, 256, 3)
        return np.clip(faces[:, :, :, 1:2], 0, 1)


def a_face(face_type: FaceType = FaceType.FULL) -> tuple[NDArray[np.uint8], FaceCrop]:
    """A black frame with a face whose middle third is green."""
    frame = np.zeros((180, 240, 3), np.uint8)
    landmarks = face_at(120, 90, 60)
    blank = crop_face(frame, landmarks, face_type, SIDE)
    corners = np.array([(20, 20), (44, 20), (44, 44), (20, 44)], np.float32)
    cv2.fillPoly(frame, [transform_points(corners, blank.to_face, inverse=True).round().astype(int)], (0, 255, 0))
    return frame, crop_face(frame, landmarks, face_type, SIDE)


def predicted(face: NDArray[np.float32]) -> FacePrediction:
    empty = np.zeros((SIDE, SIDE), np.float32)
    return FacePrediction(face, empty, empty)


@pytest.mark.parametrize("kind", [FaceType.FULL, FaceType.WHOLE, FaceType.HEAD])
def test_masks_lie_where_the_face_is_whatever_the_model_was_shown(kind: FaceType) -> None:
    frame, crop = a_face()
    xseg = XsegMasks.for_mode(GreenIsFace(kind), "xseg-prd*xseg-dst")
    face = np.zeros((SIDE, SIDE, 3), np.float32)
    face[10:30, 24:40, 1] = 1
    (got,) = xseg.draw([xseg.add_input(frame, crop)], [predicted(face)])
    for mask, wanted in ((got.xseg_dst, crop.picture), (got.xseg_face, face)):
        assert mask is not None
        assert mask.shape == (256, 256)
        small = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        assert np.abs(small - wanted[:, :, 1]).mean() < 0.012, kind
        # At most about half a pixel beside it, along the edge.
        assert ((small > 0.5) != (wanted[:, :, 1] > 0.5)).sum() < 50


def middle(mask: NDArray[np.float32]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.array([(mask * columns).sum(), (mask * rows).sum()]) / mask.sum()


@pytest.mark.parametrize("kind", [FaceType.FULL, FaceType.WHOLE, FaceType.HEAD])
def test_masks_lie_on_the_face_to_a_tenth_of_a_pixel_unless_the_originals_place_is_asked_for(kind: FaceType) -> None:
    frame, crop = a_face()
    face = np.zeros((SIDE, SIDE, 3), np.float32)
    face[10:30, 24:40, 1] = 1
    apart = {}
    for rules in (EXACT_RULES, ORIGINAL_RULES):
        xseg = XsegMasks.for_mode(GreenIsFace(kind), "xseg-prd*xseg-dst", rules)
        (got,) = xseg.draw([xseg.add_input(frame, crop)], [predicted(face)])
        for name, mask, wanted in (("dst", got.xseg_dst, crop.picture), ("prd", got.xseg_face, face)):
            assert mask is not None
            small = np.asarray(cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
            apart[name, rules] = float(np.abs(middle(small) - middle(wanted[:, :, 1])).max())
    assert apart["dst", EXACT_RULES] < 0.1
    assert apart["prd", EXACT_RULES] < 0.1
    assert apart["dst", ORIGINAL_RULES] == pytest.approx(0.375, abs=0.1)


def test_only_masks_that_the_mode_needs_are_drawn() -> None:
    frame, crop = a_face()
    for mode, has_face, has_dst in (
        ("xseg-prd", True, False),
        ("xseg-dst", False, True),
        ("learned-prd", False, False),
    ):
        xseg = XsegMasks.for_mode(GreenIsFace(FaceType.FULL), mode)  # type: ignore[arg-type]
        (got,) = xseg.draw([xseg.add_input(frame, crop)], [predicted(crop.picture)])
        assert (got.xseg_face is not None, got.xseg_dst is not None) == (has_face, has_dst)


def merge(workspace: Workspace, xseg: GreenIsFace) -> RecordingReport:
    report = RecordingReport()
    options = MergeOptions(mask_mode="xseg-dst", colour_transfer="none")
    run_merge(workspace, options, GivenModels(FakeModel(), xseg), report)
    return report


def test_a_run_cuts_faces_out_by_xseg_and_again_when_xseg_has_learned_on(workspace: Workspace) -> None:
    make_clip(workspace, 3)
    assert merge(workspace, GreenIsFace(FaceType.HEAD)).counts["swapped"] == 3
    for path in list_pictures(workspace.merged_mask):
        mask = read_picture(path)[:, :, 0]
        frame = read_picture(workspace.frames("dst") / path.name)
        inside = mask > 0
        assert inside.any()
        assert np.corrcoef(mask[inside], frame[inside][:, 1])[0, 1] > 0.7, "the mask follows what XSeg saw"
    assert "3 of 3 frames are merged already" in merge(workspace, GreenIsFace(FaceType.HEAD)).text
    assert "xseg_iteration 3 → 4" in merge(workspace, GreenIsFace(FaceType.HEAD, iteration=4)).text
    merge(workspace, GreenIsFace(FaceType.HEAD, digest="a" * 64))
    assert "another model of the same name" in merge(workspace, GreenIsFace(FaceType.HEAD, digest="b" * 64)).text


def test_without_an_xseg_model_the_way_out_is_told(workspace: Workspace) -> None:
    make_clip(workspace, 1)
    with pytest.raises(UserError, match="mask mode xseg-prd needs an XSeg model") as caught:
        run(workspace, MergeOptions(mask_mode="xseg-prd"), Report())
    assert "Or choose another mask mode" in caught.value.todo
