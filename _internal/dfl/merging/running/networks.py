"""Inference of a merge: swap models, face enhancer and XSeg on batches of faces, all called from one thread."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_crop import FaceCrop
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.planning.tasks import FaceTask
from dfl.merging.running.xseg_masks import XsegMaskModel, XsegMasks
from dfl.models.prediction import Prediction, SwapModel

FACES_PER_BATCH = 8


class Enhancer(Protocol):
    """Super-resolution network: (H, W, 3) float32 BGR -1..1 to four times its size."""

    def enlarge(self, picture: NDArray[np.float32], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Networks:
    """All networks of a run. models: by the names in face tasks."""

    models: Mapping[str, SwapModel]
    xseg: XsegMaskModel | None = None
    enhancer: Enhancer | None = None

    def add_xseg_input(self, frame: Picture, crop: FaceCrop, settings: MergeSettings) -> FaceCrop:
        """The crop with XSeg's input, where the settings need it; callable from any thread."""
        if self.xseg is None or not settings.needs_xseg:
            return crop
        return self._masks(self.xseg, settings).add_input(frame, crop)

    def predict(self, tasks: Sequence[FaceTask], crops: Sequence[FaceCrop]) -> list[FacePrediction]:
        """Predictions of faces, in their order, in batches of at most FACES_PER_BATCH. tasks: one for each crop."""
        predictions: dict[int, FacePrediction] = {}
        for batch in _batches([(task.model, task.settings.two_pass) for task in tasks]):
            swapped = self._swapped(tasks[batch[0]], [crops[index] for index in batch])
            predictions |= zip(batch, swapped, strict=True)
        for batch in _batches([(task.settings.mask_mode, task.settings.rules) for task in tasks]):
            settings = tasks[batch[0]].settings
            if self.xseg is not None and settings.needs_xseg:
                without = [predictions[index] for index in batch]
                drawn = self._masks(self.xseg, settings).draw([crops[index] for index in batch], without)
                predictions |= zip(batch, drawn, strict=True)
        return [self._enhanced(predictions[index], task.settings) for index, task in enumerate(tasks)]

    def _swapped(self, task: FaceTask, crops: Sequence[FaceCrop]) -> list[FacePrediction]:
        """Predict a batch of faces with one model. task: any of the batch, which agree in model and two_pass."""
        model = self.models[task.model]
        faces = np.stack([crop.model_input for crop in crops])
        prediction = _checked(model.predict(faces))
        if task.settings.two_pass:
            first, covers = (_moved_back(part, crops) for part in (prediction.face, prediction.face_mask))
            second = _checked(model.predict(faces + (first - faces) * covers))
            prediction = Prediction(second.face, second.face_mask, prediction.dst_mask)
        parts = zip(prediction.face, prediction.face_mask, prediction.dst_mask, strict=True)
        return [FacePrediction(face, own[:, :, 0], dst[:, :, 0]) for face, own, dst in parts]

    def _masks(self, xseg: XsegMaskModel, settings: MergeSettings) -> XsegMasks:
        return XsegMasks.for_mode(xseg, settings.mask_mode, settings.rules)

    def _enhanced(self, prediction: FacePrediction, settings: MergeSettings) -> FacePrediction:
        """With super resolution: the face at four times its size, a blend of bilinear upscaling and the enhancer."""
        if not settings.super_resolution:
            return prediction
        assert self.enhancer, "opened where a frame's settings need it"
        face = prediction.face
        large = (4 * face.shape[1], 4 * face.shape[0])
        if settings.rules.enhancer_is_signed:
            detailed = as_float(self.enhancer.enlarge(face * 2 - 1) / 2 + np.float32(0.5))
        else:
            detailed = self.enhancer.enlarge(face)
        share = settings.super_resolution / 100
        plain = as_float(cv2.resize(face, large, interpolation=cv2.INTER_LINEAR))
        mixed = as_float(cv2.addWeighted(plain, 1 - share, as_float(detailed), share, 0))
        return replace(prediction, face=np.clip(mixed, 0, 1, out=mixed))


def _moved_back(parts: NDArray[np.float32], crops: Sequence[FaceCrop]) -> NDArray[np.float32]:
    """Predictions (N, R, R, C) where their faces belong in the model's input."""
    if not any(any(crop.shift) for crop in crops):
        return parts
    moved = np.empty_like(parts)
    for part, crop, into in zip(parts, crops, moved, strict=True):
        back = np.array([[1, 0, -crop.shift[0]], [0, 1, -crop.shift[1]]])
        size = (crop.size, crop.size)
        warped = cv2.warpAffine(part, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        into[...] = np.clip(warped, 0, 1).reshape(into.shape)
    return moved


def _batches(kinds: Sequence[Hashable]) -> Iterator[list[int]]:
    """Indices grouped by equal kind, at most FACES_PER_BATCH in a group."""
    groups: dict[Hashable, list[int]] = {}
    for index, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(index)
    for group in groups.values():
        for start in range(0, len(group), FACES_PER_BATCH):
            yield group[start : start + FACES_PER_BATCH]


def _checked(answer: Prediction) -> Prediction:
    if not all(np.isfinite(part).all() for part in (answer.face, answer.face_mask, answer.dst_mask)):
        raise UserError(
            "The model answers with values that are no numbers: its training has collapsed.",
            "Put back an older save or a backup of the model, then merge again.",
        )
    return answer
