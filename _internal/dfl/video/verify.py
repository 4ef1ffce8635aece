"""The stage verify: how a file is marked as made, and whether the marks are whole."""

from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import reading
from dfl.base.report import Report
from dfl.video.credentials import MISSING_EXTRA
from dfl.video.file_kinds import ends_early, file_kind
from dfl.video.marking import COMMENT, SOURCE_TYPE, read_marks
from dfl.video.options import VerifyOptions
from dfl.video.read_clip import need_file, open_clip
from dfl.workspace import Workspace

_CREDENTIALS = {
    "valid": "valid: nothing was changed since it was signed",
    "changed": "INVALID: the file was changed after it was signed",
    "none": "none",
    "unknown": f"not checked: {MISSING_EXTRA}",
}


def run(workspace: Workspace, options: VerifyOptions, report: Report) -> None:
    """Report which marks a file has; see `dfl verify --help`."""
    path = options.file
    need_file(path, "Name a video or picture, such as workspace/result.mp4.")
    with reading(path):
        kind, is_cut, marks = file_kind(path), ends_early(path), read_marks(path)
    if kind is None and not is_cut:
        _need_video(path)
    elif kind and not kind.is_picture:
        raise UserError(f"{path} is {kind.text}, and no video or picture.", "Name a video or picture.")
    if is_cut:
        report.warn(f"{path.name} is not whole: its end is missing, and with it perhaps marks. Copy or make it again.")
    report.line(f"tag: {COMMENT if COMMENT in marks.tag else 'none'}")
    if marks.source_type == SOURCE_TYPE:
        report.line(f"XMP: {marks.source_type.rsplit('/', 1)[-1]}")
    else:
        report.line(f"XMP: {'another source type: ' + marks.source_type if marks.source_type else 'none'}")
    report.line(f"Content Credentials: {_CREDENTIALS[marks.credentials]}")
    name = f"{path.name} (not whole)" if is_cut else path.name
    report.done(f"{name}: {marks.line()}", layers=len(marks.layers), credentials=marks.credentials)


def _need_video(path: Path) -> None:
    """Raise a UserError for what libav cannot open."""
    try:
        with open_clip(path):
            pass
    except UserError as error:
        raise UserError(f"{path} is no video or picture that can be read.", "Copy or make it again.") from error
