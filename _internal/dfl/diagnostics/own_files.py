"""Which files of a workspace are surely this program's, or the original's: by its journals, face data and names.

What a user put among them is not: videos, projects of other programs, pictures that no journal names.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dfl.base.errors import UserError
from dfl.base.files import read_json
from dfl.base.listing import list_pictures
from dfl.base.part_files import is_part
from dfl.faceset.faceset import list_pictures_with_data
from dfl.faceset.pak_format import read_members
from dfl.merging.running.merge_journal import MergeJournal
from dfl.models.checkpoint import MANIFEST
from dfl.models.kinds import KINDS
from dfl.models.lock import LOCK_NAME
from dfl.models.original_files import file_prefix, find_models
from dfl.video.facts import Source, read_facts
from dfl.workspace import (
    CLIP_FACTS,
    CLIP_UNFINISHED,
    DENOISE_JOURNAL,
    DOUBTFUL_FACES,
    ENHANCE_JOURNAL,
    EXTRACTION_JOURNAL,
    FACESET_INDEX,
    FACESET_LOCK,
    FACESET_PAK,
    FOUND_FACES,
    FRAMES_BEFORE_DENOISE,
    FRAMES_DENOISING,
    FRAMES_WITHOUT_FACE,
    MEASURES,
    MERGE_CUTS,
    MERGE_FACTS,
    MERGE_JOURNAL,
    MERGE_MADE,
    MERGE_SESSION,
    MERGED_CROPS,
    MERGED_SET_ASIDE,
    MERGED_VIDEO,
    META_DAT,
    RENAMING_JOURNAL,
    RENAMING_LOCK,
    RESIZE_JOURNAL,
    TRASH_JOURNAL,
    Side,
    Workspace,
)

FileGroup = Literal["frames", "faces", "merged pictures", "model files", "other files"]
_PLAIN = frozenset({CLIP_FACTS, CLIP_UNFINISHED, DENOISE_JOURNAL, FOUND_FACES, FRAMES_WITHOUT_FACE, DOUBTFUL_FACES})
_PLAIN |= {
    EXTRACTION_JOURNAL,
    FACESET_INDEX,
    FACESET_LOCK,
    META_DAT,
    RENAMING_JOURNAL,
    RENAMING_LOCK,
    TRASH_JOURNAL,
}
_PLAIN |= {RESIZE_JOURNAL, ENHANCE_JOURNAL, MEASURES, f"{MEASURES}-journal"}
_PLAIN |= {MERGE_CUTS, MERGE_SESSION, MERGE_MADE, MERGE_FACTS, MERGE_JOURNAL, LOCK_NAME}
_NOTES = re.compile(r"(found_faces|extraction|faceset)-\d+(-[0-9a-f]{8})?\.jsonl")
# Folders of pictures made of faces or frames: what their names look like.
_SHEETS = {
    "aligned_people": re.compile(r"person_\d+\.jpg|nobody\.jpg"),
    "aligned_mask": re.compile(r".+_mask\.jpg"),
    "aligned_debug_landmarks": re.compile(r".+_debug\.jpg"),
    MERGED_VIDEO: re.compile(r"\d{5,}(_mask)?\.(mp4|mov|mkv|avi|json)"),
}
_FORMATS = ("merged", "merged_png16", "merged_exr")  # each with its journal, its masks in NAME_mask
_CROP = re.compile(r"(.+)_\d+\.png")
_SET = re.compile(r"(damaged-)?set-\d{6,}")
_SET_FILES = frozenset({"weights.safetensors", "optimizer.safetensors", "history.f32", MANIFEST})
_MODEL_FILE = re.compile(
    r"preview\w*(-\w+)?\.png|history(-[\w-]+)?\.csv|(training|start)\.lock(\.json)?|snapshots\.jpg|time-lapse_[\w-]+\.mp4"
)
_BACKUP = re.compile(r"\d\d|(part|old)-[0-9a-f]{8}")


@dataclass
class OwnFiles:
    """Files by group, and foreign ones, which the program did not make. outlined: faces with outlines somebody drew."""

    own: dict[FileGroup, list[Path]] = field(default_factory=dict)
    foreign: list[Path] = field(default_factory=list)
    outlined: int = 0

    def add(self, path: Path, kind: FileGroup | None = None) -> None:
        """Add a file. kind: its group where its folder tells; None: by its name alone."""
        if kind is None and (path.name in _PLAIN or _NOTES.fullmatch(path.name) or is_part(path.name)):
            kind = "other files"
        if kind is None or path.is_symlink():  # the program makes no links
            self.foreign.append(path)
        else:
            self.own.setdefault(kind, []).append(path)


def find_own_files(workspace: Workspace, folders: list[Path]) -> OwnFiles:
    """Scan data_src, data_dst and model, those that `folders` names. Links are foreign and never entered."""
    found = OwnFiles()
    sides: tuple[Side, Side] = ("src", "dst")
    for side in sides:
        if workspace.frames(side) in folders:
            _scan_side(workspace, side, found)
    if workspace.model in folders:
        _scan_models(workspace.model, found)
    return found


def _scan_side(workspace: Workspace, side: Side, found: OwnFiles) -> None:
    folder = workspace.frames(side)
    is_frame = _frames_of(workspace, side)
    stems = {path.stem for path in list_pictures(folder)} | _named_frames(workspace, side)
    for path in _files(folder):
        found.add(path, "frames" if is_frame(path.name) else None)
    for child in _folders(folder):
        name = child.name
        if name in _SHEETS:
            _take_named(child, found, _SHEETS[name])
        elif re.fullmatch(r"aligned(_before_\d+)?_debug", name):
            _take(child, found, lambda path: "other files" if path.suffix == ".jpg" and path.stem in stems else None)
        elif name == "aligned" or name.startswith("aligned_"):
            _scan_faces(child, found)
        elif re.fullmatch(rf"{FRAMES_BEFORE_DENOISE}(_\d+)?|{FRAMES_DENOISING}", name):
            _take(child, found, lambda path: "frames" if is_frame(path.name) else None)
        elif name == MERGED_SET_ASIDE:
            for made in _folders(child):
                _scan_merged(made, folder, found)
            _take(child, found, lambda path: None, deep=False)
        elif name.startswith("merged"):
            _scan_merged(child, folder, found)
        else:
            found.foreign += _all_files(child)


def _frames_of(workspace: Workspace, side: Side) -> Callable[[str], bool]:
    """Whether a name is that of a frame which was taken out of a clip here."""
    try:
        facts = read_facts(workspace.clip_facts(side))
        unfinished = workspace.clip_unfinished(side)
        source = Source.model_validate(read_json(unfinished)) if unfinished.is_file() else None
    except (UserError, ValueError):
        return lambda name: False
    names = frozenset(facts.frame_names() if facts else ())

    def is_frame(name: str) -> bool:
        stem = name.partition(".")[0]
        is_number = stem.isascii() and stem.isdigit()
        return name in names or bool(source and is_number and name == source.frame_name(int(stem)))

    return is_frame


def _named_frames(workspace: Workspace, side: Side) -> set[str]:
    """Stems of the frames that extraction has searched, whether they are still there or not."""
    stems = set()
    for file in (workspace.found_faces(side), workspace.extraction_journal(side)):
        try:
            content = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        stems |= {Path(name).stem for name in re.findall(r'"frame": ?"([^"\\]+)"', content)}
    return stems


def _scan_faces(folder: Path, found: OwnFiles) -> None:
    """A faceset's folder, with those of its persons."""
    listing = list_pictures_with_data(folder)
    faces = {face.name for face in listing.faces} | set(listing.lost_data)
    found.outlined += sum(bool(face.metadata.polygons) for face in listing.faces)
    for path in _files(folder):
        is_face = path.name in faces or (path.name == FACESET_PAK and _is_pack(path))
        found.add(path, "faces" if is_face else None)
    for child in _folders(folder):
        _scan_faces(child, found)


