"""XSeg in training: masks from faces, or, while pretraining, the faces themselves in grey."""

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.models.compiled import compiled
from dfl.nets.xseg import XSeg
from dfl.training.losses.terms import Terms, in_group
from dfl.training.losses.xseg import xseg_pretraining_terms, xseg_terms
from dfl.training.objectives.objective import Arrays, Batch, DiscriminatorTask
from dfl.training.preview.pages import page

GREEN = np.array([0, 1, 0], np.float32)
Faces = NDArray[np.float32]


class XsegObjective:
    """See Objective. A batch has `picture` and `mask`; while pretraining the mask is the picture in grey."""

    loss_names: tuple[str, ...] = ("mask",)
    discriminators: tuple[DiscriminatorTask, ...] = ()

    def __init__(self, network: XSeg, is_pretraining: bool) -> None:
        self.network = network
        self._is_pretraining = is_pretraining
        self._draw = compiled(lambda faces: network(faces, is_pretraining)[1:])

    def losses(self, batch: Batch) -> Terms:
        logits, prediction = self.network(batch["picture"], self._is_pretraining)
        if self._is_pretraining:
            return in_group("mask", xseg_pretraining_terms(batch["mask"], prediction))
        return in_group("mask", xseg_terms(batch["mask"], logits))

    def is_collapsed(self, batch: Arrays) -> bool:
        """Never: masks of aligned faces are alike, so that equal predictions say nothing."""
        del batch
        return False

    def preview_pages(self, batch: Arrays) -> dict[str, Picture]:
        """The original's pages.

        `preview`: faces as they are learned, their mask over them, the network's mask, and that over them; while
        pretraining the faces and what the network makes of them. `preview_src`, `preview_dst`: faces of a side as they
        are (`src`, `dst`), the network's mask, and that over them.
        """
        faces = batch["picture"]
        (drawn,) = self._draw(faces)
        if self._is_pretraining:
            return {"preview": page([faces, _as_colour(drawn)])}
        pages = {"preview": page([_over(faces, batch["mask"]), _as_colour(drawn), _over(faces, drawn)])}
        for side in ("src", "dst"):
            if side in batch:
                (drawn,) = self._draw(batch[side])
                pages[f"preview_{side}"] = page([batch[side], _as_colour(drawn), _over(batch[side], drawn)])
        return pages


def _as_colour(masks: Faces) -> Faces:
    return np.repeat(masks, 3, axis=-1)


def _over(faces: Faces, masks: Faces) -> Faces:
    """Faces (N, R, R, 3) that are half green where the masks (N, R, R, 1) are 0."""
    return np.asarray(faces * masks + (1 - masks) * (faces + GREEN) / 2, np.float32)
