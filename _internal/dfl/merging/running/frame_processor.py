"""One frame from its file to the merged picture: read, cut, measured, blended and written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import read_bytes
from dfl.base.pictures import Picture, decode_frame
from dfl.faces.face_type import FaceType
from dfl.merging.blending.box import PixelBox
from dfl.merging.blending.face_in_frame import FaceMeasures, crop_face, measure_face, merge_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.finished_frame import MergedFrame, compose, compose_raw
from dfl.merging.blending.temporal_smoothing import Neighbour, smoothed_over_time
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.merging.running.networks import Networks, ShownFace


@dataclass(frozen=True, eq=False)
class CroppedFrame:
    """A frame that was read, with its faces cut out for their models.

    refused: faces that do not belong to it and were left out of its task: name, and why.
    """

    task: FrameTask
    content: bytes  # the frame's file; empty when the frame comes straight from a clip
    picture: Picture
    faces: tuple[ShownFace, ...]
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the picture."""
        return self.picture.nbytes


@dataclass(frozen=True, eq=False)
class PredictedFaces:
    """What a frame's neighbours need of it: the measures of its faces, by track."""

    place: int
    measures: tuple[tuple[FaceTask, FaceMeasures], ...]


@dataclass(frozen=True, eq=False)
class PredictedFrame:
    """A frame whose faces were predicted and measured."""

    cut: CroppedFrame
    predictions: tuple[FacePrediction, ...]
    seen: PredictedFaces


class Output(Protocol):
    """Where merged frames go; UserError when a file cannot be written."""

    def write(self, frame: PredictedFrame, merged: MergedFrame, /) -> None: ...


class FileFailed(Exception):
    """A merged file could not be written, and the next ones could not either; `reason` says why."""

    def __init__(self, reason: UserError) -> None:
        super().__init__(reason.what)
        self.reason = reason


@dataclass(frozen=True)
class FrameProcessor:
    """How frames are cut, blended and written. Its methods may run in any thread.

    output: None keeps frames in memory: then `finish` gives them back.
    """

    networks: Networks
    raw_side: int  # of the black square that a frame without a face becomes in mode raw-predict, at the model's size
    output: Output | None = None

    def cut(self, task: FrameTask) -> CroppedFrame:
        """Read a frame and cut its faces out. UserError when the file or a face's landmarks cannot be used."""
        if task.picture is not None:
            return self.cut_picture(task, task.picture)
        content = read_content(task.path)
        return self.cut_picture(task, decode_frame(content, str(task.path)), content)

    def cut_picture(self, task: FrameTask, picture: Picture, content: bytes = b"") -> CroppedFrame:
        """Cut the faces out of a frame's picture, but those of another frame.

        UserError when a face's landmarks cannot be used.
        """
        refused = {
            face.name: why for face in task.faces if face.check and (why := face.check.refusal(picture, content))
        }
        if refused:
            task = replace(task, faces=tuple(face for face in task.faces if face.name not in refused))
        faces = []
        for face in task.faces:
            model = self.networks.models[face.model]
            black = face.settings.like_original
            kind = FaceType(model.face_type)
            crop = crop_face(picture, face.landmarks, kind, model.resolution, black_from_edge=black)
            faces.append(self.networks.see(picture, ShownFace(crop, face.model, face.settings)))
        return CroppedFrame(task, content, picture, tuple(faces), tuple(refused.items()))

    def look(self, cut: CroppedFrame, predictions: Sequence[FacePrediction]) -> PredictedFrame:
        """Measure what the frame's neighbours and its own blending need."""
        measured = tuple(
            (task, measure_face(cut.picture, face.crop, prediction, face.settings))
            for task, face, prediction in zip(cut.task.faces, cut.faces, predictions, strict=True)
        )
        return PredictedFrame(cut, tuple(predictions), PredictedFaces(cut.task.place, measured))

    def blend(self, frame: PredictedFrame, around: Sequence[PredictedFaces] = ()) -> MergedFrame:
        """The merged frame. around: its neighbours, for masks and colours that are smoothed over time.

        A frame without a face is itself, with an empty mask; in mode raw-predict it becomes a black square.
        """
        picture, settings = frame.cut.picture, frame.cut.task.settings
        patches = []
        for place, (shown, prediction) in enumerate(zip(frame.cut.faces, frame.predictions, strict=True)):
            task, own = frame.seen.measures[place]
            measures = smoothed_over_time(own, _neighbours(task, frame.seen.place, around), task.settings)
            # Always the same seed: with another one in every frame the random transfers would flicker.
            random = np.random.default_rng(0)
            patches.append(merge_face(picture, shown.crop, prediction, task.settings, task.motion, random, measures))
        if settings.mode != "raw-predict":
            return compose(picture, patches, settings)
        if patches:
            return compose_raw(patches[-1], settings)
        side = self.raw_side * (4 if settings.super_resolution and not settings.like_original else 1)
        empty = np.zeros((side, side, 3), np.uint8)
        return MergedFrame(
            empty, PixelBox(0, 0, 0, 0), np.zeros((0, 0, 3), np.float32), np.zeros((0, 0, 1), np.float32)
        )

    def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces]) -> MergedFrame | None:
        """Blend the predicted faces in, and write what comes of it. FileFailed when a file cannot be written."""
        merged = self.blend(frame, around)
        if self.output is None:
            return merged
        try:
            self.output.write(frame, merged)
        except UserError as error:
            raise FileFailed(error) from error
        return None


def _neighbours(task: FaceTask, place: int, around: Sequence[PredictedFaces]) -> list[Neighbour]:
    """The same face in the frames around."""
    return [
        (near.place - place, measures)
        for near in around
        for other, measures in near.measures
        if task.track is not None and other.track == task.track and near.place != place
    ]


def read_content(path: Path) -> bytes:
    """The bytes of a frame's file. UserError when it cannot be read."""
    return read_bytes(path)
