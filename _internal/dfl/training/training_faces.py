"""The faces that a model is trained on: those of both sides, or those of many people while it is pretrained."""

from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from dfl.base.errors import UserError
from dfl.base.listing import is_hidden
from dfl.base.report import Report
from dfl.data.batches import load_training_faces
from dfl.data.fitting_faces import fitting_faces
from dfl.data.pretraining import load_pretraining_faces
from dfl.data.xseg_batches import labelled_faces
from dfl.data.xseg_sample import XSEG_SIDE
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.models.kinds import ModelKind, kind_of
from dfl.workspace import Side, Workspace

SIDES: tuple[Side, ...] = ("src", "dst")
SideFaces = dict[Side, list[FaceFile]]


def check_faces(workspace: Workspace, class_name: str, pretraining: Path | None) -> None:
    """UserError for a side without faces, before any question is put. With a pretraining set it may need none."""
    if (pretraining or workspace.pretraining_faces).exists():
        return
    empty = [side for side in SIDES if not _has_files(workspace.aligned(side))]
    kind = kind_of(class_name)
    if kind.swaps_faces and empty == ["dst"] and "src_src" in kind.options.model_fields:
        return
    if empty and (kind.swaps_faces or len(empty) == len(SIDES)):
        load_training_faces(workspace.aligned(empty[0]))


def faces_to_train_on(
    workspace: Workspace, class_name: str, options: dict[str, Any], pretraining: Path | None, report: Report
) -> SideFaces:
    """The faces for a model with these options. XSeg may do with one side. UserError when there are too few.

    pretraining: the folder that was named for it; the workspace's own if None.
    """
    kind = kind_of(class_name)
    face_type, resolution = kind.face(options)
    if options.get("pretrain"):
        folder = need_pretraining_faces(workspace, pretraining)
        faces = fitting_faces(
            load_pretraining_faces(folder, report),
            face_type,
            resolution,
            folder,
            report,
            of_many=True,
            letters=face_letters(kind),
        )
        return dict.fromkeys(SIDES, faces)
    folders = {side: workspace.aligned(side) for side in SIDES}
    if options.get("src_src"):
        folders["dst"] = folders["src"]
    if kind.swaps_faces:
        listed = {side: load_training_faces(folder, report) for side, folder in folders.items()}
        return {
            side: fitting_faces(
                listed[side], face_type, resolution, folder, report, of_many=False, letters=face_letters(kind)
            )
            for side, folder in folders.items()
        }
    found = {side: list_faceset(folder, report) for side, folder in folders.items()}
    if not any(found.values()):
        load_training_faces(workspace.aligned("src"))
    return _with_fitting_labels(workspace, found, face_type, face_letters(kind), report)


def need_pretraining_faces(workspace: Workspace, named: Path | None) -> Path:
    """The faces of many people: those that were named, or the workspace's own; UserError without any."""
    folder = named or workspace.pretraining_faces
    if not folder.exists():
        raise UserError(
            f"Pretraining is on, but there is no {folder}.",
            "Name a folder of aligned faces of many people: --pretraining-faces FOLDER; or --no-pretrain.",
        )
    return folder


def named_faces(names: str) -> frozenset[str]:
    """The names of faces in `00012_0.jpg, 00340_0.jpg`."""
    return frozenset(name for part in names.split(",") if (name := part.strip()))


def face_letters(kind: ModelKind) -> tuple[str, ...]:
    """The face types that models of a class may have; none where it is fixed."""
    field = kind.options.model_fields.get("face_type")
    return get_args(field.annotation) if field else ()


def _with_fitting_labels(
    workspace: Workspace, found: SideFaces, face_type: FaceType, letters: tuple[str, ...], report: Report
) -> SideFaces:
    """The faces without labelled ones that are narrower than XSeg's face type: beyond their edge is no face."""
    all_labelled: set[int] = set()
    with suppress(UserError):  # nothing is labelled: making batches raises that
        all_labelled = {id(face) for face in labelled_faces([face for faces in found.values() for face in faces])}
    left_out: set[int] = set()
    for side, faces in found.items():
        labelled = [face for face in faces if id(face) in all_labelled]
        others = all_labelled - {id(face) for face in labelled}
        try:
            fitting = fitting_faces(
                labelled, face_type, XSEG_SIDE, workspace.aligned(side), report, of_many=False, letters=letters
            )
        except UserError as error:
            if not others:
                raise
            report.warn(error.what)
            fitting = []
        left_out |= {id(face) for face in labelled} - {id(face) for face in fitting}
    if all_labelled and left_out == all_labelled:
        raise UserError(
            f"All labelled faces are narrower than the XSeg model's {face_type.file_name}.",
            "Draw outlines on wider faces, or begin it anew for these: --restart --face-type f.",
        )
    return {side: [face for face in faces if id(face) not in left_out] for side, faces in found.items()}


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(not is_hidden(path) for path in folder.iterdir())
