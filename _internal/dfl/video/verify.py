"""The stage verify: how a file is marked as made, and whether the marks are whole."""

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.video.credentials import MISSING_EXTRA
from dfl.video.marking import COMMENT, SOURCE_TYPE, read_marks
from dfl.video.options import VerifyOptions
from dfl.workspace import Workspace

_CREDENTIALS = {
    "valid": "valid: nothing was changed since it was signed",
    "changed": "INVALID: the file was changed after it was signed",
    "none": "none",
    "unknown": f"not looked at: {MISSING_EXTRA}",
}


def run(workspace: Workspace, options: VerifyOptions, report: Report) -> None:
    """Tell which marks a file has; see `dfl verify --help`."""
    path = options.file
    if not path.is_file():
        raise UserError(f"{path} is not there.", "Name a video or picture, such as workspace/result.mp4.")
    try:
        marks = read_marks(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check that it may be read.") from error
    report.line(f"tag: {COMMENT if COMMENT in marks.tag else 'none'}")
    if marks.source_type == SOURCE_TYPE:
        report.line(f"XMP: {marks.source_type.rsplit('/', 1)[-1]}")
    else:
        report.line(f"XMP: {'another source type: ' + marks.source_type if marks.source_type else 'none'}")
    report.line(f"Content Credentials: {_CREDENTIALS[marks.credentials]}")
    report.done(f"{path.name}: {marks.line()}", layers=len(marks.layers), credentials=marks.credentials)
