"""The Python API: what `import dfl` offers. Stages as functions, facesets and models as objects. See docs/python.md.

Every function takes a workspace's folder (or a Workspace) and a stage's options as keywords, named as the flags with
underscores for dashes; docs/manual.md lists them. It holds the workspace's locks as the command does, reports to the
logger `dfl` (or to a Report of the caller's) and returns the counts of the stage's last line. What a user can mend is
raised as UserError. Worker processes are started by spawn everywhere: call from under `if __name__ == "__main__"`.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, overload

# The names of the API are in dfl.__all__; those imported `as` themselves are there for it alone.
from dfl.base.errors import Stopped as Stopped
from dfl.base.errors import UserError
from dfl.base.options import checked
from dfl.base.report import Counts, Progress, Report
from dfl.faces.face_type import FaceType as FaceType
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.face_metadata import FaceMetadata as FaceMetadata
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.models.options import SwapClass
from dfl.models.prediction import Prediction as Prediction
from dfl.models.prediction import SwapModel
from dfl.stages import load, run_stage, stage
from dfl.workspace import Side, Workspace

# A workspace, or the path of its folder.
WorkspaceFolder = str | Path | Workspace


class LoggingReport(Report):
    """Lines and warnings of a stage as records of a logger, progress as DEBUG."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("dfl")

    def line(self, text: str) -> None:
        self._logger.info("%s", text)

    def warn(self, text: str) -> None:
        self._logger.warning("%s", text)

    def status(self, text: str) -> None:
        self._logger.debug("%s", text)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        self._logger.debug("%s: %s to do", label, "?" if total is None else total)
        yield _Uncounted()


class _Uncounted:
    def advance(self, count: int = 1) -> None:
        """Nothing is shown."""


class Faceset(Sequence[AlignedFace]):
    """The aligned faces of a folder, or of the faceset.pak in it, by name; each picture is read when it is asked for.

    `files` has what is known of them without decoding: names, sizes, metadata. UserError when there is no face.
    """

    def __init__(self, folder: str | Path, report: Report | None = None) -> None:
        self.files: list[FaceFile] = list_faceset(Path(folder), report or LoggingReport())
        if not self.files:
            raise UserError(f"{folder} holds no aligned faces.", "Extract them: dfl.extract_faces(workspace, side).")

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> AlignedFace: ...
    @overload
    def __getitem__(self, index: slice) -> list[AlignedFace]: ...
    def __getitem__(self, index: int | slice) -> AlignedFace | list[AlignedFace]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        file = self.files[index]
        return AlignedFace(file.read_picture(), file.metadata)


def extract_frames(workspace: WorkspaceFolder, side: Side, *, report: Report | None = None, **options: Any) -> Counts:
    """The frames of data_src or data_dst as pictures; see `dfl extract-frames --help`."""
    return _run("extract-frames", workspace, report, options | {"side": side})


def extract_faces(workspace: WorkspaceFolder, side: Side, *, report: Report | None = None, **options: Any) -> Counts:
    """The faces of the frames, aligned, into `aligned`; see `dfl extract-faces --help`."""
    return _run("extract-faces", workspace, report, options | {"side": side})


def train(workspace: WorkspaceFolder, *, report: Report | None = None, **options: Any) -> Counts:
    """Train a model until `target_iter` or `minutes`, or until KeyboardInterrupt; see `dfl train --help`.

    Nothing is asked, and there is no preview window unless `preview` says so.
    """
    return _run("train", workspace, report, {"preview": "none"} | options)


def merge(workspace: WorkspaceFolder, *, report: Report | None = None, **options: Any) -> Counts:
    """The trained face into every frame of data_dst; see `dfl merge --help`."""
    return _run("merge", workspace, report, options)


def make_video(workspace: WorkspaceFolder, *, report: Report | None = None, **options: Any) -> Counts:
    """The merged frames as a video with data_dst's times and sound, marked as made; see `dfl make-video --help`."""
    return _run("make-video", workspace, report, options)


def load_model(
    workspace: WorkspaceFolder,
    name: str | None = None,
    model: SwapClass | None = None,
    *,
    engine: Literal["tensorflow", "torch"] | None = None,
    morph_factor: float = 1.0,
    report: Report | None = None,
) -> SwapModel:
    """The trained model of that name and class, or the one saved last; starts the engine.

    morph_factor: AMP alone, 0..1 from dst to src. UserError when there is none.
    """
    from dfl.models.open_model import open_model

    folder = _workspace(workspace).model
    return open_model(folder, name, model, engine, report or LoggingReport(), morph_factor=morph_factor)


def _workspace(given: WorkspaceFolder) -> Workspace:
    return given if isinstance(given, Workspace) else Workspace(Path(given).absolute())


def _run(name: str, workspace: WorkspaceFolder, report: Report | None, options: dict[str, Any]) -> Counts:
    """Run a stage with options as its command would, without questions and without remembered answers."""
    row = stage(name)
    used = report or LoggingReport()
    given = checked(load(row.options), options, f"See `dfl {name} --help`.")
    run_stage(row, _workspace(workspace), given, used)
    return used.counts