def _is_pack(path: Path) -> bool:
    try:
        read_members(path)
    except UserError:
        return False
    return True


def _scan_merged(folder: Path, frames: Path, found: OwnFiles) -> None:
    """A folder of merged pictures, masks or crops, or of earlier ones."""
    home = next((name for name in _FORMATS if folder.name in (name, f"{name}_mask")), "")
    if folder.name == MERGED_CROPS:
        made = set().union(*(MergeJournal(frames / name / MERGE_JOURNAL).stems for name in _FORMATS))
    elif home:
        made = MergeJournal(frames / home / MERGE_JOURNAL).stems
    else:
        found.foreign += _all_files(folder)
        return

    def kind(path: Path) -> FileGroup | None:
        crop = _CROP.fullmatch(path.name) if folder.name == MERGED_CROPS else None
        suffixes = (".json",) if folder.name == MERGED_CROPS else (".png", ".exr")
        is_made = (path.suffix in suffixes and path.stem in made) or (crop is not None and crop[1] in made)
        return "merged pictures" if is_made else None

    _take(folder, found, kind)


def _scan_models(folder: Path, found: OwnFiles) -> None:
    """Models of this program, each in a folder of its own, and the original's files."""
    prefixes = {file_prefix(name, kind) for name, kind in find_models(folder)}
    prefix = "|".join(sorted(map(re.escape, prefixes))) or "(?!)"
    own = re.compile(rf"({prefix})_(data\.dat|summary\.txt|\w+\.npy)|({'|'.join(KINDS)})_default_options\.dat")
    for path in _files(folder):
        found.add(path, "model files" if own.fullmatch(path.name) else None)
    for child in _folders(folder):
        if re.fullmatch(rf"({prefix})_(history|autobackups)", child.name):
            for path in _all_files(child):
                found.add(path, "model files")
        elif any(_SET.fullmatch(one.name) or one.name == "backups" for one in _folders(child)):
            _scan_model(child, found)
        else:
            found.foreign += _all_files(child)


