"""The stage `pack`: a faceset in one file, faceset.pak.

The pack is written beside, read again and compared with every file before it gets its name; only then are files
deleted, each compared once more. A run that is killed leaves either the files or a whole pack, and starting again does
the rest.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from dfl.base import jpeg
from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, replacing
from dfl.base.listing import list_folders, list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.report import Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.unused_path import earlier_path
from dfl.base.wording import first_few
from dfl.faceset.faceset import list_pictures_with_data, no_faces
from dfl.faceset.file_names import name_key, why_unsafe
from dfl.faceset.pak_format import Member, PackedFace, read_at, read_members, write_pak
from dfl.faceset.rename import finish_renaming
from dfl.faceset_tools.options import PackOptions
from dfl.workspace import FACESET_PAK, RENAMING, Workspace

_ROW_BYTES = 2500  # of a face without a mask in the pack's list
NameKey = tuple[str, str]  # person ("" for none) and name, as name_key gives them


def run(workspace: Workspace, options: PackOptions, report: Report) -> None:
    """Pack a side's faces. UserError when there are none, or when a pack that is there holds faces that are not."""
    folder = workspace.aligned(options.side)
    finish_renaming(folder, report)
    faces, kept = _find(folder, options.persons, report)
    pak = folder / FACESET_PAK
    if not faces:
        if pak.is_file():
            report.done(f"{pak} is there already, and there are no faces beside it.", packed=0, deleted=0)
            return
        if list_pictures_with_data(folder).faces:
            raise UserError(
                f"The faces in {folder} are no JPEGs, and a pack takes only these.",
                f"`dfl resize {options.side}` with another size makes JPEGs of them.",
            )
        raise no_faces(folder, f"Run extract-faces {options.side} first.")
    if not (pak.is_file() and _holds_all(pak, faces, report)):
        _pack(pak, faces, report)
    deleted = 0
    if options.delete:
        deleted = _delete(pak, faces, report)
    more = f"; {deleted} files deleted" if options.delete else ""
    more += f"; {kept} pictures are not in it and stay where they are" if kept else ""
    report.done(f"{pak}: {len(faces)} faces{more}.", packed=len(faces), deleted=deleted, kept=kept)


def _find(folder: Path, by_folder: bool, report: Report) -> tuple[list[PackedFace], int]:
    """The faces to pack, in the pack's order, and how many pictures are left out."""
    top = list_pictures_with_data(folder)
    persons = [list_pictures_with_data(path) for path in _folders(folder)] if by_folder else []
    persons = [listing for listing in persons if listing.faces]
    kept = 0
    if persons and top.faces:
        report.warn(f"{folder}: the {len(top.faces)} faces outside the persons' folders are not packed.")
        kept = len(top.faces)
    faces: list[PackedFace] = []
    for listing in persons or [top]:
        listing.report_problems(report)
        packed = [face for face in listing.faces if face.path.suffix.lower() in jpeg.SUFFIXES]
        if len(packed) < len(listing.faces):
            others = [face.name for face in listing.faces if face.path.suffix.lower() not in jpeg.SUFFIXES]
            report.warn(f"{listing.folder}: {len(others)} faces are no JPEGs and are not packed: {first_few(others)}")
        kept += len(list_pictures(listing.folder)) - len(packed)
        person = listing.folder.name if persons else None
        for face in packed:
            size = face.path.stat().st_size
            faces.append(PackedFace(face.path, face.metadata, face.shape, size, person))
    _check_names(faces)
    return faces, kept


def _folders(folder: Path) -> list[Path]:
    """Sub-folders that may be persons, by name."""
    return [path for path in list_folders(folder) if path.name != RENAMING]


