"""`merge --to-video`: from data_dst's clip to the result, without pictures on disk.

A truncated video file cannot be continued, and starting over could lose hours of work. So the result is written in
parts of 250 frames, each a complete file in data_dst/merged_video; the same command continues after the last complete
one, and at the end the parts are joined without re-encoding. The old result is replaced when the new one is complete.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import read_json, replacing, write_json
from dfl.base.part_files import remove_parts
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.merging.options import MergeOptions
from dfl.merging.planning.merge_plan import MergePlan
from dfl.merging.planning.tasks import FrameTask, with_neighbours
from dfl.merging.running.merge_journal import name_of
from dfl.merging.running.pipeline import FrameResult
from dfl.merging.running.render_signature import render_signature, source_of
from dfl.merging.running.video_source import Part, VideoSource
from dfl.video.encoders import coding_of
from dfl.video.facts import fingerprint
from dfl.video.join import VideoPart, join_parts
from dfl.video.marking import mark_result
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
from dfl.video.write import Shown, VideoForm, VideoWriter, mask_form
from dfl.workspace import Workspace

_ENCODED_BEHIND = 4  # pictures that may wait for an encoder
_PNG_SHARE = 0.65  # size of a PNG of footage as a share of the uncompressed frame

_PART_FILE = re.compile(r"\d{5,}(_mask)?\.(mp4|mov|mkv|avi|webm|json)")

# Merges frames; the results' output is picture (H, W, 3) uint8 BGR and mask (H, W) uint8.
Merge = Callable[[Iterable[FrameTask]], Iterable[FrameResult]]


@dataclass(frozen=True)
class _Files:
    """The files of a part: result, mask, and the JSON facts, written when both are complete."""

    video: Path
    mask: Path
    facts: Path


class VideoMerge:
    """Writes one result: first `merge_missing`, then `finish`."""

    def __init__(
        self,
        workspace: Workspace,
        options: MergeOptions,
        source: VideoSource,
        plan: MergePlan,
        report: Report,
    ) -> None:
        """plan: of all frames of the source. UserError when options do not go together."""
        self._workspace, self._options, self._source, self._report = workspace, options, source, report
        self._merge = plan
        self._has_mask = options.mask and not options.alpha  # as a video of its own
        self._suffix = f".{options.format}"
        coding = coding_of(options)
        self._signer = own_signer(options)
        self._form = form_of(source.plan, coding, options.mark)
        self._mask_form = mask_form(self._form, (source.clip.height, source.clip.width))
        report_aspect(source.plan, coding, self._suffix, report)
        if plan.spans is not None:
            report.line("--frames: the settings apply to these frames; the result has all frames of the clip.")
        if options.crops or options.output_format != "png":
            report.warn("--crops and --output-format are for pictures: they have no effect with --to-video.")
        self._folder = workspace.merged_video
        self._parts = source.parts(plan.tasks)
        self._digests = self._digest_parts()

    def merge_missing(self, merge: Merge) -> list[FrameResult]:
        """Merge and write the missing parts; returns the frames of this run that could not be merged."""
        clip = self._source.clip
        copies = 3 if self._options.mark else 2  # the parts, the result, and the copy that signing writes
        frame_bytes = round(clip.width * clip.height * 3 * _PNG_SHARE)
        need_result_space(self._workspace.root, self._source.plan, self._form, frame_bytes, copies)
        done = [part for part in self._parts if self._is_done(part)]
        numbers = {part.number for part in done}
        todo = [part for part in self._parts if part.number not in numbers]
        self._delete_all_but(done)
        if done:
            count = sum(len(part.frames) for part in done)
            self._report.line(f"{count} of {len(self._source.frames)} frames are merged already.")
        failed: list[FrameResult] = []
        with self._report.progress("Merging", sum(len(part.frames) for part in todo)) as progress:

            def results() -> Iterator[FrameResult]:
                tasks = with_neighbours(self._merge.tasks, {task.index for part in todo for task in part.frames})
                for result in merge(self._source.with_pictures(tasks)):
                    progress.advance()
                    if result.error:
                        failed.append(result)
                    yield result

            pictures = _without_gaps(results())
            for part in todo:
                self._write(part, pictures, failed)
        return failed

    def finish(self) -> None:
        """Join the parts to result and result_mask, mark the result, and delete the parts."""
        facts = [read_json(self._files(part).facts) for part in self._parts]
        failed = [stem for one in facts for stem in one["failed"]]
        faces = [frame.stem for part in self._parts for frame in part.frames if frame.faces]
        if not set(faces) - set(failed):
            raise UserError("No face was swapped in any frame, so there is no result.", "See the messages above.")
        if failed:
            self._report.warn(f"{len(failed)} frames failed, such as {failed[0]}: the one before each is shown again.")
        plan, root = self._source.plan, self._workspace.root
        with NewResults.writing(self._workspace, self._suffix, self._report) as new:
            part = new.begin_result()
            videos = [VideoPart(self._files(one).video, one.times) for one in self._parts]
            for loss in join_parts(part, videos, self._form, plan.sound_cut):
                self._report.warn(loss)
            marks = mark_result(part, plan.sound, self._signer) if self._options.mark else None
            if self._has_mask:
                masks = [VideoPart(self._files(one).mask, one.times) for one in self._parts]
                join_parts(new.begin_mask(), masks, self._mask_form, None)
        left = self._delete_all_but([])
        with suppress(OSError):  # it may hold .DS_Store, Thumbs.db, files of the user
            self._folder.rmdir()
        if left:
            self._report.warn(f"{left[0]} cannot be deleted: the result is whole, delete {self._folder} yourself.")
        report_result(root, new.made, plan, marks, self._report)

    def _digest_parts(self) -> list[str]:
        """For every part a digest of everything that its pictures depend on."""
        options, form = self._options, replace(self._form, comment="")
        clip, libraries = fingerprint(self._source.clip.path), sorted(av.library_versions.items())
        shared = repr((form, options.label, self._has_mask, self._suffix, clip, libraries))
        digests = []
        for part in self._parts:
            digest = hashlib.sha256(shared.encode())
            for frame in part.frames:
                made = name_of(render_signature(frame, self._merge.networks)), source_of(self._merge.tasks, frame.index)
                digest.update(repr((frame.stem, made, part.shown[frame.stem])).encode())
            digests.append(digest.hexdigest())
        return digests

    def _files(self, part: Part) -> _Files:
        name = f"{part.number:05d}"
        folder, suffix = self._folder, self._suffix
        return _Files(folder / f"{name}{suffix}", folder / f"{name}_mask{suffix}", folder / f"{name}.json")

    def _is_done(self, part: Part) -> bool:
        """Whether a part is complete and was written with the same digest."""
        files = self._files(part)
        if not files.facts.is_file() or not files.video.is_file() or (self._has_mask and not files.mask.is_file()):
            return False
        try:
            facts = read_json(files.facts)
        except UserError:
            return False
        return isinstance(facts, dict) and facts.get("print") == self._digests[part.number]

    def _delete_all_but(self, done: Iterable[Part]) -> list[Path]:
        """Delete all other parts: those with another digest, and those left incomplete by a killed run.

        Returns those that cannot be deleted because a player has them open; no part uses them.
        """
        in_use = {path for part in done for path in vars(self._files(part)).values()}
        left = []
        remove_parts(self._folder)
        for path in list(self._folder.glob("[0-9]*")):
            if path not in in_use and _PART_FILE.fullmatch(path.name):
                try:
                    path.unlink()
                except OSError:
                    left.append(path)
        return left

    def _write(
        self, part: Part, pictures: Iterator[tuple[Picture, NDArray[np.uint8]]], failed: list[FrameResult]
    ) -> None:
        """Encode one part; its facts are written last, when the rest is complete."""
        files, options, time_base = self._files(part), self._options, self._source.plan.time_base
        with ExitStack() as stack:
            add = stack.enter_context(_encoding(files.video, self._form))
            add_mask = stack.enter_context(_encoding(files.mask, self._mask_form)) if self._has_mask else None
            start = part.times[0][0]
            for number, frame in enumerate(part.frames):
                picture, mask = next(pictures)
                if part.number == number == 0:
                    report_padding(picture, self._form.coding, self._report)
                if options.alpha:
                    picture = with_alpha(picture, mask)
                for timed in part.shown[frame.stem]:
                    shown = labelled(Shown(picture, timed.ticks, timed.duration), options.label, time_base)
                    add(replace(shown, ticks=timed.ticks - start))
                    if add_mask:
                        bgr: Any = cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR)
                        add_mask(Shown(bgr, timed.ticks - start, timed.duration))
        stems = {frame.stem for frame in part.frames}
        lost = [result.task.stem for result in failed if result.task.stem in stems]
        write_json(files.facts, {"print": self._digests[part.number], "failed": sorted(lost)})


@contextmanager
def _encoding(path: Path, form: VideoForm) -> Iterator[Callable[[Shown], None]]:
    """Write a part atomically; pictures are encoded in a thread of their own, a few at most waiting."""
    with replacing(path) as part, VideoWriter.opened(part, form) as writer, ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[None]] = deque()

        def add(shown: Shown) -> None:
            waiting.append(thread.submit(writer.add, shown))
            while len(waiting) > _ENCODED_BEHIND:
                waiting.popleft().result()

        yield add
        while waiting:
            waiting.popleft().result()


def _without_gaps(results: Iterable[FrameResult]) -> Iterator[tuple[Picture, NDArray[np.uint8]]]:
    """Picture and mask for every result; a failed frame repeats the one before, or at the start the first after it.

    Never the original frame: that would briefly show the person who was to be replaced.
    """
    before: tuple[Picture, NDArray[np.uint8]] | None = None
    waiting = 0
    first_error: Exception | None = None
    for result in results:
        if result.error is None:
            before = result.output
        elif before is None:
            first_error, waiting = first_error or result.error, waiting + 1
            continue
        assert before is not None
        for _ in range(waiting + 1):
            yield before
        waiting = 0
    if waiting and first_error:
        raise first_error
