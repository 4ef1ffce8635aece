"""Batches for XSeg: the labelled faces of both sides, or all faces while pretraining."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.data.xseg_batches import XsegBatch, XsegBatchMaker, labelled_faces
from dfl.data.xseg_sample import XsegSettings
from dfl.faceset.faceset import FaceFile
from dfl.training.batch_source import PREVIEW_HEIGHT, PREVIEW_ROWS, side_seed
from dfl.training.objectives.objective import Arrays
from dfl.workspace import Side


class XsegBatchSource:
    """See BatchSource. A batch has `picture` and `mask`; that of previews has unwarped faces of `src` and `dst` too.

    faces: of both sides, of which one may have none; while pretraining, the pretraining set as both. settings: whose
    kind is labelled or pretraining. UserError when nothing is labelled.
    """

    def __init__(
        self,
        faces: dict[Side, list[FaceFile]],
        settings: XsegSettings,
        batch_size: int,
        seed: int,
        iteration: int,
    ) -> None:
        self._sides, self._settings, self._seed = faces, settings, seed
        self._faces = self._training_faces()
        self._maker = XsegBatchMaker(self._faces, settings, batch_size, side_seed(seed, "xseg"), first_batch=iteration)

    def _training_faces(self) -> list[FaceFile]:
        if self._settings.kind == "pretraining":
            return self._sides["src"]
        return labelled_faces([face for faces in self._sides.values() for face in faces])

    @property
    def problems(self) -> list[str]:
        return self._maker.problems

    @property
    def waited_seconds(self) -> float:
        return self._maker.waited_seconds

    def next_batch(self, iteration: int) -> Arrays:
        del iteration
        return _arrays(next(self._maker))

    def preview_batch(self, draw: int = 0) -> Arrays:
        shown = _arrays(self._few(self._faces, self._settings, "preview", draw))
        if self._settings.kind == "labelled":
            plain = replace(self._settings, kind="plain")
            for side, faces in self._sides.items():
                if faces:
                    shown[side] = self._few(faces, plain, f"preview {side}", draw).picture
        return shown

    def report_losses(self, losses: NDArray[np.float32]) -> None:
        del losses

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def close(self) -> None:
        self._maker.close()

    def _few(self, faces: list[FaceFile], settings: XsegSettings, stream: str, draw: int) -> XsegBatch:
        rows = max(1, min(PREVIEW_ROWS, PREVIEW_HEIGHT // settings.resolution))
        maker = XsegBatchMaker(faces, settings, rows, side_seed(self._seed, stream), first_batch=draw, workers=1)
        try:
            return next(maker)
        finally:
            maker.close()


def _arrays(batch: XsegBatch) -> Arrays:
    return {"picture": batch.picture, "mask": batch.mask}
