"""Stage `merge`: the trained face into every frame of data_dst, as pictures and masks in merged and merged_mask."""

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import list_pictures, need_space, remove_parts, write_json, write_text
from dfl.base.pictures import read_picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.merging.face_in_frame import STILL
from dfl.merging.faces_of_clip import ClipFrame, read_clip
from dfl.merging.frame import FrameWork
from dfl.merging.journal import Journal, is_whole_png
from dfl.merging.options import MergeOptions
from dfl.merging.pipeline import FrameOutcome, SwapModel, merge_frames
from dfl.merging.to_video import VideoMerge
from dfl.merging.video_source import VideoSource, open_video_source
from dfl.merging.xseg_masks import XsegMasks
from dfl.video.encoders import list_encoders
from dfl.workspace import Workspace

FACTS_NAME = "merge.json"
JOURNAL_NAME = "merge.journal"
# Of an uncompressed frame: what a PNG of footage takes, and its mask.
_PNG_SHARE = 0.65
_FAILURES_IN_A_ROW = 25
_FAILURES_SHOWN = 5


def run(workspace: Workspace, options: MergeOptions, report: Report) -> None:
    """Merge all frames with a saved model; a second run does what is missing."""
    if options.to_video and options.encoder == "list":
        list_encoders(report)
        return
    source = open_video_source(workspace, options, report) if options.to_video else None
    clip = source.frames if source else read_clip(workspace, report)
    from dfl.models.open_model import open_model

    xseg = _open_xseg(workspace, options, report) if options.needs_xseg else None
    model = open_model(workspace.model, options.model, None, options.engine, report, options.morph_factor)
    if source:
        run_merge_to_video(workspace, options, model, report, source, xseg)
    else:
        run_merge(workspace, options, model, report, clip, xseg)


def run_merge_to_video(
    workspace: Workspace,
    options: MergeOptions,
    model: SwapModel,
    report: Report,
    source: VideoSource,
    xseg: XsegMasks | None = None,
) -> None:
    """Merge the frames of a clip with an open model, straight into result and result_mask."""
    video = VideoMerge(workspace, options, source, _made_with(options, model, xseg), report)
    _say_how(options, model, report)
    workers = worker_count(options.workers)
    failed = video.merge_missing(
        _frame_work(workspace, options, model, xseg),
        lambda frames, work: _until_hopeless(merge_frames(frames, work, model.predict, workers, xseg)),
    )
    _say_failures(workspace, failed, report)
    video.finish()


def _open_xseg(workspace: Workspace, options: MergeOptions, report: Report) -> XsegMasks:
    from dfl.models.open_model import open_xseg

    try:
        model = open_xseg(workspace.model, options.engine, report)
    except UserError as error:
        todo = f"{error.todo} Or choose another mask mode."
        raise UserError(f"The mask mode {options.mask_mode} needs an XSeg model. {error.what}", todo) from error
    return XsegMasks.for_mode(model, options.mask_mode)


def run_merge(
    workspace: Workspace,
    options: MergeOptions,
    model: SwapModel,
    report: Report,
    clip: Sequence[ClipFrame] | None = None,
    xseg: XsegMasks | None = None,
) -> None:
    """Merge all frames with an open model. `clip`: as read_clip gives it; read now when left out.

    xseg: for the mask modes that need it.
    """
    clip = read_clip(workspace, report) if clip is None else clip
    if not options.motion_blur:  # else a frame would count as changed whenever its neighbours' faces do
        clip = [replace(frame, motion=STILL) for frame in clip]
    for folder in (workspace.merged, workspace.merged_mask):
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
    with Journal(workspace.merged / JOURNAL_NAME, _made_with(options, model, xseg)) as journal:
        todo = [frame for frame in clip if not (journal.has(frame) and _is_written(workspace, frame))]
        _say_start(clip, todo, journal, options, model, xseg, report)
        need_space(workspace.merged, _space(todo), "Merging")
        if todo:  # it tells of finished runs only
            (workspace.merged / FACTS_NAME).unlink(missing_ok=True)
        work = _frame_work(workspace, options, model, xseg)
        workers = worker_count(options.workers)
        with report.progress("Merging", len(todo)) as progress:
            failed = []
            for outcome in _until_hopeless(merge_frames(todo, work, model.predict, workers, xseg)):
                progress.advance()
                if outcome.error is None:
                    journal.add(outcome.frame)
                else:
                    failed.append(outcome)
    _remove_leftovers(workspace, clip, report)
    _say_failures(workspace, failed, report)
    _write_facts(workspace, clip, failed, options, model, report)


def _frame_work(workspace: Workspace, options: MergeOptions, model: SwapModel, xseg: XsegMasks | None) -> FrameWork:
    return FrameWork(
        options.settings(),
        model.resolution,
        FaceType(model.face_type),
        workspace.merged,
        workspace.merged_mask,
        options.mark,
        xseg,
    )


