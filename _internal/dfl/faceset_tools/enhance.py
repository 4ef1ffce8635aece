"""The stage enhance: a faceset with more detail, by the original's FaceEnhancer; see regenerate.

The network invents the detail: pores and lashes that the frames do not show. It runs in this process alone. Enhanced
pictures are marked in their metadata, so that a second run does not enhance them again.
"""

from dataclasses import replace
from pathlib import Path

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.base.report import Failures, Report
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_faceset, no_faces
from dfl.faceset.trash import trash_folder
from dfl.faceset_tools.options import EnhanceOptions
from dfl.faceset_tools.regenerate import Regenerated, regenerate, was_regenerated
from dfl.models.engine import start_engine
from dfl.models.face_weights import face_network_file
from dfl.workspace import Workspace

# Key in the metadata of enhanced pictures.
MARK = "enhanced"
_BYTES_A_PIXEL = 1.0  # of a JPEG of quality 100


def run(workspace: Workspace, options: EnhanceOptions, report: Report) -> None:
    """Enhance a side's faceset; see `dfl enhance --help`. UserError when the network's weights are not there."""
    aligned = workspace.aligned(options.side)
    regenerated = Regenerated(aligned, "enhance", "enhanced")
    regenerated.finish_taking_over(report)
    face_network_file("FaceEnhancer")  # before anything is read or the engine starts
    check_is_unpacked(aligned, options.side)
    faces = list_faceset(aligned, report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {options.side} first.")
    due = [face for face in faces if not face.metadata.other.get(MARK)]
    if len(due) < len(faces):
        report.line(f"{len(faces) - len(due)} faces are enhanced already.")
    if not due:
        report.done(f"There is nothing to enhance in {aligned}.", faces=0, failed=0)
        return
    regenerated.prepare({"network": "FaceEnhancer"}, report)
    names = regenerated.names(due)
    times = regenerated.times()
    targets = {face.name: regenerated.folder / names[face.name] for face in due}
    left = [face for face in due if not was_regenerated(face, targets[face.name], times.get(names[face.name]))]
    if 0 < len(left) < len(due):
        report.line(f"{len(due) - len(left)} of {len(due)} faces are finished; going on with the rest.")
    failed = _make(left, targets, options.engine, report)
    made = {face.name: names[face.name] for face in due if face.name not in failed}
    regenerated.note_times({names[face.name]: face for face in due if face.name in made})
    regenerated.move_others_away(set(made.values()), report)
    text = f"{len(made)} faces enhanced" + (f"; {len(failed)} failed and stay as they are" if failed else "")
    if options.merge and made:
        regenerated.take_over(made, report)
        text += f', in {aligned} now. The old ones are in {trash_folder(aligned)} (reason "{regenerated.word}").'
    else:
        text += f", in {regenerated.folder}; the same with --merge takes them over."
    report.done(text, faces=len(made), failed=len(failed))


def _make(faces: list[FaceFile], targets: dict[str, Path], engine: str | None, report: Report) -> set[str]:
    """Write the enhanced pictures; returns the names of faces that failed."""
    failures = Failures(report)
    if not faces:
        return set(failures.names)
    pixels = sum(face.shape[0] * face.shape[1] for face in faces)
    need_space(next(iter(targets.values())).parent, int(pixels * _BYTES_A_PIXEL), f"{len(faces)} enhanced faces")
    report.line(str(start_engine(engine)))
    from dfl.models.face_enhancer import open_face_enhancer

    enhancer = open_face_enhancer()
    for face in report.track(faces, "enhancing", len(faces)):
        try:
            changed = face.path.stat()
            picture: Picture = face.read_picture()
        except (UserError, OSError) as error:
            reason = error.what if isinstance(error, UserError) else error
            failures.add(face.name, f"{face.name} is left as it is: {reason}")
            continue
        metadata = replace(face.metadata, other=face.metadata.other | {MARK: True})
        regenerate(targets[face.name], AlignedFace(enhancer.enhance(picture), metadata), changed)
    return set(failures.names)
