"""What make-video and `merge --to-video` share: how a result is written, labelled, marked and reported."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, read_bytes, sync_file, sync_folder
from dfl.base.part_files import part_of
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.base.system_errors import to_user_error
from dfl.base.unused_path import unused_path
from dfl.video.credentials import Signer, signer_problem
from dfl.video.encoders import Coding
from dfl.video.marking import COMMENT, Marks
from dfl.video.options import EncodingOptions, Label
from dfl.video.plan import VideoPlan
from dfl.video.write import Shown, VideoForm, even_size
from dfl.workspace import Workspace

START_LABEL_SECONDS = 3


def form_of(plan: VideoPlan, coding: Coding, is_marked: bool) -> VideoForm:
    """How the result of a plan is written."""
    comment = COMMENT if is_marked else ""
    return VideoForm(coding, plan.time_base, plan.rate, plan.pixel_aspect, plan.colours, comment)


def own_signer(options: EncodingOptions) -> Signer | None:
    """The certificate and key that the options name."""
    if options.certificate is None and options.key is None:
        return None
    if options.certificate is None or options.key is None:
        raise UserError("--certificate and --key go together, only one was given.", "Give both, or neither.")
    signer = Signer(*(read_bytes(path, "Check its name.") for path in (options.certificate, options.key)))
    with suppress(ImportError):  # without the extra nothing is signed, which is said at the end
        problem = signer_problem(signer)
        if problem:
            raise UserError(
                f"{options.certificate} and {options.key} cannot sign: {problem}.",
                "Name a valid certificate chain and its key, or leave both options out.",
            )
    return signer


def need_result_space(folder: Path, plan: VideoPlan, form: VideoForm, picture_bytes: int, copies: int) -> None:
    """Refuse before hours of work when the result does not fit `copies` times (signing writes a copy).

    picture_bytes: of a frame as PNG, which a lossless video does not exceed; also the guess for --crf and ProRes.
    """
    last = plan.frames[-1]
    rate = form.coding.options.get("b", "")
    wanted = Fraction(picture_bytes * len(plan.frames))
    if rate:
        wanted = int(rate.removesuffix("M")) * 125_000 * (last.ticks + last.duration) * plan.time_base
    need_space(folder, round(copies * wanted), "The result")


def report_aspect(plan: VideoPlan, coding: Coding, suffix: str, report: Report) -> None:
    """Warn when pixels that are not square will be shown square: only H.264 and HEVC note their shape themselves."""
    if suffix == ".mkv" and plan.pixel_aspect != 1 and not any(kind in coding.codec for kind in ("26", "hevc")):
        report.warn("Pixels are not square, which this encoder cannot note in a mkv: choose another --format.")


def labelled(shown: Shown, label: Label, time_base: Fraction) -> Shown:
    """The picture with the label in its lower left corner where `label` (none, corner, start) wants it."""
    if label == "none" or (label == "start" and shown.ticks * time_base >= START_LABEL_SECONDS):
        return shown
    picture = shown.picture.copy()
    height = picture.shape[0]
    size, margin = max(0.35, height / 1080), max(4, height // 40)
    thick = max(1, round(2 * size))
    for colour, width in (((0, 0, 0, 255), 3 * thick), ((255, 255, 255, 255), thick)):
        origin = (margin, height - margin)
        cv2.putText(picture, COMMENT, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)
    return replace(shown, picture=picture)


def with_alpha(picture: Picture, mask: NDArray[np.uint8]) -> Picture:
    """(H, W, 4): the picture (H, W, 3), not multiplied, and its mask (H, W) as alpha."""
    return np.dstack([picture, mask])


def report_padding(picture: Picture, coding: Coding, report: Report) -> None:
    """Report when an odd size becomes an even one."""
    padded = even_size(picture, coding)
    if padded.shape != picture.shape:
        (height, width), (now_high, now_wide) = picture.shape[:2], padded.shape[:2]
        report.line(
            f"{width} x {height} became {now_wide} x {now_high}: colours of half the resolution need even sizes. The "
            "last column or row is repeated; --chroma 444 and --lossless keep the size."
        )


class NewResults:
    """Result and mask under way, written whole or not at all. Use `writing`; `made` then has their file names.

    An earlier result keeps its content under another name: it may be the last that is left of hours of merging.
    """

    def __init__(self, workspace: Workspace, suffix: str, report: Report) -> None:
        self._result, self._mask = workspace.result(suffix), workspace.result_mask(suffix)
        self._report = report
        self._parts: dict[Path, Path] = {}  # by the name that they get
        self.made: list[str] = []

    @classmethod
    @contextmanager
    def writing(cls, workspace: Workspace, suffix: str, report: Report) -> Iterator[Self]:
        """Nothing gets its name before all is whole. UserError when the disk is full or a file cannot be written."""
        new = cls(workspace, suffix, report)
        try:
            yield new
            for part in new._parts.values():
                with part.open("rb+") as handle:
                    sync_file(handle)
            new._rename_earlier()
            new.made = [new._put_in_place(part, path) for path, part in new._parts.items()]
            sync_folder(workspace.root)
        except OSError as error:
            raise to_user_error(error, new._result) from error
        finally:
            for part in new._parts.values():
                with suppress(OSError):
                    part.unlink()

    def begin_result(self) -> Path:
        """The file that the result is to be written to."""
        return self._parts.setdefault(self._result, part_of(self._result))

    def begin_mask(self) -> Path:
        """The file that the mask is to be written to."""
        return self._parts.setdefault(self._mask, part_of(self._mask))

    def _rename_earlier(self) -> None:
        """Rename the earlier result and its mask, also where no new mask comes: it would not fit the new result."""
        earlier = [path for path in (self._result, self._mask) if path.is_file()]
        number, ending = 1, ""
        while any(_earlier_name(path, ending).exists() for path in earlier):
            number += 1
            ending = f"_{number}"
        for path in earlier:
            with suppress(OSError):  # it is open in a player (Windows)
                move(path, _earlier_name(path, ending))
                self._report.line(f"The earlier {path.name} is {_earlier_name(path, ending).name} now.")

    def _put_in_place(self, part: Path, path: Path) -> str:
        """Give a file its name; a free one where the earlier file could not be renamed."""
        free = unused_path(path)
        if free != path:
            self._report.warn(f"{path.name} is open in another program: the new one is {free.name}.")
        move(part, free)
        return free.name


def _earlier_name(path: Path, ending: str) -> Path:
    return path.with_name(f"earlier_{path.stem}{ending}{path.suffix}")


def report_result(root: Path, made: list[str], plan: VideoPlan, marks: Marks | None, report: Report) -> None:
    """The marking line and the counts. made: file names, the result first."""
    if marks is None:
        report.warn(f"{made[0]} is NOT marked as made: mark it at the end of your own work (--no-mark was given).")
    else:
        report.line(f"{made[0]} is {marks.line()}.")
    seconds = float((plan.frames[-1].ticks + plan.frames[-1].duration) * plan.time_base)
    report.done(
        f"{' and '.join(made)} in {root}: {len(plan.frames)} frames, {seconds:.2f} s, "
        f"{'with' if plan.sound and plan.has_sound else 'without'} sound.",
        frames=len(plan.frames),
        seconds=round(seconds, 3),
        layers=len(marks.layers) if marks else 0,
    )
