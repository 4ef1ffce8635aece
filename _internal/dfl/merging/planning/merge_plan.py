"""The plan of a merge, made before it begins: session, people, models, and a task for every frame of the clip."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dfl.base.answers import Answers
from dfl.base.asking import ask_options
from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.faces.tracks import Position, Track
from dfl.faceset.cut_journal import are_smoothed
from dfl.faceset.found_faces import read_found_frames
from dfl.merging.blending.face_crop import NO_SHIFT
from dfl.merging.blending.merged_frame import MergedFrame
from dfl.merging.options import MergeOptions
from dfl.merging.planning.auto_colour_transfer import SAMPLE_FRAMES, choose_colour_transfer
from dfl.merging.planning.check_clip import check_clip
from dfl.merging.planning.clip_tracks import Reader, cuts_of, link_faces, with_tracks
from dfl.merging.planning.learned_shift import SAMPLE_FACES, measure_learned_shift, spelled_shift
from dfl.merging.planning.person_assignment import assign_people
from dfl.merging.planning.session import (
    Session,
    SessionPerson,
    Span,
    frame_numbers,
    is_in,
    parse_spans,
    read_session,
    write_session,
)
from dfl.merging.planning.settings import AUTO, MergeSettings
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.merging.running.frame_processor import FrameProcessor, PredictedFrame, keep
from dfl.merging.running.networks import Networks
from dfl.merging.running.open_models import Models
from dfl.models.device import ask_device
from dfl.models.face_weights import face_network_file
from dfl.models.open_model import need_xseg
from dfl.models.prediction import SwapModel
from dfl.workspace import Workspace

EVERYONE = "everyone"  # key in the session's `chosen` for the faces of no particular person
# Settings of the whole frame, which never come from a person.
_OF_FRAME = ("denoise", "bicubic", "colour_degrade")


@dataclass(frozen=True, eq=False)
class MergePlan:
    """The plan of a run. tasks: all frames of the clip, in order. spans: the frames to merge, None for all."""

    session: Session
    tasks: list[FrameTask]
    networks: Networks
    base: SwapModel
    spans: list[Span] | None

    def processor(self, write: Callable[[PredictedFrame, MergedFrame], Any] = keep) -> FrameProcessor:
        """The processing steps of a frame. write: called with merged frames; by default they are returned."""
        return FrameProcessor(self.networks, self.base.resolution, write)

    @property
    def asked_for(self) -> set[int]:
        """Indices of the frames to be merged."""
        spans = self.spans
        return {task.index for task in self.tasks if spans is None or is_in(task.number, spans)}


def with_answers(workspace: Workspace, options: MergeOptions, report: Report) -> MergeOptions:
    """The options with the answers to the questions, if questions are asked; Enter keeps a setting.

    What was answered and is not in the session yet, because the run ended before its plan, is the default once more.
    """
    answers = Answers(workspace.answers, report.warn)
    given = {name: getattr(options, name) for name in options.model_fields_set}
    given["device"] = ask_device(workspace.answers, "merge", options.device, options.ask, report)
    if not options.ask:
        return MergeOptions(**given)
    session = read_session(workspace.merge_session)
    known = session.first_settings.model_dump() | {"morph_factor": session.morph_factor}
    defaults = known | answers.of("merge") | given
    others = MergeOptions.model_fields.keys() - {"model"}
    given |= ask_options(MergeOptions, defaults, skip=others | given.keys(), workspace=workspace.root)

    def check(name: str, known: Mapping[str, Any]) -> None:
        if name == "mask_mode" and "xseg" in known[name]:
            need_xseg(workspace.model)
        if name == "super_resolution" and known[name]:
            face_network_file("FaceEnhancer")

    pointless = MergeOptions.pointless_questions(workspace.root, given)
    answered = ask_options(
        MergeOptions,
        defaults,
        skip=given.keys() | pointless | {"model"},
        workspace=workspace.root,
        check=check,
        keep=lambda so_far: answers.keep("merge", so_far),
    )
    changed = {name: value for name, value in answered.items() if name not in known or value != known[name]}
    return MergeOptions(**(given | changed))


def make_plan(
    workspace: Workspace,
    options: MergeOptions,
    models: Models,
    clip: Sequence[FrameTask],
    read: Reader,
    report: Report,
    video: tuple[Path, tuple[int, int]] | None = None,
) -> MergePlan:
    """Make the plan, and save the session, unless this is a preview (a contact sheet).

    read: reads the frames' pictures. video: file and frame size of the clip, if the frames are read from it directly.
    UserError when options contradict each other, when faces are from other frames, or when a model cannot be opened.
    """
    path = workspace.merge_session
    session = read_session(path)
    numbers = frame_numbers([frame.stem for frame in clip])
    spans = parse_spans(options.frames, numbers) if options.frames else None
    _change(session, options, spans, workspace)
    found = read_found_frames(workspace, "dst")
    clip = check_clip(clip, found, read, report, video)
    all_settings = _all_settings(session)
    tracks: list[Track] = []
    if session.people or any(one.motion_blur or one.is_steadied for one in all_settings):
        needs_cuts = any(one.motion_blur or one.is_steadied for one in all_settings)
        cuts = cuts_of(workspace, clip, found, read, report) if needs_cuts else set()
        tracks = link_faces(clip, cuts)
        smooth = any(one.steady_landmarks for one in all_settings) and not are_smoothed(workspace.aligned("dst"))
        clip = with_tracks(clip, tracks, smooth=smooth)
    people = session.people
    owners = assign_people(clip, tracks, people, workspace.root, report, options.workers) if people else None
    networks, base = _open(session, all_settings, options, models)
    session.chosen = {
        key: chosen
        for key, chosen in session.chosen.items()
        if chosen["made_for"] == _made_for(key, session, networks, base)
    }
    processor = FrameProcessor(networks, base.resolution)
    _measure_shifts(session, _Tasks(session, owners, base.name).of(clip, numbers), processor, read, report)
    tasks = _Tasks(session, owners, base.name).of(clip, numbers)
    if any(face.settings.waits for task in tasks for face in task.faces):
        _choose(session, tasks, processor, base, read, report)
        tasks = _Tasks(session, owners, base.name).of(clip, numbers)
    if not options.contact_sheet and not write_session(path, session):
        report.warn(
            f"{path.name} was edited while this run started: the edit is kept and applies from the next run on. The "
            "options of this run apply to it alone and are not saved."
        )
    if options.ask and not options.contact_sheet:  # the session has them now, where they may be edited
        answers = Answers(workspace.answers, report.warn)
        in_session = {*MergeSettings.model_fields, "morph_factor"}
        answers.replace("merge", {key: value for key, value in answers.of("merge").items() if key not in in_session})
    return MergePlan(session, tasks, networks, base, spans)


def _change(session: Session, options: MergeOptions, spans: list[Span] | None, workspace: Workspace) -> None:
    """Apply the options of this run to the session."""
    given = options.given_settings()
    if "morph_factor" in options.model_fields_set:
        session.morph_factor = options.morph_factor
    if options.everyone:
        if options.only:
            raise UserError("--everyone and --only were given together.", "Give one of them.")
        session.people = []
    if not options.only:
        session.change(given, spans)
        return
    if spans:
        raise UserError(
            "--frames and --only were given together.",
            "Give a person's settings without --frames; the page and the file merge_session.json can do more.",
        )
    if given.get("mode") == "raw-predict":
        raise UserError("The mode raw-predict shows one face alone.", "Give it without --only.")
    pictures = tuple(_from_workspace(one, workspace.root) for one in options.only)
    session.set_person(SessionPerson(only=pictures, model=options.model or "", options=given))


def _from_workspace(path: Path, root: Path) -> str:
    """A path as stored in the session: relative if it is inside the workspace."""
    whole = path.absolute()
    return (whole.relative_to(root) if whole.is_relative_to(root) else whole).as_posix()


def _all_settings(session: Session) -> list[MergeSettings]:
    """All settings that a face may be merged with."""
    of_frames = session.all_settings
    return of_frames + [person.settings(one) for person in session.people for one in of_frames]


def _open(
    session: Session, all_settings: Sequence[MergeSettings], options: MergeOptions, models: Models
) -> tuple[Networks, SwapModel]:
    """Open all networks of the run; those that may be missing first."""
    enhancer = models.enhancer() if any(one.super_resolution for one in all_settings) else None
    xseg_mode = next((one.mask_mode for one in all_settings if one.needs_xseg), None)
    xseg = models.xseg(xseg_mode) if xseg_mode else None
    # With --only, --model is that person's.
    base = models.swap(None if options.only else options.model, session.morph_factor)
    opened = {base.name: base}
    for person in session.people:
        if person.model and person.model not in opened:
            opened[person.model] = models.swap(person.model, session.morph_factor)
    return Networks(opened, xseg, enhancer), base


@dataclass(frozen=True)
class _Tasks:
    """Plans the frames of the clip. owners: the person of each face; None: all faces are swapped."""

    session: Session
    owners: Mapping[Position, int] | None
    base_name: str

    def of(self, clip: Sequence[FrameTask], numbers: Sequence[int]) -> list[FrameTask]:
        pairs = zip(clip, numbers, strict=True)
        return [self._frame(frame, number) for frame, number in pairs]

    def _frame(self, frame: FrameTask, number: int) -> FrameTask:
        settings = self.session.settings_at(number)
        faces = [self._face(face, (frame.index, position), settings) for position, face in enumerate(frame.faces)]
        swapped = [face for face in faces if face]
        if settings.rules.smaller_first:
            swapped.sort(key=lambda face: float(np.ptp(face.landmarks, axis=0).prod()))
        return replace(frame, number=number, settings=settings, faces=tuple(swapped))

    def _face(self, face: FaceTask, position: Position, of_frame: MergeSettings) -> FaceTask | None:
        """The planned face; None for one that is not swapped."""
        key, model, settings = EVERYONE, self.base_name, of_frame
        if self.owners is not None:
            owner = self.owners.get(position)
            person = self.session.people[owner] if owner is not None else None
            if person is None or person.model is None:
                return None
            key, model, settings = person_key(person), person.model or self.base_name, person.settings(of_frame)
            settings = settings.model_copy(update={name: getattr(of_frame, name) for name in _OF_FRAME})
        settings = settings.resolved(self.session.chosen.get(key, {}))
        steady = face.steady_landmarks if settings.steady_landmarks and settings.rules.smooths_over_time else None
        landmarks = face.landmarks if steady is None else steady
        shift = self.session.shift_of(model) if settings.corrects_shift else NO_SHIFT
        return replace(face, landmarks=landmarks, model=model, settings=settings, person=key, shift=shift)


def person_key(person: SessionPerson) -> str:
    """A person's key in the session's `chosen`."""
    return ", ".join(person.only + person.faces)


def _measure_shifts(
    session: Session, tasks: Sequence[FrameTask], processor: FrameProcessor, read: Reader, report: Report
) -> None:
    """Measure how far each model draws faces beside their place, unless that is known, and report it."""
    wanted = sorted({face.model for task in tasks for face in task.faces if face.settings.corrects_shift})
    for name in wanted:
        model = processor.networks.models[name]
        made_for = {
            "iteration": model.iteration,
            "weights": model.digest,
            "resolution": model.resolution,
            "face_type": FaceType(model.face_type).file_name,
        }
        if session.shifts.get(name, {}).get("made_for") != made_for:
            session.shifts.pop(name, None)
            own = [replace(task, faces=faces) for task in tasks if (faces := _first_of(task, name))]
            samples = evenly_spaced(own, SAMPLE_FACES)
            shift = measure_learned_shift(samples, read(samples), processor, model, report)
            if shift is None:
                continue
            session.shifts[name] = {"x": shift[0], "y": shift[1], "made_for": made_for}
        if spelled := spelled_shift(session.shift_of(name)):
            report.line(f"Model {name} draws faces {spelled} of {model.resolution}: moved back.")


def _first_of(task: FrameTask, model: str) -> tuple[FaceTask, ...]:
    """The first face that this model swaps and whose shift is taken back; empty where there is none."""
    return tuple(face for face in task.faces if face.model == model and face.settings.corrects_shift)[:1]


def _made_for(key: str, session: Session, networks: Networks, base: SwapModel) -> dict[str, Any]:
    """What a choice for `auto` depends on: when any of it changes, the choice is made again."""
    person = next((one for one in session.people if person_key(one) == key), None)
    settings = person.settings(session.first_settings) if person else session.first_settings
    model = networks.models[person.model] if person and person.model else base
    return {
        "model": model.name,
        "iteration": model.iteration,
        "weights": model.digest,
        "mode": settings.mode,
        "mask_mode": settings.mask_mode,
        **{name: getattr(settings, name) for name in AUTO},
    }


def _choose(
    session: Session,
    tasks: Sequence[FrameTask],
    processor: FrameProcessor,
    base: SwapModel,
    read: Reader,
    report: Report,
) -> None:
    """Choose values for every `auto` by measuring these faces, and report them."""
    waiting = {
        key: [replace(task, faces=tuple(face for face in task.faces if _waits(face, key))) for task in tasks]
        for key in sorted({face.person for task in tasks for face in task.faces if _waits(face, face.person)})
    }
    for key, own in waiting.items():
        samples = evenly_spaced([task for task in own if task.faces], SAMPLE_FRAMES)
        choice = choose_colour_transfer(samples, read(samples), processor, report)
        if choice is None:
            continue
        made_for = _made_for(key, session, processor.networks, base)
        session.chosen[key] = {**choice.settings, "seams": choice.seams, "made_for": made_for}
        seams = ", ".join(f"{name} {seam:.1f}" for name, seam in sorted(choice.seams.items(), key=lambda one: one[1]))
        what = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in choice.settings.items())
        whose = "" if key == EVERYONE else f" for {key}"
        report.line(f"Chosen{whose} on {len(samples)} frames: {what}. Seam with {seams}.")


def _waits(face: FaceTask, key: str) -> bool:
    return face.person == key and face.settings.waits
