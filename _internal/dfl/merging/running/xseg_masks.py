"""Masks that an XSeg model predicts for the frame's face and for the swapped face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_crop import NO_SHIFT, XSEG_SIZE, FaceCrop, Shift, xseg_input
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.original_rules import EXACT_RULES, MergeRules
from dfl.merging.planning.settings import MaskMode

Mask = NDArray[np.float32]


class XsegMaskModel(Protocol):
    """Interface of a trained XSeg model. predict: (N, 256, 256, 3) float32 BGR to (N, 256, 256, 1), 0..1."""

    @property
    def iteration(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def face_type(self) -> FaceType: ...
    def predict(self, faces: NDArray[np.float32], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class XsegMasks:
    """The masks that a mask mode needs: of the swapped face (of_face), of the frame's face (of_dst)."""

    model: XsegMaskModel
    of_face: bool
    of_dst: bool
    rules: MergeRules = EXACT_RULES

    @classmethod
    def for_mode(cls, model: XsegMaskModel, mode: MaskMode, rules: MergeRules = EXACT_RULES) -> "XsegMasks":
        """What a mask mode needs."""
        return cls(model, "xseg-prd" in mode, "xseg-dst" in mode, rules)

    def add_input(self, frame: Picture, crop: FaceCrop) -> FaceCrop:
        """The crop with XSeg's input from the frame; callable from any thread."""
        is_needed = self.of_dst or (self.of_face and self.model.face_type is not crop.face_type)
        if not is_needed:
            return crop
        offset = self._offset(crop) if self.model.face_type is crop.face_type else NO_SHIFT
        return replace(crop, xseg_input=xseg_input(frame, crop, self.model.face_type, offset))

    def draw(self, crops: Sequence[FaceCrop], predictions: Sequence[FacePrediction]) -> list[FacePrediction]:
        """The predictions with their XSeg masks; called from the inference thread only.

        As in the original the masks are for the swap model's square. An XSeg model of another face type gets its own
        square of the frame, with the predicted face pasted in; its masks are warped to the swap model's square.
        """
        maps = [_to_xseg(crop, self.model.face_type, self._offset(crop)) for crop in crops]
        of_face: list[Mask | None] = [None] * len(crops)
        of_dst: list[Mask | None] = [None] * len(crops)
        if self.of_face:
            inputs = [
                _predicted_input(crop, one.face, matrix, self._centre(crop))
                for crop, one, matrix in zip(crops, predictions, maps, strict=True)
            ]
            of_face = [_warped_back(mask, m) for mask, m in zip(self._masks(inputs), maps, strict=True)]
        if self.of_dst:
            inputs = [_frame_input(crop) for crop in crops]
            of_dst = [_warped_back(mask, m) for mask, m in zip(self._masks(inputs), maps, strict=True)]
        return [
            replace(one, xseg_face=face, xseg_dst=dst)
            for one, face, dst in zip(predictions, of_face, of_dst, strict=True)
        ]

    def _centre(self, crop: FaceCrop) -> float:
        """Where in the square of 256 pixels the centre of the predicted square's first pixel lies."""
        return self.rules.centre_shift(XSEG_SIZE / crop.size)

    def _offset(self, crop: FaceCrop) -> Shift:
        """How far the predicted square at 256 pixels lies right of and below that of the landmarks."""
        x, y = (self._centre(crop) + part * XSEG_SIZE / crop.size for part in crop.shift)
        return x, y

    def _masks(self, inputs: Sequence[FloatPicture]) -> list[Mask]:
        return [mask[:, :, 0] for mask in self.model.predict(np.stack(inputs))]


def _to_xseg(crop: FaceCrop, face_type: FaceType, offset: Shift) -> Matrix | None:
    """(3, 3) matrix from the swap model's square, at 256 pixels, to the XSeg model's; None where they are the same."""
    if face_type is crop.face_type:
        return None
    to_swap, to_xseg = (_square(crop, kind) for kind in (crop.face_type, face_type))
    to_swap[:2, 2] += offset
    return np.asarray(to_xseg @ np.linalg.inv(to_swap), np.float64)


def _square(crop: FaceCrop, face_type: FaceType) -> NDArray[np.float64]:
    return np.vstack([alignment_matrix(crop.landmarks, XSEG_SIZE, face_type), (0, 0, 1)])


def _frame_input(crop: FaceCrop) -> FloatPicture:
    assert crop.xseg_input is not None
    return crop.xseg_input


def _predicted_input(crop: FaceCrop, face: FloatPicture, to_xseg: Matrix | None, centre: float) -> FloatPicture:
    """XSeg's input of a predicted face (R, R, 3). centre: of its first pixel in the square of 256 pixels."""
    if to_xseg is None:
        return as_float(cv2.resize(face, (XSEG_SIZE, XSEG_SIZE), interpolation=cv2.INTER_CUBIC))
    scale = XSEG_SIZE / crop.size
    matrix = (to_xseg @ np.array([[scale, 0, centre], [0, scale, centre], [0, 0, 1]]))[:2]
    warped, cover = (_warped(part, matrix, cv2.INTER_CUBIC) for part in (face, np.ones(face.shape[:2], np.float32)))
    cover = np.clip(cover, 0, 1)[:, :, None]
    return _frame_input(crop) * (1 - cover) + warped * cover


def _warped_back(mask: Mask, to_xseg: Matrix | None) -> Mask:
    """A mask of the XSeg model's square warped to the swap model's; 0 outside the XSeg model's square."""
    return mask if to_xseg is None else _warped(mask, np.linalg.inv(to_xseg)[:2], cv2.INTER_LINEAR)


def _warped(picture: NDArray[np.float32], matrix: Any, interpolation: int) -> NDArray[np.float32]:
    return as_float(cv2.warpAffine(picture, matrix, (XSEG_SIZE, XSEG_SIZE), flags=interpolation))
