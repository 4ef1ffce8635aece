"""The stage make-video: merged frames become result and result_mask, with data_dst's times and sound."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2

from dfl.base.errors import UserError
from dfl.base.files import list_pictures, need_space, read_json, remove_parts, replacing
from dfl.base.pictures import Picture, read_picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.video.credentials import Signer
from dfl.video.encoders import Coding, coding_of, list_encoders, need_encoder
from dfl.video.marking import COMMENT, Marks, mark_result
from dfl.video.options import MakeVideoOptions
from dfl.video.plan import MERGE_ADVICE, Plan, Timed, at_constant_rate, only_merged, read_plan
from dfl.video.write import Shown, VideoForm, even_size, mask_form, write_video
from dfl.workspace import Workspace

START_LABEL_SECONDS = 3


def run(workspace: Workspace, options: MakeVideoOptions, report: Report) -> None:
    """Make the result of merged frames; see `dfl make-video --help`."""
    if options.encoder == "list":
        list_encoders(report)
        return
    coding = coding_of(options)
    need_encoder(coding)
    if not workspace.root.is_dir():
        raise UserError(f"{workspace.root} is not there.", "Choose the folder with --workspace PATH.")
    remove_parts(workspace.root)
    failed = _failed_in_merge(workspace)
    signer = _own_signer(options)
    plan = only_merged(read_plan(workspace, Fraction(str(options.fps)), report), workspace, failed, report)
    suffix = f".{options.format}"
    if options.format == "avi":
        plan = at_constant_rate(plan, report)
    _need_space(workspace, plan, coding, options.bitrate)
    result = workspace.result(suffix)
    form = VideoForm(
        coding, plan.time_base, plan.rate, plan.pixel_aspect, plan.colours, COMMENT if options.mark else ""
    )
    with replacing(result) as part:
        _write(part, workspace.merged, plan, form, plan.sound, options.label, report)
        marks = mark_result(part, plan.sound, signer) if options.mark else None
    made = [result.name]
    if options.mask and _has_masks(workspace, plan, report):
        with replacing(workspace.result_mask(suffix)) as part:
            _write(part, workspace.merged_mask, plan, mask_form(form), None, "none", report)
        made.append(workspace.result_mask(suffix).name)
    _tell(workspace, made, plan, marks, report)


def _tell(workspace: Workspace, made: list[str], plan: Plan, marks: Marks | None, report: Report) -> None:
    """The marking line and the counts."""
    if marks is None:
        report.warn(f"{made[0]} is NOT marked as made: mark it at the end of your own work (--no-mark was given).")
    else:
        report.line(f"{made[0]} is {marks.line()}.")
    seconds = float((plan.frames[-1].ticks + plan.frames[-1].duration) * plan.time_base)
    report.done(
        f"{' and '.join(made)} in {workspace.root}: {len(plan.frames)} frames, {seconds:.2f} s, "
        f"{'with' if plan.sound else 'without'} sound.",
        frames=len(plan.frames),
        seconds=round(seconds, 3),
        layers=len(marks.layers) if marks else 0,
    )


def _failed_in_merge(workspace: Workspace) -> list[str]:
    """The stems of the frames that merge could not make, as it says in merge.json.

    UserError when no face was swapped at all: the result would be data_dst again.
    """
    path = workspace.merged / "merge.json"
    told = read_json(path) if path.is_file() else {}
    if not isinstance(told, dict):
        return []
    if told.get("swapped", 1) == 0:
        raise UserError(
            f"No face was swapped in any frame of {workspace.merged}, so there is no result to make.",
            "Check that aligned of data_dst holds faces and that merge found them, then merge again.",
        )
    failed = told.get("failed", {})
    return list(failed) if isinstance(failed, dict) else []


def _own_signer(options: MakeVideoOptions) -> Signer | None:
    """The certificate and key that the options name."""
    if options.certificate is None and options.key is None:
        return None
    if options.certificate is None or options.key is None:
        raise UserError("--certificate and --key go together, only one was given.", "Give both, or neither.")
    try:
        return Signer(options.certificate.read_bytes(), options.key.read_bytes())
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}.", "Check its name.") from error


def _need_space(workspace: Workspace, plan: Plan, coding: Coding, bitrate: int) -> None:
    """Refuse before hours of work: the result twice (signing writes a copy)."""
    seconds = (plan.frames[-1].ticks + plan.frames[-1].duration) * plan.time_base
    wanted = bitrate * 1_000_000 // 8 * seconds
    if coding.is_rgb or "b" not in coding.options:  # no more than the pictures; a guess for --crf and ProRes
        wanted = Fraction((workspace.merged / f"{plan.frames[0].stem}.png").stat().st_size * len(plan.frames))
    need_space(workspace.root, round(2 * wanted), "The result")


def _has_masks(workspace: Workspace, plan: Plan, report: Report) -> bool:
    """Whether every frame has its mask; without any, the mask video is left out."""
    masks = {path.stem for path in list_pictures(workspace.merged_mask) if path.suffix.lower() == ".png"}
    missing = [frame.stem for frame in plan.frames if frame.stem not in masks]
    if len(missing) == len(plan.frames):
        report.warn(f"{workspace.merged_mask} holds no masks: there is no result_mask.")
        return False
    if missing:
        raise UserError(
            f"{workspace.merged_mask} lacks {len(missing)} of {len(plan.frames)} masks, the first is {missing[0]}.png.",
            MERGE_ADVICE,
        )
    return True


def _write(
    path: Path, folder: Path, plan: Plan, form: VideoForm, sound: Path | None, label: str, report: Report
) -> None:
    """Write one video of a folder's pictures."""
    name = "result_mask" if folder.name == "merged_mask" else "result"
    frames = _shown(folder, plan.frames, report)
    if label != "none":
        end = START_LABEL_SECONDS / plan.time_base if label == "start" else None
        frames = _labelled(frames, end)
    tracked = report.track(frames, f"{name}.{path.suffix[1:]}", len(plan.frames))
    for loss in write_video(path, tracked, form, sound):
        report.warn(loss)
    if name == "result":
        _tell_padding(read_picture(folder / f"{plan.frames[0].stem}.png"), form.coding, report)


