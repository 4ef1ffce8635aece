"""The stage make-video: merged frames become result and result_mask, with data_dst's times and sound."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import read_json_or_empty
from dfl.base.listing import list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.pictures import Picture, announced_size, read_picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.base.threads import in_order
from dfl.video.encoders import coding_of, list_encoders, need_encoder
from dfl.video.marking import mark_result
from dfl.video.options import Label, MakeVideoOptions
from dfl.video.plan import MERGE_ADVICE, TimedFrame, VideoPlan, at_constant_rate, only_merged, read_plan
from dfl.video.result import (
    NewResults,
    form_of,
    labelled,
    need_result_space,
    own_signer,
    report_aspect,
    report_padding,
    report_result,
    with_alpha,
)
from dfl.video.sound import SoundCut
from dfl.video.write import Shown, VideoForm, fitted, mask_form, write_video
from dfl.workspace import Workspace

_HEADER_BYTES = 32  # of a PNG: its size is in there
_NAMED_SIZES = 5


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
    failed = _failed_in_merge(workspace, report)
    signer = own_signer(options)
    plan = only_merged(read_plan(workspace, Fraction(str(options.fps)), report), workspace, failed, report)
    size = _one_size(workspace, plan, options, report)
    need_encoder(coding, size)
    suffix = f".{options.format}"
    if options.format == "avi":
        plan = at_constant_rate(plan, report)
    form = form_of(plan, coding, options.mark)
    report_aspect(plan, coding, suffix, report)
    has_masks = (options.mask or options.alpha) and _has_masks(workspace, plan, report)
    if options.alpha and not has_masks:
        raise UserError("--alpha needs the masks that merge writes.", MERGE_ADVICE)
    first = workspace.merged / f"{plan.frames[0].stem}.png"
    need_result_space(workspace.root, plan, form, first.stat().st_size, copies=2)
    with NewResults.writing(workspace, suffix, report) as new:
        part = new.begin_result()
        masks = workspace.merged_mask if options.alpha else None
        sound = plan.sound_cut
        _write(part, workspace.merged, plan, size, form, report, sound=sound, label=options.label, masks=masks)
        marks = mark_result(part, plan.sound, signer) if options.mark else None
        if has_masks and not options.alpha:
            _write(new.begin_mask(), workspace.merged_mask, plan, size, mask_form(form, size), report)
    report_result(workspace.root, new.made, plan, marks, report)


def _failed_in_merge(workspace: Workspace, report: Report) -> list[str]:
    """The stems of the frames that merge could not make, as it says in merge.json.

    UserError when no face was swapped at all: the result would be data_dst again.
    """
    facts = read_json_or_empty(workspace.merge_facts, report.warn)
    if facts.get("swapped", 1) == 0:
        raise UserError(
            f"No face was swapped in any frame of {workspace.merged}, so there is no result to make.",
            "Check that aligned of data_dst holds faces and that merge found them, then merge again.",
        )
    failed = facts.get("failed", {})
    return list(failed) if isinstance(failed, dict) else []


def _has_masks(workspace: Workspace, plan: VideoPlan, report: Report) -> bool:
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


def _one_size(workspace: Workspace, plan: VideoPlan, options: MakeVideoOptions, report: Report) -> tuple[int, int]:
    """Height and width of the result: those of the first frame. UserError when others differ and are not to be scaled.

    A mask of another size than its frame is made to fit: merge writes both alike, editors need not.
    """
    stems: dict[tuple[int, int], list[str]] = {}
    for frame in plan.frames:
        with suppress(UserError, OSError):  # broken ones are reported when it is their turn
            path = workspace.merged / f"{frame.stem}.png"
            with path.open("rb") as file:
                size = announced_size(file.read(_HEADER_BYTES))
            stems.setdefault(size if all(size) else read_picture(path).shape[:2], []).append(frame.stem)
    if not stems:
        return read_picture(workspace.merged / f"{plan.frames[0].stem}.png").shape[:2]
    if len(stems) > 1:
        texts = (
            f"{len(names)} of {width} x {height} (such as {names[0]}.png)" for (height, width), names in stems.items()
        )
        what = f"The frames in {workspace.merged} have {len(stems)} sizes: {', '.join(islice(texts, _NAMED_SIZES))}."
        if not options.scale:
            raise UserError(
                what,
                "All frames of a video have one size: --scale fits them into the first one's. Or take out of "
                f"{workspace.frames('dst')} those that do not belong there, and merge again.",
            )
        report.warn(f"{what} They are scaled to fit into the first.")
    return next(iter(stems))


def _write(
    path: Path,
    folder: Path,
    plan: VideoPlan,
    size: tuple[int, int],
    form: VideoForm,
    report: Report,
    *,
    sound: SoundCut | None = None,
    label: Label = "none",
    masks: Path | None = None,
) -> None:
    """Write one video of a folder's pictures. masks: a folder of those that become the alpha channel."""
    name = "result_mask" if folder.name == "merged_mask" else "result"
    shown = _shown([folder, masks] if masks else [folder], plan.frames, size, report)
    frames = (labelled(one, label, plan.time_base) for one in shown)
    tracked = report.track(frames, f"{name}.{path.suffix[1:]}", len(plan.frames))
    for loss in write_video(path, tracked, form, sound):
        report.warn(loss)
    if name == "result":
        report_padding(read_picture(folder / f"{plan.frames[0].stem}.png"), form.coding, report)


def _shown(folders: list[Path], frames: list[TimedFrame], size: tuple[int, int], report: Report) -> Iterator[Shown]:
    """Read the pictures ahead in threads, a few at most. A broken one is named; the picture before it stays.

    size: height and width of all.
    """
    broken, before = [], None
    paths = ([folder / f"{frame.stem}.png" for folder in folders] for frame in frames)
    for frame, (picture, error) in zip(frames, _read_ahead(paths), strict=True):
        if picture is None:
            broken.append(error)
            if before is None:
                raise UserError(error, "Delete it and run merge again.")
            picture = before
        before = fitted(picture, *size)
        yield Shown(before, frame.ticks, frame.duration)
    for what in broken:
        report.warn(f"{what} The frame before it was shown instead.")


def _try_read(paths: list[Path]) -> tuple[Picture | None, str]:
    """A picture, with its mask as alpha where one is named; or what is wrong with them."""
    try:
        picture, *masks = [read_picture(path) for path in paths]
    except UserError as error:
        return None, error.what
    return (with_alpha(picture, fitted(masks[0], *picture.shape[:2])[:, :, 0]) if masks else picture), ""


def _read_ahead(paths: Iterable[list[Path]]) -> Iterator[tuple[Picture | None, str]]:
    """Pictures in order, read in threads a few ahead."""
    workers = worker_count(most=4)
    return in_order(_try_read, paths, workers=workers, ahead=2 * workers)
