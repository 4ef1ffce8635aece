"""The networks of a merge: swap models, the face enhancer, XSeg; all called from one thread, on batches of faces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.faces.face_type import FaceType
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_in_frame import FaceCrop
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.running.xseg_masks import XsegMaskModel, XsegMasks
from dfl.models.prediction import Prediction

FACES_PER_BATCH = 8


class SwapModel(Protocol):
    """A trained model as merging sees it. predict: (N, R, R, 3) float32 BGR 0..1, any N; called from one thread.

    settings: what else decides its pictures (AMP's morph factor), JSON values. digest: of its weights, as another model
    may have the same name and iteration; empty where it is not known.
    """

    @property
    def name(self) -> str: ...
    @property
    def iteration(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def resolution(self) -> int: ...
    @property
    def face_type(self) -> FaceType: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def predict(self, faces: NDArray[np.float32], /) -> Prediction: ...


class Enhancer(Protocol):
    """Adds detail: (H, W, 3) float32 BGR -1..1 to four times its size."""

    def enlarge(self, picture: NDArray[np.float32], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, eq=False)
class ShownFace:
    """A face cut out for its model."""

    crop: FaceCrop
    model: str
    settings: MergeSettings


@dataclass(frozen=True)
class Networks:
    """All networks of a run. models: by the name that face tasks call them by."""

    models: Mapping[str, SwapModel]
    xseg: XsegMaskModel | None = None
    enhancer: Enhancer | None = None

    def see(self, frame: Picture, shown: ShownFace) -> ShownFace:
        """The face with what XSeg will be shown of the frame; in any thread."""
        if self.xseg is None or not shown.settings.needs_xseg:
            return shown
        masks = self._masks(self.xseg, shown.settings)
        return replace(shown, crop=masks.see(frame, shown.crop))

    def predict(self, faces: Sequence[ShownFace]) -> list[FacePrediction]:
        """What becomes of faces, in their order; never more than FACES_PER_BATCH of them at once."""
        answers: list[FacePrediction | None] = [None] * len(faces)
        for places in _alike(faces, lambda face: (face.model, face.settings.two_pass)):
            for start in range(0, len(places), FACES_PER_BATCH):
                batch = places[start : start + FACES_PER_BATCH]
                for place, answer in zip(batch, self._swapped([faces[place] for place in batch]), strict=True):
                    answers[place] = answer
        for places in _alike(faces, lambda face: (face.settings.mask_mode, face.settings.like_original)):
            self._draw_masks(faces, places, answers)
        return [self._enhanced(answer, face.settings) for answer, face in zip(answers, faces, strict=True) if answer]

    def _swapped(self, faces: Sequence[ShownFace]) -> list[FacePrediction]:
        """Faces of one model, a batch."""
        model = self.models[faces[0].model]
        shown = np.stack([face.crop.picture for face in faces])
        answer = _checked(model.predict(shown))
        if faces[0].settings.two_pass:
            once_more = _checked(model.predict(shown + (answer.face - shown) * answer.face_mask))
            answer = Prediction(once_more.face, once_more.face_mask, answer.dst_mask)
        parts = zip(answer.face, answer.face_mask, answer.dst_mask, strict=True)
        return [FacePrediction(face, own[:, :, 0], dst[:, :, 0]) for face, own, dst in parts]

    def _draw_masks(self, faces: Sequence[ShownFace], places: list[int], answers: list[FacePrediction | None]) -> None:
        """XSeg's masks for faces of one mask mode, where it needs them."""
        settings = faces[places[0]].settings
        if self.xseg is None or not settings.needs_xseg:
            return
        masks = self._masks(self.xseg, settings)
        for start in range(0, len(places), FACES_PER_BATCH):
            batch = places[start : start + FACES_PER_BATCH]
            predictions = [answer for place in batch if (answer := answers[place])]
            drawn = masks.draw([faces[place].crop for place in batch], predictions)
            for place, prediction in zip(batch, drawn, strict=True):
                answers[place] = prediction

    def _masks(self, xseg: XsegMaskModel, settings: MergeSettings) -> XsegMasks:
        return XsegMasks.for_mode(xseg, settings.mask_mode, like_original=settings.like_original)

    def _enhanced(self, prediction: FacePrediction, settings: MergeSettings) -> FacePrediction:
        """With super resolution the face at four times its size, as much of it from the enhancer as asked for."""
        if not settings.super_resolution:
            return prediction
        assert self.enhancer, "opened where a frame's settings need it"
        face = prediction.face
        large = (4 * face.shape[1], 4 * face.shape[0])
        # The original hands in 0..1 where -1..1 is meant, which doubles the contrast of what is added.
        if settings.like_original:
            detailed = self.enhancer.enlarge(face)
        else:
            detailed = as_float(self.enhancer.enlarge(face * 2 - 1) / 2 + np.float32(0.5))
        share = settings.super_resolution / 100
        plain = as_float(cv2.resize(face, large, interpolation=cv2.INTER_LINEAR))
        mixed = as_float(cv2.addWeighted(plain, 1 - share, as_float(detailed), share, 0))
        return replace(prediction, face=np.clip(mixed, 0, 1, out=mixed))


def _alike(faces: Sequence[ShownFace], kind: Callable[[ShownFace], Any]) -> list[list[int]]:
    """Places of the faces that are of one kind, together."""
    groups: dict[Any, list[int]] = {}
    for place, face in enumerate(faces):
        groups.setdefault(kind(face), []).append(place)
    return list(groups.values())


def _checked(answer: Prediction) -> Prediction:
    if not all(np.isfinite(part).all() for part in (answer.face, answer.face_mask, answer.dst_mask)):
        raise UserError(
            "The model answers with values that are no numbers: its training has collapsed.",
            "Put back an older save or a backup of the model, then merge again.",
        )
    return answer