def _tell_padding(picture: Picture, coding: Coding, report: Report) -> None:
    padded = even_size(picture, coding)
    if padded.shape != picture.shape:
        (height, width), (now_high, now_wide) = picture.shape[:2], padded.shape[:2]
        report.line(
            f"{width} x {height} became {now_wide} x {now_high}: colours of half the resolution need even sizes. The "
            "last column or row is repeated; --chroma 444 and --lossless keep the size."
        )


def _shown(folder: Path, frames: list[Timed], report: Report) -> Iterator[Shown]:
    """Read the pictures ahead in threads, a few at most. A broken one is named; the picture before it stays."""
    broken, before = [], None
    paths = (folder / f"{frame.stem}.png" for frame in frames)
    for frame, (picture, error) in zip(frames, _read_ahead(paths), strict=True):
        if error:
            broken.append(error)
            if before is None:
                raise UserError(error, "Delete it and run merge again.")
            picture = before
        if picture is None or (before is not None and picture.shape != before.shape):
            raise UserError(
                f"{folder / frame.stem}.png has another size than the frames before it.",
                "All frames of a video have one size: delete it and run merge again.",
            )
        before = picture
        yield Shown(picture, frame.ticks, frame.duration)
    for what in broken:
        report.warn(f"{what} The frame before it was shown instead.")


def _try_read(path: Path) -> tuple[Picture | None, str]:
    """A picture, or what is wrong with it."""
    try:
        return read_picture(path), ""
    except UserError as error:
        return None, error.what


def _read_ahead(paths: Iterable[Path]) -> Iterator[tuple[Picture | None, str]]:
    """Pictures in order, read in threads a few ahead."""
    workers, waiting = worker_count(most=4), iter(paths)
    with ThreadPoolExecutor(workers) as threads:
        window: deque[Future[tuple[Picture | None, str]]] = deque()
        while True:
            for path in islice(waiting, 2 * workers - len(window)):
                window.append(threads.submit(_try_read, path))
            if not window:
                return
            yield window.popleft().result()


def _labelled(frames: Iterable[Shown], end: Fraction | None) -> Iterator[Shown]:
    """Write the label into the lower left corner of every frame, or of those before `end` (ticks)."""
    for shown in frames:
        if end is not None and shown.ticks >= end:
            yield shown
            continue
        picture = shown.picture.copy()
        height = picture.shape[0]
        size, margin = max(0.35, height / 1080), max(4, height // 40)
        thick = max(1, round(2 * size))
        for colour, width in (((0, 0, 0), 3 * thick), ((255, 255, 255), thick)):
            place = (margin, height - margin)
            cv2.putText(picture, COMMENT, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)
        yield replace(shown, picture=picture)
