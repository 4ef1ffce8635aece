"""The stage `people`: who is in a faceset, one contact sheet a person, and the faces of others into the trash."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.asking import ask_text
from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture, contact_sheet, write_picture
from dfl.base.report import Report
from dfl.face_analysis.clustering import MIN_FACES, NOBODY, distances_to_mean, group_people
from dfl.face_analysis.measures import measure
from dfl.faces.reference import LIKE_REFERENCE, nearest_person, references_of
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_faceset, no_faces
from dfl.faceset.trash import move_to_trash
from dfl.faceset_tools.options import PeopleOptions
from dfl.workspace import FACESET_PAK, Workspace

_SHEET = re.compile(r"person_\d+\.jpg|nobody\.jpg")
_SHEET_FACES = 60
_SHEET_COLUMNS = 10
_CELL_PIXELS = 128
_KEEP_HELP = "Such as 1,3; look at the contact sheets first. The faces of all others go to the trash."


@dataclass(frozen=True, eq=False)
class PersonGroup:
    """The faces of one person of a faceset, the most typical first; NOBODY: faces of too small clusters.

    spread: mean distance of the faces to the person's mean.
    """

    number: int
    faces: tuple[FaceFile, ...]
    spread: float

    @property
    def sheet_name(self) -> str:
        """File name of the contact sheet."""
        return f"person_{self.number}.jpg" if self.number != NOBODY else "nobody.jpg"


def run(workspace: Workspace, options: PeopleOptions, report: Report) -> None:
    """Tell who is in a side's faceset; with `keep` or `only`, move the faces of all others to the trash."""
    if options.keep and options.only:
        raise UserError("--keep and --only were given together.", "Give one of them.")
    aligned = workspace.aligned(options.side)
    if options.keep or options.only:
        check_is_unpacked(aligned, options.side)
    references = references_of([Path(path) for path in options.only]) if options.only else None
    faces, descriptors = _described(list_faceset(aligned, report), report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {options.side} first.")
    if references is not None:
        _keep_like(references, aligned, faces, descriptors, report)
        return
    people = people_of(faces, descriptors)
    kept = _numbers(options.keep, people)
    folder = workspace.aligned_people(options.side)
    write_sheets(folder, people, report)
    _report_people(people, report)
    report.line(f"Their faces are in {folder}, the least typical ones last.")
    if not kept and len(people) > 1 and options.ask and not options.yes and not (aligned / FACESET_PAK).is_file():
        kept = _numbers(ask_text("Numbers of the people who stay, Enter for all", "", help=_KEEP_HELP), people)
    if kept:
        others = [face.name for person in people if person.number not in kept for face in person.faces]
        _trash(aligned, others, len(faces), "people", report)
        return
    if len(people) > 1:
        report.line(f"`dfl people {options.side} --keep 1` keeps person 1 and moves the others to the trash.")
    count = sum(person.number != NOBODY for person in people)
    report.done(f"{len(faces)} faces of {count} {'person' if count == 1 else 'people'}", faces=len(faces), people=count)


def _described(faces: list[FaceFile], report: Report) -> tuple[list[FaceFile], NDArray[np.float32]]:
    """The faces that can be read, and their descriptors; damaged ones are reported and stay where they are."""
    measured = measure(faces, ["descriptor"], report)
    readable = measured["readable"]
    return [face for face, is_readable in zip(faces, readable, strict=True) if is_readable], measured["descriptor"][
        readable
    ]


def people_of(faces: Sequence[FaceFile], descriptors: NDArray[np.float32]) -> list[PersonGroup]:
    """The people of a faceset, who has most faces first; NOBODY last. descriptors: (N, 128), one a face."""
    labels = group_people(descriptors)
    people = []
    for number in sorted(set(labels.tolist()), key=lambda number: (number == NOBODY, number)):
        members = np.flatnonzero(labels == number)
        distances = distances_to_mean(descriptors[members])
        typical_first = members[np.argsort(distances, kind="stable")]
        people.append(PersonGroup(number, tuple(faces[index] for index in typical_first), float(distances.mean())))
    return people


def write_sheets(folder: Path, people: Sequence[PersonGroup], report: Report) -> None:
    """Write one contact sheet of up to 60 faces a person into `folder`, in place of the sheets that lie there."""
    for path in list_pictures(folder):
        if _SHEET.fullmatch(path.name):
            path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for person in report.track(people, "contact sheets", len(people)):
        cells = _cells(person)
        if cells:
            rows = [cells[start : start + _SHEET_COLUMNS] for start in range(0, len(cells), _SHEET_COLUMNS)]
            write_picture(folder / person.sheet_name, contact_sheet(rows, _CELL_PIXELS))


def _cells(person: PersonGroup) -> list[Picture]:
    """Small pictures of faces taken evenly from the most to the least typical one; damaged ones are left out."""
    cells: list[Picture] = []
    for face in evenly_spaced(person.faces, _SHEET_FACES):
        try:
            picture = face.read_picture()
        except UserError:
            continue  # told when it was measured
        small = cv2.resize(picture, (_CELL_PIXELS, _CELL_PIXELS), interpolation=cv2.INTER_AREA)
        cells.append(small.astype(np.uint8, copy=False))
    return cells


def _report_people(people: Sequence[PersonGroup], report: Report) -> None:
    total = sum(len(person.faces) for person in people)
    report.line("person   faces  share  spread  most typical face")
    for person in people:
        name = str(person.number) if person.number != NOBODY else "nobody"
        share, spread = len(person.faces) / total, f"{person.spread:.2f}" if person.number != NOBODY else "-"
        report.line(f"{name:>6} {len(person.faces):>7} {share:>6.1%}  {spread:>6}  {person.faces[0].name}")
    if any(person.number == NOBODY for person in people):
        report.line(f"nobody: faces like fewer than {MIN_FACES - 1} others, often blurred ones or passers-by.")


def _numbers(text: str, people: Sequence[PersonGroup]) -> set[int]:
    """The numbers in `1,3`; UserError for anything else and for people who are not there."""
    there = sorted({person.number for person in people} | {NOBODY})
    words = [word.strip() for word in text.split(",") if word.strip()]
    if any(not word.isdecimal() or int(word) not in there for word in words):
        raise UserError(
            f"{text}: there is no such person.",
            f"Give numbers with commas, of these: {', '.join(map(str, there))}. Nothing was moved.",
        )
    return {int(word) for word in words}


def _keep_like(
    references: NDArray[np.float32],
    aligned: Path,
    faces: Sequence[FaceFile],
    descriptors: NDArray[np.float32],
    report: Report,
) -> None:
    _, distances = nearest_person(descriptors, references)
    others = [face.name for face, distance in zip(faces, distances, strict=True) if distance >= LIKE_REFERENCE]
    if len(others) == len(faces):
        raise UserError(
            f"No face in {aligned} is like the reference (the nearest is {distances.min():.2f} away).",
            "Check the reference picture; nothing was moved.",
        )
    _trash(aligned, others, len(faces), "people", report)


def _trash(aligned: Path, others: list[str], total: int, reason: str, report: Report) -> None:
    folder = move_to_trash(aligned, others, reason)
    told = (
        f"; {len(others)} of others are in {folder}, `dfl restore` puts them back"
        if others
        else "; there are no others"
    )
    report.done(f"{total - len(others)} faces stay{told}.", kept=total - len(others), moved=len(others))
