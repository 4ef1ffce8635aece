"""The summary of extract-faces: counts, frames without a face, doubtful faces."""

from collections.abc import Sequence
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import write_bytes, write_text
from dfl.base.pictures import contact_sheet, encode_picture, read_picture
from dfl.base.report import Report
from dfl.extraction.crop_plan import FramePlan
from dfl.extraction.find_faces import Failed
from dfl.faceset.cut_journal import FrameCuts
from dfl.faceset.frame_journal import FrameJournal
from dfl.workspace import DOUBTFUL_FACES, FRAMES_WITHOUT_FACE, Side, Workspace

# Faces with a confidence below this are listed.
_DOUBTFUL = 0.7
_SHEET_FACES, _SHEET_COLUMNS, _SHEET_CELL = 60, 10, 128


def report_faces(
    workspace: Workspace,
    side: Side,
    suffix: str,
    names: list[str],
    plans: Sequence[FramePlan | None],
    journal: FrameJournal[FrameCuts],
    failed: Failed,
    report: Report,
) -> None:
    """Report the number of faces, and write the lists of frames without a face and of doubtful faces."""
    folder = workspace.frames(side)
    finished = [journal.entries[name] for name in names if name in journal.entries]
    faces = sum(frame.faces for frame in finished)
    without = [frame.frame for frame in finished if not frame.faces]
    text = f"faces: {faces} in {len(finished) - len(without)} of {len(names)} frames; "
    text += f"{len(without)} frames without a face"
    if without:
        text += f" (listed in {folder / FRAMES_WITHOUT_FACE})"
    _write_list(folder / FRAMES_WITHOUT_FACE, without)
    doubtful = _write_doubtful(workspace, side, suffix, plans)
    if doubtful:
        text += f"; {doubtful} doubtful faces, see {workspace.doubtful_faces_sheet(side)}"
    if failed:
        text += f"; {len(failed)} frames failed and are tried again next time"
    report.done(text, faces=faces, frames=len(names), without_face=len(without), failed=len(failed), doubtful=doubtful)


def _write_doubtful(workspace: Workspace, side: Side, suffix: str, plans: Sequence[FramePlan | None]) -> int:
    """List the doubtful faces, the most doubtful first, with a sheet of the first ones; returns how many there are."""
    folder = workspace.frames(side)
    doubtful = sorted(
        (planned.face.confidence, planned.file_name(plan.frame, suffix))
        for plan in plans
        if plan
        for planned in plan.faces
        if planned.face.confidence < _DOUBTFUL
    )
    _write_list(folder / DOUBTFUL_FACES, [f"{confidence:.3f} {name}" for confidence, name in doubtful])
    pictures = []
    for _, name in doubtful[:_SHEET_FACES]:
        for source in (workspace.aligned(side), workspace.aligned_trash(side)):
            try:
                pictures.append(read_picture(source / name))
                break
            except UserError:
                continue  # the user has deleted it or sorted the faces
    if pictures:
        rows = [pictures[start : start + _SHEET_COLUMNS] for start in range(0, len(pictures), _SHEET_COLUMNS)]
        write_bytes(workspace.doubtful_faces_sheet(side), encode_picture(contact_sheet(rows, _SHEET_CELL), ".jpg"))
    else:
        workspace.doubtful_faces_sheet(side).unlink(missing_ok=True)
    return len(doubtful)


def _write_list(file: Path, lines: list[str]) -> None:
    if lines:
        write_text(file, "".join(f"{line}\n" for line in lines))
    else:
        file.unlink(missing_ok=True)
