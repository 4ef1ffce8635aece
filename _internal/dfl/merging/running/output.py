"""The files of a merged frame: picture and mask in the chosen format, and face crops for compositing programs."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.exr import write_exr
from dfl.base.files import write_bytes
from dfl.base.orientation import orientation
from dfl.base.pictures import FloatPicture, encode_picture
from dfl.merging.blending.merged_frame import MergedFrame
from dfl.merging.options import OutputFormat
from dfl.merging.running.frame_processor import PredictedFrame
from dfl.video.marking import COMMENT, SOURCE_TYPE, mark_png
from dfl.workspace import MERGED_CROPS, Workspace

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_EXR_START = b"\x76\x2f\x31\x01"


@dataclass(frozen=True)
class FrameFiles:
    """Folders and format of merged frames.

    form: png (8 bits), png16 or exr (half floats, linear light). alpha: the mask is the picture's alpha channel, not
    premultiplied. masks, crops: folders, None where none are written. mark: mark the pictures as synthetic media.
    """

    folder: Path
    masks: Path | None
    crops: Path | None
    form: OutputFormat
    alpha: bool
    mark: bool

    @property
    def folders(self) -> list[Path]:
        return [folder for folder in (self.folder, self.masks, self.crops) if folder]

    def picture_path(self, stem: str) -> Path:
        """The merged picture of a frame."""
        return self.folder / f"{stem}{'.exr' if self.form == 'exr' else '.png'}"

    def size(self, stem: str) -> int:
        """Bytes of a frame's existing picture and mask, whether masks are written in this run or not."""
        paths = (self.picture_path(stem), self.folder.with_name(f"{self.folder.name}_mask") / f"{stem}.png")
        return sum(path.stat().st_size for path in paths if path.is_file())

    def is_written(self, stem: str) -> bool:
        """Whether all files of a frame exist, and its pictures are not truncated."""
        masks = [self.masks / f"{stem}.png"] if self.masks else []
        crops = [self.crops / f"{stem}.json"] if self.crops else []
        return all(_is_whole(path) for path in [self.picture_path(stem), *masks]) and all(
            path.is_file() for path in crops
        )

    def write(self, frame: PredictedFrame, merged: MergedFrame) -> None:
        """Write the files of one frame, the picture last. UserError when a file cannot be written."""
        stem = frame.cropped.task.stem
        if self.crops:
            self._write_crops(self.crops, frame)
        path = self.picture_path(stem)
        if self.form == "exr":
            picture, mask = merged.as_floats()
            self._write_mask(stem, _to_uint16(mask))
            self._write_exr(path, picture, mask)
            return
        if self.form == "png16":
            picture, mask = (_to_uint16(values) for values in merged.as_floats())  # type: ignore[assignment]
        else:
            if not merged.is_changed and merged.frame is frame.cropped.picture and not self.alpha:
                height, width = merged.frame.shape[:2]
                content = frame.cropped.content
                png = content if _is_plain_png(content) else encode_picture(merged.frame, ".png")
                self._write_mask(stem, _empty_mask(height, width))
                write_bytes(path, self._marked(png), durable=False)
                return
            picture, mask = merged.as_bytes()  # type: ignore[assignment]
        coded: Any = np.dstack([picture, mask]) if self.alpha else picture
        self._write_mask(stem, mask)
        write_bytes(path, self._marked(encode_picture(coded, ".png")), durable=False)

    def _write_mask(self, stem: str, mask: "NDArray[Any] | bytes") -> None:
        """The mask as PNG, where masks are wanted."""
        if self.masks:
            content = mask if isinstance(mask, bytes) else encode_picture(mask, ".png")
            write_bytes(self.masks / f"{stem}.png", content, durable=False)

    def _write_exr(self, path: Path, picture: FloatPicture, mask: FloatPicture) -> None:
        linear = to_linear(picture)
        channels = {name: linear[:, :, index] for index, name in enumerate("BGR")}
        if self.alpha:
            channels["A"] = mask.reshape(mask.shape[:2])
        write_exr(path, channels, f"{COMMENT}. DigitalSourceType: {SOURCE_TYPE}" if self.mark else "")

    def _marked(self, png: bytes) -> bytes:
        return mark_png(png) if self.mark else png

    def _write_crops(self, folder: Path, frame: PredictedFrame) -> None:
        """Each predicted face as a 16-bit PNG with its mask as alpha, and matrices to and from the frame as JSON."""
        stem, faces = frame.cropped.task.stem, []
        cropped = frame.cropped
        parts = zip(cropped.task.faces, cropped.crops, frame.predictions, frame.measures, strict=True)
        for number, (task, crop, prediction, measures) in enumerate(parts):
            name = f"{stem}_{number}.png"
            size = prediction.face.shape[0]
            mask = cv2.resize(measures.mask, (size, size), interpolation=cv2.INTER_LINEAR)
            coded = np.dstack([_to_uint16(prediction.face), _to_uint16(np.asarray(mask))])
            write_bytes(folder / name, self._marked(encode_picture(coded, ".png")), durable=False)
            to_crop = crop.to_square(task.settings.rules, size // crop.size)
            faces.append(
                {
                    "picture": name,
                    "aligned": task.file.name,
                    "face_type": crop.face_type.file_name,
                    "side": size,
                    "frame_to_crop": to_crop.tolist(),
                    "crop_to_frame": cv2.invertAffineTransform(to_crop).tolist(),
                    "landmarks": np.asarray(task.landmarks, float).round(3).tolist(),
                    "model": task.model,
                }
            )
        height, width = frame.cropped.picture.shape[:2]
        facts = {"frame": frame.cropped.task.path.name, "width": width, "height": height, "faces": faces}
        write_bytes(folder / f"{stem}.json", json.dumps(facts, indent=1).encode(), durable=False)


def files_of(workspace: Workspace, form: OutputFormat, alpha: bool, crops: bool, mark: bool) -> FrameFiles:
    """The folders of a format: 8-bit PNGs in merged and merged_mask, which make-video reads; others in their own."""
    frames = workspace.frames("dst")
    folder = workspace.merged if form == "png" else frames / f"merged_{form}"
    mask_folder = workspace.merged_mask if form == "png" else frames / f"merged_{form}_mask"
    masks = None if alpha and form != "png" else mask_folder
    return FrameFiles(folder, masks, frames / MERGED_CROPS if crops else None, form, alpha, mark)


def to_linear(values: FloatPicture) -> FloatPicture:
    """Linear light of sRGB values 0..1 (IEC 61966-2-1), as stored in OpenEXR pictures."""
    curved = np.power((values + np.float32(0.055)) * np.float32(1 / 1.055), np.float32(2.4))
    linear: FloatPicture = np.where(values <= 0.04045, values * np.float32(1 / 12.92), curved)
    return linear


def _to_uint16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    words: NDArray[np.uint16] = np.rint(np.clip(values, 0, 1) * np.float32(65535)).astype(np.uint16)
    return words


def _is_whole(path: Path) -> bool:
    """Whether a picture file is complete, by its first and last bytes: a crash may leave it empty or truncated."""
    try:
        with path.open("rb") as file:
            if path.suffix == ".exr":
                return file.read(len(_EXR_START)) == _EXR_START
            start = file.read(len(_PNG_START))
            file.seek(-len(_PNG_END), 2)
            return start == _PNG_START and file.read() == _PNG_END
    except OSError:
        return False


def _is_plain_png(content: bytes) -> bool:
    """Whether a file is an 8-bit RGB PNG without alpha or EXIF rotation, which can be written again unchanged."""
    return content.startswith(_PNG_START) and content[24:26] == b"\x08\x02" and orientation(content) == 1


@lru_cache(maxsize=4)
def _empty_mask(height: int, width: int) -> bytes:
    return encode_picture(np.zeros((height, width), np.uint8), ".png")
