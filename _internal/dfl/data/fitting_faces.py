"""Which faces of a set a model can be trained on, by the metadata that listing read anyway."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile

_NAMED = 5


def fitting_faces(
    faces: Sequence[FaceFile], face_type: FaceType, resolution: int, place: Path, report: Report, *, of_many: bool
) -> list[FaceFile]:
    """The faces that show as much of the head as the model learns; the others are left out and counted.

    A narrower picture has nothing but its stretched edge where the model learns a cheek or a chin (the original
    refuses it). Faces much smaller than the model's `resolution`, and sets of several kinds or people, are reported.
    of_many: a set of many people, for pretraining. UserError when no face fits.
    """
    fitting, narrow, broken = list[FaceFile](), list[FaceFile](), list[FaceFile]()
    for face in faces:
        if face.shape[0] != face.shape[1] or face.metadata.face_type is FaceType.MARK_ONLY:
            broken.append(face)
        else:
            (narrow if face.metadata.shown_type < face_type else fitting).append(face)
    if broken:
        report.warn(f"{place}: {_share(broken, faces)} no aligned faces (not square, or mark_only): {_names(broken)}")
    kinds = _kinds(narrow)
    if faces and not fitting:
        if not narrow:
            raise UserError(f"{place} holds no aligned faces: {_names(broken)}", "Run extract-faces again.")
        letters = [letter for letter in (FaceType.from_name(kind).letter for kind in kinds) if letter]
        other = f", or train a new model of --face-type {letters[0]}" if len(letters) == 1 else ""
        raise UserError(
            f"The faces of {place} are narrower than the model's {face_type.file_name}: {_counts(kinds)}.",
            f"Extract them again (extract-faces --face-type {face_type.letter}){other}.",
        )
    if narrow:
        report.warn(
            f"{place}: {_share(narrow, faces)} narrower than the model's {face_type.file_name} and left out "
            f"({_counts(kinds)}): {_names(narrow)}"
        )
    _report_doubts(fitting, resolution, place, report, of_many)
    return fitting


def _report_doubts(faces: Sequence[FaceFile], resolution: int, place: Path, report: Report, of_many: bool) -> None:
    """Report what does not forbid training, and may still be a mistake."""
    small = [face.shape[0] for face in faces if face.shape[0] < resolution]
    if small:
        report.line(
            f"{place}: {len(small)} of {len(faces)} pictures are smaller than the model's {resolution} pixels (the "
            f"smallest has {min(small)}): what it learns of them is blurred."
        )
    kinds = _kinds(faces)
    if len(kinds) > 1:
        report.line(f"{place} is mixed: {_counts(kinds)}. All show enough.")
    people = {face.person for face in faces if face.person}
    if len(people) > 1 and not of_many:
        report.warn(f"{place} holds faces of {len(people)} people, and the model learns them as one.")


def report_narrow(faces: Sequence[FaceFile], face_type: FaceType, what_then: str, report: Report) -> None:
    """Warn of faces that show less of the head than `face_type`. what_then: what becomes of them, a sentence."""
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
