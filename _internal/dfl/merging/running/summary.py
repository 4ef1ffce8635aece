"""The messages of a merge: its settings, failures, and summary."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import write_json, write_text
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.merging.planning.merge_plan import EVERYONE, MergePlan
from dfl.merging.planning.session import spelled
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.merge_journal import MergeJournal
from dfl.merging.running.pipeline import FrameResult
from dfl.workspace import Workspace

_FAILURES_SHOWN = 5


def report_settings(plan: MergePlan, report: Report) -> None:
    """A line for each model with the settings of its first face."""
    first: dict[tuple[str, str], FrameTask] = {}
    for task in plan.tasks:
        for face in task.faces:
            first.setdefault((face.model, face.person), task)
    for (name, person), task in first.items():
        model = plan.networks.models[name]
        settings = next(face.settings for face in task.faces if (face.model, face.person) == (name, person))
        whose = "" if person == EVERYONE else f" for {person}"
        report.line(
            f"Model {name}{whose}, iteration {model.iteration}, {model.resolution} px "
            f"{FaceType(model.face_type).file_name}: mode {settings.mode}, mask {settings.mask_mode}, "
            f"colour transfer {settings.colour_transfer}"
            + "".join(f", {key.replace('_', ' ')} {value}" for key, value in model.settings.items())
            + "."
        )


def report_failures(workspace: Workspace, failed: Sequence[FrameResult], report: Report) -> None:
    """Warn of the first frames that failed; write a log with tracebacks of unexpected errors."""
    for result in failed[:_FAILURES_SHOWN]:
        report.warn(f"{result.task.path.name} was not merged: {reason(result.error)}")
    bugs = [result for result in failed if not isinstance(result.error, UserError)]
    if bugs:
        log = workspace.logs / "merge_failures.log"
        texts = [f"{bug.task.path}\n{''.join(traceback.format_exception(bug.error))}" for bug in bugs if bug.error]
        write_text(log, "\n".join(texts))
        report.warn(f"Details of {len(bugs)} unexpected errors: {log}")


def report_refused(results: Sequence[FrameResult], report: Report) -> None:
    """Warn of the first frames with faces that are from another frame."""
    if not results:
        return
    shown = [f"{result.task.path.name} ({name}: {why})" for result in results for name, why in result.refused]
    more = f" and {len(shown) - _FAILURES_SHOWN} more" if len(shown) > _FAILURES_SHOWN else ""
    report.warn(
        f"{len(results)} frames have a face that is from another frame and is not swapped: "
        f"{', '.join(shown[:_FAILURES_SHOWN])}{more}. Find the faces of changed frames again "
        "(`dfl extract-faces dst`), or delete the wrong ones from the aligned folder."
    )


def reason(error: Exception | None) -> str:
    """Why a frame failed, as one line."""
    return f"{error.what} {error.todo}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def made_by(tasks: Sequence[FrameTask], journal: MergeJournal) -> list[dict[str, Any]]:
    """The frames merged by each model and iteration, from the journal; for the user to read."""
    frames: dict[tuple[str, int], list[int]] = {}
    for task in tasks:
        signature = journal.signature_of(task.stem)
        for model, iteration in {(face["model"], face["iteration"]) for face in (signature or {}).get("faces", ())}:
            frames.setdefault((model, iteration), []).append(task.number)
    return [
        {"frames": spelled(numbers), "model": model, "iteration": iteration}
        for (model, iteration), numbers in sorted(frames.items())
    ]


def report_done(
    plan: MergePlan,
    path: Path,
    whole: set[int],
    failed: Sequence[FrameResult],
    mismatched: Sequence[FrameResult],
    mark: bool,
    report: Report,
) -> None:
    """Report the result; when every frame is merged or failed, write merge.json, which make-video reads.

    whole: indices of the frames that are merged, now or before. mismatched: frames with faces from another frame.
    """
    wanted = plan.asked_for
    not_merged = {result.task.stem: reason(result.error) for result in failed}
    asked = [plan.tasks[index] for index in sorted(wanted)]
    without_face = [task.stem for task in asked if not task.faces]
    not_theirs = {result.task.stem: [name for name, _ in result.refused] for result in mismatched}
    unswapped = {result.task.stem for result in mismatched if len(result.refused) == len(result.task.faces)}
    swapped = sum(1 for task in asked if task.faces and task.stem not in not_merged.keys() | unswapped)
    text = f"{swapped} of {len(asked)} frames swapped"
    if without_face:
        text += f", {len(without_face)} without a face"
    if not_theirs:
        text += f", {len(not_theirs)} with a face from another frame"
    if not_merged:
        text += f", {len(not_merged)} failed"
    missing = len(plan.tasks) - len(whole | {result.task.index for result in failed})
    if missing:
        text += f"; {missing} other frames of the clip are not merged yet"
    else:
        write_json(path, _facts(plan, not_merged, not_theirs, without_face, swapped, mark))
        text += f": list in {path}" if without_face or not_theirs or not_merged else ""
    report.done(text, frames=len(asked), swapped=swapped, without_face=len(without_face), failed=len(not_merged))


def _facts(
    plan: MergePlan,
    not_merged: dict[str, str],
    not_theirs: dict[str, list[str]],
    without_face: list[str],
    swapped: int,
    mark: bool,
) -> dict[str, Any]:
    return {
        "frames": len(plan.tasks),
        "swapped": swapped,
        "without_face": without_face,
        "not_theirs": not_theirs,
        "failed": not_merged,
        "model": plan.base.name,
        "iteration": plan.base.iteration,
        "options": {**plan.session.first_settings.model_dump(mode="json"), **plan.base.settings, "mark": mark},
    }