def _scan_model(folder: Path, found: OwnFiles) -> None:
    """One model's folder, or one backup of it."""
    _take(folder, found, lambda path: "model files" if _MODEL_FILE.fullmatch(path.name) else None, deep=False)
    for child in _folders(folder):
        if _SET.fullmatch(child.name):
            _take(child, found, lambda path: "model files" if path.name in _SET_FILES else None)
        elif child.name == "backups":
            for backup in _folders(child):
                if _BACKUP.fullmatch(backup.name):
                    _scan_model(backup, found)
                else:
                    found.foreign += _all_files(backup)
            found.foreign += _files(child)
        elif child.name == "history":
            for page in _folders(child):
                _take(page, found, lambda path: "model files" if re.fullmatch(r"\d{7,}|_last", path.stem) else None)
            found.foreign += _files(child)
        elif child.name == "tensorboard":
            _take(child, found, lambda path: "model files" if path.name.startswith("events.out.tfevents.") else None)
        else:
            found.foreign += _all_files(child)


def _take_named(folder: Path, found: OwnFiles, names: re.Pattern[str]) -> None:
    """Add a folder's files by their names."""
    _take(folder, found, lambda path: "other files" if names.fullmatch(path.name) else None)


def _take(folder: Path, found: OwnFiles, kind: Callable[[Path], FileGroup | None], deep: bool = True) -> None:
    """Add a folder's files; what lies in folders in it (deep) is foreign."""
    for path in _files(folder):
        found.add(path, kind(path))
    for child in _folders(folder) if deep else ():
        found.foreign += _all_files(child)


def _files(folder: Path) -> list[Path]:
    """Files, and links to whatever."""
    return [path for path in folder.iterdir() if path.is_symlink() or not path.is_dir()]


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]


def _all_files(folder: Path) -> Iterator[Path]:
    yield from _files(folder)
    for child in _folders(folder):
        yield from _all_files(child)
