"""The processing steps of one frame: read and crop, predict, measure, blend, write.

Their types (merging/__init__.py has an overview):
FrameTask -> crop -> CroppedFrame -> predict, measure -> PredictedFrame -> blend -> MergedFrame -> write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import read_bytes
from dfl.base.pictures import Picture, decode_frame
from dfl.faces.face_type import FaceType
from dfl.merging.blending.box import PixelBox
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import FaceCrop, crop_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.face_measures import FaceMeasures, measure_face
from dfl.merging.blending.merged_frame import MergedFrame, compose, compose_raw
from dfl.merging.blending.temporal_smoothing import smoothed_over_time
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.networks import Networks


@dataclass(frozen=True, eq=False)
class CroppedFrame:
    """A frame that was read, with its faces cropped for their models.

    crops: of `task.faces`, in their order. content: the frame's file; empty when the frame is decoded from a clip.
    refused: faces from another frame, which were removed from the task: name and reason.
    """

    task: FrameTask
    content: bytes
    picture: Picture
    crops: tuple[FaceCrop, ...]
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the picture."""
        return self.picture.nbytes


@dataclass(frozen=True, eq=False)
class PredictedFrame:
    """A frame whose faces were predicted and measured; predictions and measures in the order of `task.faces`."""

    cropped: CroppedFrame
    predictions: tuple[FacePrediction, ...]
    measures: tuple[FaceMeasures, ...]


class FileFailed(Exception):
    """A merged file could not be written, and the next ones could not either; `reason` says why."""

    def __init__(self, reason: UserError) -> None:
        super().__init__(reason.what)
        self.reason = reason


def keep(frame: PredictedFrame, merged: MergedFrame) -> MergedFrame:
    """Write nothing: return the merged frame."""
    del frame
    return merged


@dataclass(frozen=True)
class FrameProcessor:
    """The steps of a frame. `predict` is called from one thread, the others from any.

    raw_size: pixels of the black square that a frame without a face becomes in mode raw-predict. write: called with a
    merged frame; its result is that of `finish`; raises UserError when a file cannot be written.
    """

    networks: Networks
    raw_size: int
    write: Callable[[PredictedFrame, MergedFrame], Any] = keep

    def crop(self, task: FrameTask) -> CroppedFrame:
        """Read a frame and crop its faces. UserError when the picture or a face's landmarks cannot be used."""
        if task.read:
            return self.crop_picture(task, task.read())
        content = read_content(task.path)
        return self.crop_picture(task, decode_frame(content, str(task.path)), content)

    def crop_picture(self, task: FrameTask, picture: Picture, content: bytes = b"") -> CroppedFrame:
        """Crop the faces of a frame's picture, except those from another frame.

        UserError when a face's landmarks cannot be used.
        """
        refused = {
            face.file.name: why for face in task.faces if face.check and (why := face.check.mismatch(picture, content))
        }
        if refused:
            task = replace(task, faces=tuple(face for face in task.faces if face.file.name not in refused))
        crops = []
        for face in task.faces:
            model, settings = self.networks.models[face.model], face.settings
            kind = FaceType(model.face_type)
            crop = crop_face(picture, face.landmarks, kind, model.resolution, settings.rules, face.shift)
            crops.append(self.networks.add_xseg_input(picture, crop, settings))
        return CroppedFrame(task, content, picture, tuple(crops), tuple(refused.items()))

    def predict(self, frames: Sequence[CroppedFrame]) -> list[list[FacePrediction]]:
        """Predictions of the faces of some frames, a list for each frame."""
        tasks = [face for frame in frames for face in frame.task.faces]
        predictions = iter(self.networks.predict(tasks, [crop for frame in frames for crop in frame.crops]))
        return [[next(predictions) for _ in frame.crops] for frame in frames]

    def measure(self, cropped: CroppedFrame, predictions: Sequence[FacePrediction]) -> PredictedFrame:
        """Measure the faces' masks, colours and light, which blending of the frame and of its neighbours needs."""
        measures = tuple(
            measure_face(cropped.picture, crop, prediction, face.settings, cropped.task.index, face.track)
            for face, crop, prediction in zip(cropped.task.faces, cropped.crops, predictions, strict=True)
        )
        return PredictedFrame(cropped, tuple(predictions), measures)

    def blend(self, frame: PredictedFrame, neighbours: Sequence[FaceMeasures] = ()) -> MergedFrame:
        """The merged frame. neighbours: measures of faces in the frames before and after, for temporal smoothing.

        A frame without a face is unchanged, with an empty mask; in mode raw-predict it becomes a black square.
        """
        picture, settings = frame.cropped.picture, frame.cropped.task.settings
        patches = []
        faces = zip(frame.cropped.task.faces, frame.cropped.crops, frame.predictions, frame.measures, strict=True)
        for face, crop, prediction, own in faces:
            measures = smoothed_over_time(own, neighbours, face.settings)
            # The same seed for every frame: otherwise the random transfers would flicker.
            random = np.random.default_rng(0)
            patches.append(merge_face(picture, crop, prediction, face.settings, face.motion, random, measures))
        if settings.mode != "raw-predict":
            return compose(picture, patches, settings)
        if patches:
            return compose_raw(patches[-1], settings)
        size = self.raw_size * (4 if settings.super_resolution and settings.rules.enlarges_empty_frames else 1)
        empty = np.zeros((size, size, 3), np.uint8)
        return MergedFrame(
            empty, PixelBox(0, 0, 0, 0), np.zeros((0, 0, 3), np.float32), np.zeros((0, 0, 1), np.float32)
        )

    def finish(self, frame: PredictedFrame, neighbours: Sequence[FaceMeasures] = ()) -> Any:
        """Blend the faces and write the frame; returns the result of `write`. FileFailed when it raises UserError."""
        merged = self.blend(frame, neighbours)
        try:
            return self.write(frame, merged)
        except UserError as error:
            raise FileFailed(error) from error


def read_content(path: Path) -> bytes:
    """The bytes of a frame's file. UserError when it cannot be read."""
    return read_bytes(path)
