"""Stage `time-lapse`: a model's preview history as a video, marked as synthetic media because its faces are."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import replacing
from dfl.base.listing import list_folders
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.models.checkpoint import list_models, model_folder
from dfl.training.options import TimeLapseOptions
from dfl.training.preview.history import history_folder
from dfl.video.encoders import Coding
from dfl.video.marking import COMMENT, mark_result
from dfl.video.write import Shown, VideoForm, fitted, write_video
from dfl.workspace import Workspace

_LAST_SECONDS = 2  # how long the last picture is shown
_TICKS = 1000  # per frame: any rate with three decimals is exact


def run(workspace: Workspace, options: TimeLapseOptions, report: Report) -> None:
    """Write `time-lapse_PAGE.mp4` into the model's folder; see `dfl time-lapse --help`."""
    folder = _model(workspace, options)
    page, paths = _pictures(folder, options.page)
    rate = Fraction(str(options.fps))
    seconds = float(len(paths) / rate) + _LAST_SECONDS
    need_space(folder, round(2 * options.bitrate * 1e6 / 8 * seconds), "The time-lapse")
    coding = Coding("libx264", "yuv420p", {"b": f"{options.bitrate}M", "preset": "veryfast", "bf": "0"})
    form = VideoForm(coding, time_base=1 / (rate * _TICKS), rate=rate, comment=COMMENT)
    target = folder / f"time-lapse_{page}.mp4"
    with replacing(target) as part:
        frames = report.track(_shown(paths, round(_LAST_SECONDS * rate), report), target.name, len(paths))
        for loss in write_video(part, frames, form):
            report.warn(loss)
        marks = mark_result(part)
    report.line(f"{target.name} is {marks.line()}.")
    report.done(f"{target}: {len(paths)} pictures, {seconds:.1f} s.", pictures=len(paths), layers=len(marks.layers))


def _model(workspace: Workspace, options: TimeLapseOptions) -> Path:
    """Folder of the chosen model."""
    found = list_models(workspace.model, options.model)
    chosen = next(((name, kind) for name, kind in found if options.name in (None, name)), None)
    if chosen is None:
        have = ", ".join(f"{name} ({kind})" for name, kind in found) or "none"
        raise UserError(f"There is no such model in {workspace.model}. Models: {have}.", "Train one first.")
    return model_folder(workspace.model, *chosen)


def _pictures(folder: Path, page: str) -> tuple[str, list[Path]]:
    """The page's name and its pictures in order of iterations."""
    history = history_folder(folder)
    pages = [path.name for path in list_folders(history)]
    if not pages:
        raise UserError(
            f"{folder.name} has no preview history in {history}.",
            "Train it with --write-preview-history: pictures are saved from then on.",
        )
    if page and page not in pages:
        raise UserError(f"{history} has no page {page}.", f"Pages: {', '.join(pages)}.")
    name = page or pages[0]
    paths = sorted(path for path in (history / name).glob("*.jpg") if path.stem.isdigit())
    if not paths:
        raise UserError(f"{history / name} holds no pictures.", "Continue training, or choose another page.")
    return name, sorted(paths, key=lambda path: int(path.stem))


def _shown(paths: list[Path], hold: int, report: Report) -> Iterator[Shown]:
    """The pictures with their times, all at the last one's size; unreadable ones are reported and left out.

    hold: frames for which the last picture is shown.
    """
    height, width = read_picture(paths[-1]).shape[:2]
    frame = 0
    for path in paths:
        try:
            picture = read_picture(path)
        except UserError as error:
            report.warn(f"{error.what} It is left out.")
            continue
        length = hold if path == paths[-1] else 1
        yield Shown(fitted(picture, height, width), frame * _TICKS, length * _TICKS)
        frame += length
