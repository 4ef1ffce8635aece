"""The questions about a model's options: what cannot be is refused at its question, what was answered is remembered.

The answers for a new model are the defaults of the next new one of its class. Those that change a saved model are
remembered until it is saved with them: whatever ends a start, the next one knows what was answered.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dfl.base.answers import Answers
from dfl.base.asking import ask_options
from dfl.base.errors import UserError
from dfl.base.report import NullReport, Report
from dfl.data.batches import load_training_faces
from dfl.data.fitting_faces import fitting_faces
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.models.kinds import kind_with_options
from dfl.models.options import ModelOptions
from dfl.training.options import TrainRunOptions
from dfl.training.training_faces import SIDES, face_letters, named_faces, need_pretraining_faces
from dfl.workspace import Side, Workspace

_ITERATION = "iteration"  # beside the answers that change a model: which state of it they change


class ModelQuestions:
    """Asks about the options of the models of one run."""

    def __init__(self, workspace: Workspace, options: TrainRunOptions, report: Report) -> None:
        self._workspace, self._options = workspace, options
        self._answers = Answers(workspace.answers, report.warn)
        self._faces: dict[Side, list[FaceFile]] = {}

    def remembered(self, kind: type[ModelOptions], given: Mapping[str, Any]) -> dict[str, Any]:
        """What was answered for the last new model of this class, as far as it can be beside what is given."""
        known = dict(given)
        for name, value in self._answers.of(_key(kind)).items():
            if name in known or name not in kind.model_fields or not _is_possible(kind, name, value):
                continue
            try:
                kind.check_answer(name, known | {name: value})
            except UserError:
                continue
            known[name] = value
        return {name: value for name, value in known.items() if name not in given}

    def ask_new(self, kind: type[ModelOptions], defaults: Mapping[str, Any], skip: Collection[str]) -> dict[str, Any]:
        """Ask for the options of a new model; `skip`: those that are given."""
        return self._ask(kind, defaults, skip, _key(kind), {})

    def left_changes(self, name: str, iteration: int) -> dict[str, Any]:
        """What was answered to change a model at this iteration, and is not saved with it yet."""
        found = self._answers.of(_key_of(name))
        return {key: value for key, value in found.items() if key != _ITERATION and found.get(_ITERATION) == iteration}

    def ask_changes(
        self, kind: type[ModelOptions], name: str, iteration: int, known: Mapping[str, Any], skip: Collection[str]
    ) -> dict[str, Any]:
        """Ask what of a saved model is to change; `skip`: what is given, or cannot change."""
        if self._answers.of(_key_of(name)).get(_ITERATION) != iteration:  # those of another time
            self._answers.replace(_key_of(name), {})
        return self._ask(kind, known, skip, _key_of(name), {_ITERATION: iteration})

    def _ask(
        self,
        kind: type[ModelOptions],
        defaults: Mapping[str, Any],
        skip: Collection[str],
        key: str,
        more: dict[str, Any],
    ) -> dict[str, Any]:
        if not kind.has_questions:
            return {}

        def check(name: str, known: Mapping[str, Any]) -> None:
            if name == "pretrain" and known[name]:
                need_pretraining_faces(self._workspace, self._options.pretraining_faces)
            if name == "src_src" and not known[name] and not self._may_pretrain:
                load_training_faces(self._workspace.aligned("dst"))
            if name == "preview_faces":
                self._check_names(str(known[name]))
            if name == "face_type":
                self._check_face_type(kind, str(known[name]), SIDES[:1] if known.get("src_src") else SIDES)
            if name == "batch_size" and int(known[name]) % self._options.device_count:
                raise UserError(
                    f"A batch of {known[name]} cannot be shared by {self._options.device_count} devices.",
                    f"Expected a multiple of {self._options.device_count}.",
                )

        def keep(answers: Mapping[str, Any]) -> None:
            self._answers.keep(key, {**more, **answers})

        return ask_options(kind, defaults, skip=skip, workspace=self._workspace.root, check=check, keep=keep)

    def _faces_of(self, side: Side) -> list[FaceFile]:
        """A side's faces, listed once."""
        if side not in self._faces:
            self._faces[side] = list_faceset(self._workspace.aligned(side))
        return self._faces[side]

    def _check_names(self, names: str) -> None:
        """UserError for a face that neither side has."""
        wanted = named_faces(names)
        missing = sorted(wanted - {face.name for side in SIDES for face in self._faces_of(side)} if wanted else ())
        if missing:
            raise UserError(f"No face is called {', '.join(missing)}.", "Give names of files in aligned, with commas.")

    @property
    def _may_pretrain(self) -> bool:
        """Whether there are faces of many people: then the facesets may come later."""
        return (self._options.pretraining_faces or self._workspace.pretraining_faces).exists()

    def _check_face_type(self, kind: type[ModelOptions], letter: str, sides: Sequence[Side]) -> None:
        """UserError where no face of a side shows as much of the head, unless the model may be pretrained first."""
        row = kind_with_options(kind)
        if not row.swaps_faces or self._may_pretrain:
            return
        for side in sides:
            folder = self._workspace.aligned(side)
            face_type = FaceType.from_name(letter)
            fitting_faces(
                self._faces_of(side), face_type, 0, folder, NullReport(), of_many=False, letters=face_letters(row)
            )


def _is_possible(kind: type[ModelOptions], name: str, value: Any) -> bool:
    """Whether this version of the program takes the value."""
    try:
        kind(**{name: value})
    except ValidationError:
        return False
    except UserError:  # not beside the defaults of the others
        pass
    return True


def _key(kind: type[ModelOptions]) -> str:
    return f"train {kind_with_options(kind).name}"


def _key_of(name: str) -> str:
    """name: of the model's folder."""
    return f"train {name}"
