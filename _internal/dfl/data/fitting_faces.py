"""Which faces of a faceset a model can be trained on, by their metadata."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile

_NAMED = 5


def fitting_faces(
    faces: Sequence[FaceFile],
    face_type: FaceType,
    resolution: int,
    path: Path,
    report: Report,
    *,
    of_many: bool,
    letters: Collection[str],
) -> list[FaceFile]:
    """The faces whose face type covers the model's; the others are left out and counted.

    Outside a narrower picture there is only its replicated border, where the model is to learn a cheek or a chin (the
    original refuses it). Faces smaller than the model's `resolution`, and facesets of several face types or people, are
    reported. of_many: faces of many people, for pretraining. letters: the face types (h, mf, f, wf, head) that new
    models of this class may have. UserError when no face fits.
    """
    fitting, narrow, broken = list[FaceFile](), list[FaceFile](), list[FaceFile]()
    for face in faces:
        if face.shape[0] != face.shape[1] or face.metadata.face_type is FaceType.MARK_ONLY:
            broken.append(face)
        else:
            (narrow if face.metadata.shown_type < face_type else fitting).append(face)
    if broken:
        report.warn(f"{path}: {_share(broken, faces)} no aligned faces (not square, or mark_only): {_names(broken)}")
    kinds = _kinds(narrow)
    if faces and not fitting:
        if not narrow:
            raise UserError(f"{path} holds no aligned faces: {_names(broken)}", "Run extract-faces again.")
        raise UserError(
            f"The faces of {path} are narrower than the model's {face_type.file_name}: {_counts(kinds)}.",
            f"Extract them again (extract-faces --face-type {face_type.letter}){_other_model(kinds, letters)}.",
        )
    if narrow:
        report.warn(
            f"{path}: {_share(narrow, faces)} narrower than the model's {face_type.file_name} and left out "
            f"({_counts(kinds)}): {_names(narrow)}"
        )
    _report_doubts(fitting, resolution, path, report, of_many)
    return fitting


def _other_model(kinds: Counter[str], letters: Collection[str]) -> str:
    """The advice to train a model that faces of one face type fit; empty where there is no such model."""
    fitting = [letter for letter in (FaceType.from_name(kind).letter for kind in kinds) if letter]
    if len(fitting) != 1:
        return ""
    model = "a new model of" if fitting[0] in letters else "a model of another class: --model SAEHD"
    return f", or train {model} --face-type {fitting[0]}"


def _report_doubts(faces: Sequence[FaceFile], resolution: int, path: Path, report: Report, of_many: bool) -> None:
    """Report what does not prevent training, but may be a mistake."""
    small = [face.shape[0] for face in faces if face.shape[0] < resolution]
    if small:
        report.line(
            f"{path}: {len(small)} of {len(faces)} pictures are smaller than the model's {resolution} pixels (the "
            f"smallest has {min(small)}): they are upscaled, and the result gets blurred."
        )
    kinds = _kinds(faces)
    if len(kinds) > 1:
        report.line(f"{path} is mixed: {_counts(kinds)}. All of them cover the model's face type.")
    people = {face.person for face in faces if face.person}
    if len(people) > 1 and not of_many:
        report.warn(f"{path} holds faces of {len(people)} people, and the model is trained on them as one person.")


def report_narrow(faces: Sequence[FaceFile], face_type: FaceType, what_then: str, report: Report) -> None:
    """Warn of faces of a narrower face type than `face_type`. what_then: the consequence, a sentence."""
    narrow = [face for face in faces if face.metadata.shown_type < face_type]
    if narrow:
        kinds = _counts(_kinds(narrow))
        report.warn(f"{_share(narrow, faces)} narrower than {face_type.file_name} ({kinds}). {what_then}")


def _kinds(faces: Iterable[FaceFile]) -> Counter[str]:
    return Counter(face.metadata.shown_type.file_name for face in faces)


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())


def _share(some: Sequence[FaceFile], every: Sequence[FaceFile]) -> str:
    return f"{len(some)} of {len(every)} faces {'is' if len(some) == 1 else 'are'}"


def _names(faces: Sequence[FaceFile]) -> str:
    more = len(faces) - _NAMED
    return ", ".join(face.name for face in faces[:_NAMED]) + (f" and {more} more." if more > 0 else ".")