def _made_with(options: MergeOptions, model: SwapModel, xseg: XsegMasks | None) -> dict[str, Any]:
    """What decides how the pictures look."""
    return {
        "model": model.name,
        "iteration": model.iteration,
        "resolution": model.resolution,
        "face_type": FaceType(model.face_type).file_name,
        "mark": options.mark,
        **options.settings().model_dump(),
        **model.settings,
        **({"xseg_iteration": xseg.model.iteration} if xseg else {}),
    }


def _is_written(workspace: Workspace, frame: ClipFrame) -> bool:
    name = f"{frame.stem}.png"
    return is_whole_png(workspace.merged / name) and is_whole_png(workspace.merged_mask / name)


def _space(todo: Sequence[ClipFrame]) -> int:
    """Bytes that the missing pictures will take, guessed from the first that can be read."""
    for frame in todo:
        try:
            return int(read_picture(frame.path).nbytes * _PNG_SHARE) * len(todo)
        except UserError:
            continue
    return 0


def _say_start(
    clip: Sequence[ClipFrame],
    todo: Sequence[ClipFrame],
    journal: Journal,
    options: MergeOptions,
    model: SwapModel,
    xseg: XsegMasks | None,
    report: Report,
) -> None:
    now = _made_with(options, model, xseg)
    if journal.earlier is not None:
        earlier = journal.earlier
        changes = [f"{key} {earlier[key]} → {now[key]}" for key in now if key in earlier and earlier[key] != now[key]]
        report.line(f"The merged pictures were made otherwise ({', '.join(changes)}): all frames are merged again.")
    elif len(todo) < len(clip):
        report.line(f"{len(clip) - len(todo)} of {len(clip)} frames are merged already.")
    if not options.mark:
        report.line("The merged pictures will not be marked as made.")
    _say_how(options, model, report)


def _say_how(options: MergeOptions, model: SwapModel, report: Report) -> None:
    face_type = FaceType(model.face_type).file_name
    report.line(
        f"Model {model.name}, iteration {model.iteration}, {model.resolution} px {face_type}: "
        f"mode {options.mode}, mask {options.mask_mode}, colour transfer {options.colour_transfer}"
        + "".join(f", {name.replace('_', ' ')} {value}" for name, value in model.settings.items())
        + "."
    )


def _until_hopeless(outcomes: Iterable[FrameOutcome]) -> Iterable[FrameOutcome]:
    """Hand outcomes on; when many frames in a row fail, raise the last one's error instead of trying them all."""
    in_a_row = 0
    for outcome in outcomes:
        in_a_row = in_a_row + 1 if outcome.error else 0
        yield outcome
        if outcome.error and in_a_row == _FAILURES_IN_A_ROW:
            raise outcome.error


def _remove_leftovers(workspace: Workspace, clip: Sequence[ClipFrame], report: Report) -> None:
    """Delete merged pictures of frames that are no longer there: the video would show them."""
    stems = {frame.stem for frame in clip}
    left = [path for path in list_pictures(workspace.merged) if path.stem not in stems]
    for path in left + [path for path in list_pictures(workspace.merged_mask) if path.stem not in stems]:
        path.unlink()
    if left:
        report.line(f"{len(left)} merged pictures were deleted: their frames are no longer in data_dst.")


def _say_failures(workspace: Workspace, failed: Sequence[FrameOutcome], report: Report) -> None:
    for outcome in failed[:_FAILURES_SHOWN]:
        report.warn(f"{outcome.frame.path.name} was not merged: {_reason(outcome.error)}")
    bugs = [outcome for outcome in failed if not isinstance(outcome.error, UserError)]
    if bugs:
        log = workspace.logs / "merge_failures.log"
        texts = [f"{bug.frame.path}\n{''.join(traceback.format_exception(bug.error))}" for bug in bugs]
        write_text(log, "\n".join(texts))
        report.warn(f"Details of {len(bugs)} failures that should not happen: {log}")


def _reason(error: Exception | None) -> str:
    return f"{error.what} {error.todo}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _write_facts(
    workspace: Workspace,
    clip: Sequence[ClipFrame],
    failed: Sequence[FrameOutcome],
    options: MergeOptions,
    model: SwapModel,
    report: Report,
) -> None:
    """Write merge.json, which the video stage reads, and say what was done."""
    not_merged = {outcome.frame.stem: _reason(outcome.error) for outcome in failed}
    without_face = [frame.stem for frame in clip if not frame.faces]
    swapped = sum(1 for frame in clip if frame.faces and frame.stem not in not_merged)
    path: Path = workspace.merged / FACTS_NAME
    facts = {
        "frames": len(clip),
        "swapped": swapped,
        "without_face": without_face,
        "failed": not_merged,
        "model": model.name,
        "iteration": model.iteration,
        "options": {**options.settings().model_dump(), **model.settings, "mark": options.mark},
    }
    write_json(path, facts)
    text = f"{swapped} of {len(clip)} frames swapped"
    if without_face:
        text += f", {len(without_face)} without a face"
    if not_merged:
        text += f", {len(not_merged)} failed"
    text += f": list in {path}" if without_face or not_merged else ""
    report.done(text, frames=len(clip), swapped=swapped, without_face=len(without_face), failed=len(not_merged))
