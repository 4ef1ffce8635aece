"""The faces that a model is trained on: those of both sides, or those of many people while it is pretrained."""

from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.models.open_model import XSEG
from dfl.samples.batches import load_training_faces
from dfl.samples.pretraining import load_pretraining_faces
from dfl.workspace import Side, Workspace

SIDES: tuple[Side, ...] = ("src", "dst")
SideFaces = dict[Side, list[FaceFile]]


def check_faces(workspace: Workspace, class_name: str, pretraining: Path | None) -> None:
    """Tell of a side without faces before any question is put. Who has a pretraining set may need none."""
    if (pretraining or workspace.pretraining_faces).exists():
        return
    empty = [side for side in SIDES if not _has_files(workspace.aligned(side))]
    if empty and (class_name != XSEG or len(empty) == len(SIDES)):
        load_training_faces(workspace.aligned(empty[0]))


def faces_to_train_on(
    workspace: Workspace, class_name: str, options: dict[str, Any], pretraining: Path | None, report: Report
) -> SideFaces:
    """The faces for a model with these options. XSeg may do with one side. UserError when there are too few.

    pretraining: the folder that was named for it; the workspace's own if None.
    """
    if options.get("pretrain"):
        place = pretraining or workspace.pretraining_faces
        if not place.exists():
            raise UserError(
                f"Pretraining is on, but there is no {place}.",
                "Name a folder of aligned faces of many people: --pretraining-faces FOLDER; or --no-pretrain.",
            )
        faces = load_pretraining_faces(place, report)
        return dict.fromkeys(SIDES, faces)
    if class_name != XSEG:
        return {side: load_training_faces(workspace.aligned(side), report) for side in SIDES}
    found = {side: list_faceset(workspace.aligned(side), report) for side in SIDES}
    if not any(found.values()):
        load_training_faces(workspace.aligned("src"))
    return found


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
