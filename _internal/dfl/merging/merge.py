"""Stage `merge`: the trained face into every frame of data_dst, as pictures and masks in merged and merged_mask.

The road of a frame is drawn in merging/__init__.py.
"""

from collections.abc import Iterable, Iterator, Sequence

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import write_json
from dfl.base.part_files import remove_parts
from dfl.base.pictures import Picture, decode_frame, read_picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.interop.offer import offer_import
from dfl.merging.options import MergeOptions
from dfl.merging.planning.clip_faces import read_clip_frames
from dfl.merging.planning.clip_tracks import read_in_threads
from dfl.merging.planning.merge_plan import MergePlan, make_plan, with_answers
from dfl.merging.planning.tasks import FrameTask, with_neighbours
from dfl.merging.running.contact_sheet import write_sheet
from dfl.merging.running.frame_processor import read_content
from dfl.merging.running.merge_journal import MergeJournal
from dfl.merging.running.open_models import Models, SavedModels
from dfl.merging.running.output import FrameFiles, files_of
from dfl.merging.running.pipeline import FrameResult, merge_frames
from dfl.merging.running.render_signature import changes, render_signature, source_of
from dfl.merging.running.set_aside import move_foreign, restore, set_aside, set_aside_folder
from dfl.merging.running.summary import made_by, report_done, report_failures, report_refused, report_settings
from dfl.merging.running.to_video import VideoMerge
from dfl.merging.running.video_source import VideoSource, open_video_source
from dfl.models.device import use_device
from dfl.models.kinds import SWAP_CLASSES
from dfl.video.encoders import list_encoders
from dfl.workspace import MERGE_FACTS, MERGE_JOURNAL, MERGE_MADE, Workspace

# Size of picture and mask in each format, relative to an uncompressed frame of 8 bits.
_SHARES = {"png": 0.65, "png16": 1.6, "exr": 1.8}
_FAILURES_IN_A_ROW = 25


def run(workspace: Workspace, options: MergeOptions, report: Report) -> None:
    """Merge all frames with a saved model; a second run does what is missing."""
    if options.to_video and options.encoder == "list":
        list_encoders(report)
        return
    taken = offer_import(workspace, options.model, SWAP_CLASSES, options.ask and not options.yes, "", report)
    if taken:
        options = options.model_copy(update={"model": taken[0]})
    options = with_answers(workspace, options, report)
    use_device(options.device)
    models = SavedModels(workspace, options, report)
    if options.to_video:
        run_merge_to_video(workspace, options, models, report, open_video_source(workspace, options, report))
    else:
        run_merge(workspace, options, models, report)


def run_merge(workspace: Workspace, options: MergeOptions, models: Models, report: Report) -> None:
    """Merge frames into pictures, with models from anywhere."""
    clip = read_clip_frames(workspace, report)
    workers = worker_count(options.workers)
    plan = make_plan(workspace, options, models, clip, read_in_threads(_read_frame, workers), report)
    if options.contact_sheet:
        write_sheet(workspace, plan, workers, report)
        return
    files = files_of(workspace, options.output_format, options.alpha, options.crops, options.mark)
    for folder in files.folders:
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
    stems = {task.stem for task in plan.tasks}
    restore(files, stems)
    with MergeJournal(files.folder / MERGE_JOURNAL) as journal:
        sources = [source_of(plan.tasks, task.index) for task in plan.tasks]
        signatures = [render_signature(task, plan.networks, files) for task in plan.tasks]
        done = {
            task.index
            for task, source, signature in zip(plan.tasks, sources, signatures, strict=True)
            if journal.has(task.stem, source, signature) and files.is_written(task.stem)
        }
        todo = plan.asked_for - done
        _report_start(plan, todo, journal, files, report)
        need_space(files.folder, _space([plan.tasks[index] for index in sorted(todo)], files), "Merging")
        foreign = move_foreign(files, journal, [plan.tasks[index].stem for index in sorted(todo)])
        if foreign:
            report.line(f"{files.folder} held pictures that somebody made or changed. They are in {foreign} now.")
        if todo:  # it describes finished runs only
            (files.folder / MERGE_FACTS).unlink(missing_ok=True)
        failed: list[FrameResult] = []
        mismatched: list[FrameResult] = []  # never noted, so that each run checks and reports them
        try:
            with report.progress("Merging", len(todo)) as progress:
                tasks = with_neighbours(plan.tasks, todo)
                for result in until_hopeless(merge_frames(tasks, plan.processor(files.write), workers)):
                    progress.advance()
                    index, stem = result.task.index, result.task.stem
                    if result.refused:
                        mismatched.append(result)
                    elif result.error is None:
                        journal.add(stem, sources[index], signatures[index], files.size(stem))
                    else:
                        failed.append(result)
        finally:
            write_json(workspace.frames("dst") / MERGE_MADE, made_by(plan.tasks, journal))
    left = set_aside(files, journal.stems, stems)
    if left:
        report.line(
            f"The frames of {left} merged pictures are not in data_dst any more: they are in "
            f"{set_aside_folder(files.folder)}, and come back with their frames."
        )
    report_failures(workspace, failed, report)
    report_refused(mismatched, report)
    whole = plan.asked_for - {result.task.index for result in failed} | done
    if not whole and failed[0].error:
        raise failed[0].error
    report_done(plan, files.folder / MERGE_FACTS, whole, failed, mismatched, options.mark, report)


