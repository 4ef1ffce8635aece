"""A preview of a merge: some original frames, the merged frames and their masks, on one contact sheet."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import Picture, contact_sheet, write_picture
from dfl.base.report import Report
from dfl.merging.blending.merged_frame import MergedFrame
from dfl.merging.planning.clip_tracks import Reader
from dfl.merging.planning.merge_plan import MergePlan
from dfl.merging.planning.tasks import FrameTask, with_neighbours
from dfl.merging.running.pipeline import FrameResult, merge_frames
from dfl.workspace import Workspace

_MAX_FRAMES = 48
_EVEN_FRAMES = 12
_PIXELS = 240  # height of a frame


def write_sheet(
    workspace: Workspace, plan: MergePlan, workers: int, report: Report, read: Reader | None = None
) -> None:
    """Merge the selected frames in memory and write the sheet; by default twelve frames with a face.

    read: reads the frames' pictures where they are not files.
    """
    wanted = [plan.tasks[index] for index in sorted(plan.asked_for)]
    if plan.spans is None:
        wanted = evenly_spaced([task for task in wanted if task.faces] or wanted, _EVEN_FRAMES)
    if len(wanted) > _MAX_FRAMES:
        report.line(f"{len(wanted)} frames are too many for one sheet: {_MAX_FRAMES} of them are shown.")
        wanted = evenly_spaced(wanted, _MAX_FRAMES)
    cells: list[list[Picture]] = []
    with report.progress("Merging", len(wanted)) as progress:
        for result in _merged(plan, wanted, workers, read):
            progress.advance()
            if result.error:
                raise result.error
            cells.append(_row(result.task, result.output))
    if not cells:
        raise UserError("There is no frame to show.", "Name frames that the clip has: --frames 100-110.")
    path = workspace.merged_sheet
    columns = 2 if len(cells) > 6 else 1
    lines = [
        [picture for row in cells[start : start + columns] for picture in row]
        for start in range(0, len(cells), columns)
    ]
    write_picture(path, contact_sheet(lines, _PIXELS))
    report.done(f"{len(cells)} frames (original, merged, mask): {path}", frames=len(cells))


def _merged(plan: MergePlan, wanted: list[FrameTask], workers: int, read: Reader | None) -> Iterator[FrameResult]:
    tasks = with_neighbours(plan.tasks, {task.index for task in wanted})
    if read is None:
        return merge_frames(tasks, plan.processor(), workers)
    pairs = zip(tasks, read(tasks), strict=True)
    return merge_frames((_with_picture(task, picture) for task, picture in pairs), plan.processor(), workers)


def _with_picture(task: FrameTask, picture: Picture | None) -> FrameTask:
    return task if picture is None else replace(task, read=lambda: picture)


def _row(task: FrameTask, merged: MergedFrame) -> list[Picture]:
    picture, mask = merged.as_bytes()
    bgr = np.asarray(cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), np.uint8)
    original = merged.frame.copy()
    cv2.putText(original, str(task.number), (8, 32), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2, cv2.LINE_AA)
    return [original, picture, bgr]