def _check_names(faces: Sequence[PackedFace]) -> None:
    """A pack that could not be unpacked on another system is not made."""
    seen: dict[NameKey, Path] = {}
    for face in faces:
        reason = why_unsafe(face.path.name) or (why_unsafe(face.person) if face.person else "")
        if reason:
            raise UserError(f"{face.path} cannot be packed under its name: {reason}.", "Rename it.")
        other = seen.setdefault(_name_key(face), face.path)
        if other != face.path:
            raise UserError(f"{other} and {face.path} would be one file on Windows.", "Rename one of them.")


def _holds_all(pak: Path, faces: Sequence[PackedFace], report: Report) -> bool:
    """Whether the pack that is there holds all faces byte for byte: the run before was killed while it deleted them.

    UserError when it holds others that are not in the folder, which a new pack would lose.
    """
    members, here = _by_name_key(pak), {_name_key(face) for face in faces}
    lost = [member.label for key, member in members.items() if key not in here]
    with pak.open("rb") as file:
        if all(_is_packed(file, pak, members, face) for face in faces):
            if lost:
                report.warn(f"{pak} holds these {len(faces)} faces already, and {len(lost)} more: it stays as it is.")
            return True
    if lost:
        raise UserError(
            f"{pak} holds {len(lost)} faces that the folder lacks, and a new pack would lose them: {first_few(lost)}.",
            "Unpack it first, or move it away.",
        )
    return False


def _name_key(face: PackedFace) -> NameKey:
    return name_key(face.person or ""), name_key(face.path.name)


def _by_name_key(pak: Path) -> dict[NameKey, Member]:
    return {(name_key(member.person or ""), name_key(member.name)): member for member in read_members(pak)}


def _is_packed(file: BinaryIO, pak: Path, members: Mapping[NameKey, Member], face: PackedFace) -> bool:
    """Whether the open pack holds the file byte for byte."""
    member = members.get(_name_key(face))
    return member is not None and read_at(file, member, pak) == face.path.read_bytes()


def _pack(pak: Path, faces: Sequence[PackedFace], report: Report) -> None:
    """Write the pack and compare it with the files, then give it its name."""
    remove_parts(pak.parent)
    masks = sum(len(face.metadata.xseg_mask or b"") for face in faces)
    need_space(pak.parent, sum(face.size for face in faces) + masks + _ROW_BYTES * len(faces), "Packing")
    with replacing(pak) as part:
        for _ in report.track(write_pak(part, faces), "Packing", len(faces)):
            pass
        _compare(part, faces, report)
        if pak.is_file():  # of the same names, but other pictures or face data
            earlier = earlier_path(pak)
            move(pak, earlier)
            report.line(f"The pack that was there holds other versions of these faces: it is {earlier.name} now.")


def _compare(part: Path, faces: Sequence[PackedFace], report: Report) -> None:
    """Read the pack again; UserError unless it holds exactly the files."""
    members = read_members(part)
    labels = [(member.name, member.person) for member in members]
    if labels != [(face.path.name, face.person) for face in faces]:
        raise UserError(f"{part} was not written as it should be.", "Check the disk, then start again.")
    with part.open("rb") as file:
        for member, face in report.track(zip(members, faces, strict=True), "Verifying", len(faces)):
            if read_at(file, member, part) != face.path.read_bytes():
                raise UserError(
                    f"{face.path} is not in the pack as it is on the disk.", "Nothing was deleted; start again."
                )


def _delete(pak: Path, faces: Sequence[PackedFace], report: Report) -> int:
    """Delete every file that the pack holds byte for byte, then folders of persons that are empty; returns how many."""
    deleted = 0
    try:
        with pak.open("rb") as file:
            members = _by_name_key(pak)
            for face in report.track(faces, "Deleting the files", len(faces)):
                if _is_packed(file, pak, members, face):
                    face.path.unlink()
                    deleted += 1
                else:
                    report.warn(f"{face.path} has changed since it was packed and was not deleted.")
        for person in {face.path.parent for face in faces if face.person}:
            if not any(person.iterdir()):
                person.rmdir()
    except OSError as error:
        raise to_user_error(error, error_path(error, pak)) from error
    return deleted