def run_merge_to_video(
    workspace: Workspace, options: MergeOptions, models: Models, report: Report, source: VideoSource
) -> None:
    """Merge the frames of a clip straight into result and result_mask."""
    clip = source.clip.path, (source.clip.width, source.clip.height)
    plan = make_plan(workspace, options, models, source.frames, source.pictures, report, clip)
    workers = worker_count(options.workers)
    if options.contact_sheet:
        write_sheet(workspace, plan, workers, report, source.pictures)
        return
    video = VideoMerge(workspace, options, source, plan, report)
    report_settings(plan, report)
    mismatched: list[FrameResult] = []
    processor = plan.processor(lambda _, merged: merged.as_bytes())

    def merge(tasks: Iterable[FrameTask]) -> Iterator[FrameResult]:
        for result in until_hopeless(merge_frames(tasks, processor, workers)):
            mismatched.extend([result] if result.refused else [])
            yield result

    failed = video.merge_missing(merge)
    report_failures(workspace, failed, report)
    report_refused(mismatched, report)
    video.finish()


def _read_frame(frame: FrameTask) -> Picture:
    return decode_frame(read_content(frame.path), str(frame.path))


def _space(todo: Sequence[FrameTask], files: FrameFiles) -> int:
    """Bytes that the missing pictures will take, guessed from the first that can be read."""
    for task in todo:
        try:
            return int(read_picture(task.path).nbytes * _SHARES[files.form]) * len(todo)
        except UserError:
            continue
    return 0


def _report_start(plan: MergePlan, todo: set[int], journal: MergeJournal, files: FrameFiles, report: Report) -> None:
    """What is done already, what is done again and why, and how."""
    again: dict[str, None] = {}
    count = 0
    for index in sorted(todo):
        task = plan.tasks[index]
        before = journal.signature_of(task.stem)
        if before is not None:
            changed = changes(before, render_signature(task, plan.networks, files))
            count += bool(changed)
            again |= dict.fromkeys(changed)
    if count:
        report.line(f"{count} frames were made otherwise ({', '.join(list(again)[:6])}): they are merged again.")
    kept = len(plan.asked_for) - len(todo)
    if kept:
        report.line(f"{kept} of {len(plan.asked_for)} frames are merged already.")
    if not files.mark:
        report.line("The merged pictures will not be marked as made.")
    report_settings(plan, report)


def until_hopeless(results: Iterable[FrameResult]) -> Iterator[FrameResult]:
    """Hand results on; when many frames in a row fail that should not, raise the last one's error.

    Frames that cannot be read do not count: behind them may be good ones.
    """
    in_a_row = 0
    for result in results:
        in_a_row = in_a_row + 1 if result.error and not isinstance(result.error, UserError) else 0
        yield result
        if result.error and in_a_row == _FAILURES_IN_A_ROW:
            raise result.error
