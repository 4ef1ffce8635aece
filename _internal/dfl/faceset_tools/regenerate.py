"""Regenerate a faceset's pictures in a folder of their own, then replace the old ones by them.

A new picture counts as finished when it is whole and has its original's time of change, so a stopped run goes on.
Taking over moves the old pictures to the trash first; a journal says that it is under way, and the next run finishes
it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import move, move_into, read_json, write_json
from dfl.base.listing import is_hidden, list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.report import Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.unused_path import earlier_path
from dfl.base.wording import first_few
from dfl.faceset.aligned_face import AlignedFace, write_face
from dfl.faceset.faceset import FaceFile, read_face_file
from dfl.faceset.trash import move_to_trash

_QUALITY = 100
_TIME_STEP_NS = 2_000_000_000  # the coarsest clock of a file system (FAT)


@dataclass(frozen=True)
class Regenerated:
    """New pictures of a faceset. stage: `resize`; word: `resized`, the folder's ending and the reason in the trash."""

    aligned: Path
    stage: str
    word: str

    @property
    def folder(self) -> Path:
        """Where the new pictures are made: `aligned_resized`."""
        return self.aligned.with_name(f"{self.aligned.name}_{self.word}")

    @property
    def _journal(self) -> Path:
        return self.folder / f"{self.stage}.json"

    def prepare(self, settings: dict[str, Any], report: Report) -> None:
        """Make the folder for these settings, or continue a stopped run; results of other settings are moved away."""
        folder = self.folder
        if folder.is_dir() and any(not is_hidden(path) for path in folder.iterdir()):
            if self._read_journal().get("settings") == settings:
                remove_parts(folder)
                return
            earlier = earlier_path(folder)
            try:
                move(folder, earlier)
            except OSError as error:
                raise to_user_error(error, error_path(error, folder)) from error
            report.line(f"{folder} held other pictures: they are in {earlier} now.")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(self._journal, {"settings": settings})

    def names(self, faces: list[FaceFile]) -> dict[str, str]:
        """The new picture's name for each face: the same stem, .jpg; a number where two would have one name."""
        names: dict[str, str] = {face.name: face.name for face in faces if face.name.endswith(".jpg")}
        taken = {name.lower() for name in names}
        for face in faces:
            stem, number = Path(face.name).stem, 0
            name = names.get(face.name, f"{stem}.jpg")
            while face.name not in names and name.lower() in taken:
                number += 1
                name = f"{stem}_{number}.jpg"
            names[face.name] = name
            taken.add(name.lower())
        return names

    def times(self) -> dict[str, int]:
        """The old pictures' times of change (ns) when the new ones were made, by the new ones' names."""
        found = self._read_journal().get("times")
        return {str(name): time for name, time in found.items() if type(time) is int} if isinstance(found, dict) else {}

    def note_times(self, made: dict[str, FaceFile]) -> None:
        """Note when the faces behind the new pictures, by name, were changed: an edited new one then still counts."""
        times = {name: face.path.stat().st_mtime_ns for name, face in made.items()}
        write_json(self._journal, self._read_journal() | {"times": times})

    def move_others_away(self, names: set[str], report: Report) -> None:
        """Move pictures away that are not among the new ones: of faces that are gone, or put there by somebody."""
        others = [path for path in list_pictures(self.folder) if path.name not in names]
        earlier = earlier_path(self.folder)
        for path in others:
            move_into(earlier, path)
        if others:
            listed = first_few([path.name for path in others])
            report.line(f"{len(others)} other pictures that were in {self.folder} are in {earlier}: {listed}")

    def take_over(self, made: dict[str, str], report: Report) -> None:
        """Old pictures to the trash, new ones to their place. `made`: the new name for each old one.

        New ones that an editor took the face data from stay where they are.
        """
        aligned, folder = self.aligned, self.folder
        remove_parts(folder)
        without_data = [new for new in made.values() if (folder / new).is_file() and not _is_face(folder / new)]
        if without_data:
            report.warn(
                f"{len(without_data)} pictures in {folder} lost their face data: {first_few(without_data)}. They stay "
                "there, and the old ones in the faceset. Delete them to have them made anew."
            )
        made = {old: new for old, new in made.items() if new not in without_data}
        write_json(self._journal, self._read_journal() | {"taking_over": made})
        # Where the new one is still in its folder, what has the old name is the old one.
        due = {old: new for old, new in made.items() if (folder / new).is_file()}
        move_to_trash(aligned, [old for old in due if (aligned / old).is_file()], self.word)
        try:
            for new in due.values():
                if (aligned / new).exists():
                    raise UserError(f"{aligned / new} is in the way of the new picture.", "Move it away, start again.")
                move(folder / new, aligned / new)
            if not list_pictures(folder):
                self._journal.unlink()
            else:  # the next run goes on with these
                left = {key: value for key, value in self._read_journal().items() if key != "taking_over"}
                write_json(self._journal, left)
            if not any(folder.iterdir()):
                folder.rmdir()
        except OSError as error:
            raise to_user_error(error, error_path(error, folder)) from error

    def finish_taking_over(self, report: Report) -> None:
        """Finish what a killed run was taking over. UserError when its journal names files outside the two folders."""
        made = self._read_journal().get("taking_over")
        if made is None:
            return
        if not isinstance(made, dict) or any(
            Path(str(name)).name != name or "\\" in name for name in (*made, *made.values())
        ):
            raise UserError(
                f"{self._journal} is damaged.", f"Move the pictures of {self.folder} to {self.aligned} by hand."
            )
        self.take_over(made, report)
        report.line(f"The {self.word} pictures of a run that was stopped are in {self.aligned} now.")

    def _read_journal(self) -> dict[str, Any]:
        found = read_json(self._journal) if self._journal.is_file() else None
        return found if isinstance(found, dict) else {}


def was_regenerated(face: FaceFile, target: Path, made_of: int | None = None) -> bool:
    """Whether the new picture is there, whole, and made of the face as it is now; it may have been edited since.

    made_of: the old one's time of change when the new one was made, from Regenerated.times; None: not known.
    """
    try:
        new, old = target.stat(), face.path.stat()
        with target.open("rb") as file:
            file.seek(max(0, new.st_size - 2))
            is_whole = file.read() == b"\xff\xd9"
    except OSError:
        return False
    times = (new.st_mtime_ns, made_of)
    return is_whole and any(time is not None and abs(time - old.st_mtime_ns) <= _TIME_STEP_NS for time in times)


def _is_face(path: Path) -> bool:
    try:
        return read_face_file(path) is not None
    except UserError:
        return False


def regenerate(target: Path, new: AlignedFace, changed: os.stat_result) -> None:
    """Write a new picture, quality 100. `changed`: the state of the old one's file before it was read.

    The new file gets the old one's time of change, last of all. What is there, of an older version of the face or
    changed by somebody, goes to a folder whose name ends in _replaced.
    """
    if target.is_file():
        move_into(target.parent.with_name(f"{target.parent.name}_replaced"), target)
    write_face(target, new.picture, new.metadata, _QUALITY)
    os.utime(target, ns=(changed.st_atime_ns, changed.st_mtime_ns))
