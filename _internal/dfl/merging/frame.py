"""One frame from its file to the merged picture and mask."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import write_bytes
from dfl.base.pictures import Picture, decode_picture, encode_picture
from dfl.faces.face_type import FaceType
from dfl.merging.face_in_frame import FaceCrop, Patch, cut_out, merge_face
from dfl.merging.faces_of_clip import ClipFrame
from dfl.merging.finished import compose, compose_raw
from dfl.merging.masks import FacePrediction
from dfl.merging.settings import MergeSettings
from dfl.merging.xseg_masks import XsegMasks
from dfl.video.marking import mark_png


@dataclass(frozen=True)
class CutFrame:
    """A frame that was read, with its faces cut out for the model."""

    frame: ClipFrame
    content: bytes  # the frame's file; empty when the frame comes straight from a clip
    picture: Picture
    crops: tuple[FaceCrop, ...]

    @property
    def size(self) -> int:
        """Bytes of the picture."""
        return self.picture.nbytes


@dataclass(frozen=True)
class FrameWork:
    """How frames are cut, blended and written. Its methods may run in any thread.

    merged, masks: folders of the results. side, face_type: of the model. mark: say in the pictures how they were made.
    xseg: draws the masks that the settings need an XSeg model for.
    """

    settings: MergeSettings
    side: int
    face_type: FaceType
    merged: Path
    masks: Path
    mark: bool = True
    xseg: XsegMasks | None = None

    def cut(self, frame: ClipFrame) -> CutFrame:
        """Read a frame and cut its faces out. UserError when the file or a face's landmarks cannot be used."""
        content = _content(frame.path)
        return self.cut_picture(frame, decode_picture(content, str(frame.path)), content)

    def cut_picture(self, frame: ClipFrame, picture: Picture, content: bytes = b"") -> CutFrame:
        """Cut the faces out of a frame's picture. UserError when a face's landmarks cannot be used."""
        crops = tuple(cut_out(picture, landmarks, self.face_type, self.side) for landmarks in frame.faces)
        if self.xseg:
            crops = tuple(self.xseg.see(picture, crop) for crop in crops)
        return CutFrame(frame, content, picture, crops)

    def blend(self, cut: CutFrame, predictions: Sequence[FacePrediction]) -> tuple[Picture, NDArray[np.uint8]]:
        """The merged frame (H, W, 3) uint8 BGR and its mask (H, W) uint8: what `finish` writes, in memory.

        A frame without a face is itself, with an empty mask; in mode raw-predict it becomes a black square.
        """
        patches = list(self._patches(cut, predictions))
        if self.settings.mode != "raw-predict":
            return compose(cut.picture, patches, self.settings).as_bytes()
        if patches:
            return compose_raw(patches[-1], self.settings).as_bytes()
        return self._canvas(cut), np.zeros((self.side, self.side), np.uint8)

    def finish(self, cut: CutFrame, predictions: Sequence[FacePrediction]) -> None:
        """Blend the predicted faces in, and write picture and mask. UserError when a file cannot be written."""
        if cut.crops or self.settings.deciding_without_face():
            picture, mask = self.blend(cut, predictions)
            png, mask_png = encode_picture(picture, ".png"), encode_picture(mask, ".png")
        else:
            canvas = self._canvas(cut)
            is_done = canvas is cut.picture and _is_plain_png(cut.content)
            png = cut.content if is_done else encode_picture(canvas, ".png")
            mask_png = _empty_mask(canvas.shape[0], canvas.shape[1])
        name = f"{cut.frame.stem}.png"
        write_bytes(self.masks / name, mask_png, durable=False)
        write_bytes(self.merged / name, mark_png(png) if self.mark else png, durable=False)

    def _canvas(self, cut: CutFrame) -> Picture:
        """What the faces are put on."""
        return np.zeros((self.side, self.side, 3), np.uint8) if self.settings.mode == "raw-predict" else cut.picture

    def _patches(self, cut: CutFrame, predictions: Sequence[FacePrediction]) -> Iterable[Patch]:
        for crop, prediction in zip(cut.crops, predictions, strict=True):
            # Always the same seed: with another one in every frame the random transfers would flicker.
            random = np.random.default_rng(0)
            yield merge_face(cut.picture, crop, prediction, self.settings, cut.frame.motion, random)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", "Check that it is there and may be read."
        ) from error


def _is_plain_png(content: bytes) -> bool:
    """Whether a picture file is a PNG of 8-bit colours without alpha: then it can be written again as it is."""
    return content.startswith(b"\x89PNG\r\n\x1a\n") and content[24:26] == b"\x08\x02"


@lru_cache(maxsize=4)
def _empty_mask(height: int, width: int) -> bytes:
    return encode_picture(np.zeros((height, width), np.uint8), ".png")
