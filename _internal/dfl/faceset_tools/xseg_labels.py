"""The stages xseg-fetch, xseg-remove and xseg-remove-labels: outlines and masks of a faceset, copied or taken out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dfl.base.asking import ask_yes
from dfl.base.disk_space import need_space
from dfl.base.errors import Stopped, UserError
from dfl.base.files import write_bytes
from dfl.base.report import Failures, Report
from dfl.base.wording import first_few
from dfl.faceset.change_metadata import MetadataChanges
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_faceset, no_faces
from dfl.faceset.sidecar import SidecarEntry, add_to_index, read_index
from dfl.faceset_tools.options import XsegFetchOptions, XsegRemoveOptions
from dfl.workspace import Side, Workspace

# Key in a face's metadata: which model made its mask. See apply_xseg.
DRAWN_BY = "xseg_drawn_by"


def run_fetch(workspace: Workspace, options: XsegFetchOptions, report: Report) -> None:
    """Copy the faces with outlines to aligned_xseg beside the faceset; those that are there already stay."""
    aligned = workspace.aligned(options.side)
    target = aligned.with_name(f"{aligned.name}_xseg")
    labelled = [face for face in list_faceset(aligned, report) if face.metadata.polygons]
    if not labelled:
        report.done(f"No face in {aligned} has outlines: nothing to copy.", copied=0)
        return
    need_space(target, sum(face.path.stat().st_size for face in labelled if not face.member), "The copies")
    copied = 0
    others: list[str] = []
    for face in report.track(labelled, "copying", len(labelled)):
        content = face.read_content()
        path = target / (f"{face.person}_{face.name}" if face.person else face.name)
        if not path.is_file():
            write_bytes(path, content)
            copied += 1
        elif path.read_bytes() != content:
            others.append(path.name)
    _copy_face_data(aligned, target, labelled)
    if others:  # perhaps with outlines that were drawn there
        report.warn(
            f"{len(others)} faces in {target} differ from those in {aligned} and stay: {first_few(others)}. Move "
            "them away for those of the faceset."
        )
    report.done(
        f"{len(labelled) - len(others)} faces with outlines are in {target}, {copied} of them new.",
        copied=copied,
    )


def _copy_face_data(aligned: Path, target: Path, faces: list[FaceFile]) -> None:
    """Copy the faceset.json entries of PNG and WebP pictures, unless they are there already."""
    index, there = read_index(aligned), read_index(target)
    found: dict[str, SidecarEntry] = {}
    for face in faces:
        entry = None if face.member or face.name in there else index.get(face.name)
        if entry:
            found[face.name] = entry
    if found:
        add_to_index(target, found)


def run_remove(workspace: Workspace, options: XsegRemoveOptions, report: Report) -> None:
    """Take the masks out of a side's faces that XSeg has drawn, after asking."""
    faces = [face for face in editable_faces(workspace, options.side, report) if face.metadata.xseg_mask is not None]
    question = "Remove the masks that XSeg has drawn?"
    _change(workspace.aligned(options.side), faces, without_mask, question, "masks", options, report)


def run_remove_labels(workspace: Workspace, options: XsegRemoveOptions, report: Report) -> None:
    """Take the outlines out of a side's faces that the user has drawn, after asking."""
    faces = [face for face in editable_faces(workspace, options.side, report) if face.metadata.polygons]
    question = "Remove the outlines that you have drawn? This cannot be undone."
    _change(workspace.aligned(options.side), faces, _without_outlines, question, "outlines", options, report)


def editable_faces(workspace: Workspace, side: Side, report: Report) -> list[FaceFile]:
    """The faces of a side, to be changed in place. UserError when they are packed or there are none."""
    aligned = workspace.aligned(side)
    check_is_unpacked(aligned, side)
    faces = list_faceset(aligned, report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {side} first.")
    return faces


def without_mask(metadata: FaceMetadata) -> FaceMetadata:
    """Face data without the mask and the note of who drew it."""
    other = {key: value for key, value in metadata.other.items() if key != DRAWN_BY}
    return replace(metadata, xseg_mask=None, other=other)


def _without_outlines(metadata: FaceMetadata) -> FaceMetadata:
    return replace(metadata, polygons=())


def _change(
    aligned: Path,
    faces: list[FaceFile],
    changed: Callable[[FaceMetadata], FaceMetadata],
    question: str,
    what: str,
    options: XsegRemoveOptions,
    report: Report,
) -> None:
    if not faces:
        report.done(f"No face in {aligned} has {what}.", removed=0)
        return
    report.line(f"{len(faces)} faces in {aligned} have {what}.")
    if options.yes and not options.delete:
        raise UserError(
            "Nothing was removed: --yes takes the default answers, and here that is no.",
            "Give --delete to remove without a question.",
        )
    if not options.delete and not ask_yes(question, False):
        report.line("Nothing was removed.")
        raise Stopped
    changes = MetadataChanges(aligned)
    failures = Failures(report)
    for face in report.track(faces, "removing", len(faces)):
        try:
            changes.write(face, changed(face.metadata))
        except UserError as error:
            failures.add(face.name, f"{error.what} {error.todo}")
            if len(failures.names) == len(faces):  # a disk that can only be read
                raise
    changes.finish()
    failed = len(failures.names)
    text = f"The {what} of {len(faces) - failed} faces are removed"
    report.done(text + (f"; {failed} failed." if failed else "."), removed=len(faces) - failed, failed=failed)
