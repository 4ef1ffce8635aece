"""The stage `restore-metadata`: give pictures that an editor rewrote their face data back.

From meta.dat, as in the original: every JPEG that it names gets what was saved, if it is still that face; outlines that
were drawn since stay. From faceset.json: pictures without face data, recognised by name or perceptual hash. A picture
that was enlarged or shrunk keeps its size: its data are scaled. meta.dat is deleted at the end, when all that was
written is verified and no picture is left without data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dfl.base import jpeg, pickle_writer
from dfl.base.errors import UserError
from dfl.base.files import write_bytes
from dfl.base.listing import list_pictures
from dfl.base.report import Report
from dfl.base.system_errors import to_user_error
from dfl.base.wording import first_few
from dfl.faceset.aligned_face import with_metadata
from dfl.faceset.face_metadata import FaceMetadata, metadata_to_dict
from dfl.faceset.faceset import FaceFile, list_pictures_with_data, read_face_file
from dfl.faceset.meta_dat import read_meta_dat
from dfl.faceset.perceptual_hash import match_hashes, perceptual_hashes
from dfl.faceset.png_faces import picture_size
from dfl.faceset.rename import finish_renaming
from dfl.faceset.sidecar import Sidecar, SidecarEntry, add_to_index, read_index
from dfl.faceset_tools.options import RestoreMetadataOptions
from dfl.faceset_tools.resized_face import scaled_metadata
from dfl.workspace import FACESET_INDEX, META_DAT, Workspace


@dataclass(frozen=True, eq=False)
class _Job:
    """A picture and the face data that it gets. is_jpeg: it carries them itself."""

    path: Path
    entry: SidecarEntry
    is_jpeg: bool


def run(workspace: Workspace, options: RestoreMetadataOptions, report: Report) -> None:
    """Give a side's pictures their face data back. UserError when nothing was saved, or when what was is damaged."""
    folder = workspace.aligned(options.side)
    finish_renaming(folder, report)
    meta_dat = folder / META_DAT
    saved = read_meta_dat(meta_dat) if meta_dat.is_file() else {}
    index = read_index(folder)
    if not saved and not index.rows:
        raise UserError(
            f"There is neither {META_DAT} nor {FACESET_INDEX} in {folder}, which hold the faces' data.",
            f"Put the one back that lay beside the pictures, or extract the faces again. The next time run "
            f"save-metadata {options.side} before pictures are edited.",
        )
    faces = {face.name: face for face in list_pictures_with_data(folder).faces}
    without_data = [path for path in list_pictures(folder) if path.name not in faces]
    jobs, failed = _reset(faces.values(), saved, report)
    found, unknown, damaged = _recognise(without_data, saved, index, report)
    jobs += found
    failed += damaged
    not_written = _apply(folder, jobs, report)
    failed += not_written
    problems = [*failed, *(f"{name} is none of the saved faces." for name in unknown)]
    if problems:
        report.warn(f"{folder}: {len(problems)} pictures stay as they are: {first_few(problems, ' ')}")
    if meta_dat.is_file() and not problems:
        meta_dat.unlink()
    kept = f" {META_DAT} is kept." if meta_dat.is_file() else ""
    restored = len(jobs) - len(not_written)
    report.done(f"{folder}: {restored} pictures have their face data back.{kept}", restored=restored)


def _reset(
    faces: Iterable[FaceFile], saved: Mapping[str, SidecarEntry], report: Report
) -> tuple[list[_Job], list[str]]:
    """JPEGs whose data are not what meta.dat says, and what is wrong with those that cannot get it.

    Those that carry another face's data stay as they are.
    """
    jobs, problems, others, drawn = [], [], [], 0
    for face in faces:
        entry = saved.get(face.name)
        if entry is None or not face.name.lower().endswith(jpeg.SUFFIXES):
            continue
        if not _is_same_face(face.metadata, entry.metadata):
            others.append(face.name)
            continue
        try:
            entry = _fitted(entry, face.shape[:2], str(face.path))
        except UserError as error:
            problems.append(error.what)
            continue
        if face.metadata.polygons and _polygons(face.metadata) != _polygons(entry.metadata):
            entry = replace(entry, metadata=replace(entry.metadata, polygons=face.metadata.polygons))
            drawn += 1
        if _pickled(face.metadata) != _pickled(entry.metadata):
            jobs.append(_Job(face.path, entry, is_jpeg=True))
    if drawn:
        report.line(f"{drawn} faces keep the outlines that were drawn since.")
    if others:
        report.warn(
            f"{len(others)} pictures carry another face's data than was saved under their name and stay as they are: "
            f"{first_few(others)}"
        )
    return jobs, problems


def _polygons(metadata: FaceMetadata) -> list[tuple[bool, list[list[float]]]]:
    return [(one.includes, one.points.tolist()) for one in metadata.polygons]


def _fitted(entry: SidecarEntry, size: tuple[int, int], name: str) -> SidecarEntry:
    """Face data for a picture of (height, width) pixels. UserError when it is not the same picture, only larger."""
    (height, width), (old_height, old_width, channels) = size, entry.shape
    if (height, width) == (old_height, old_width):
        return entry
    if abs(width * old_height - height * old_width) > max(old_height, old_width):  # a pixel more or less
        raise UserError(
            f"{name} is {width} x {height} pixels, its face data are for {old_width} x {old_height}: it was cut or "
            "stretched.",
            "Undo that in the editor, or extract the face again.",
        )
    return replace(entry, metadata=scaled_metadata(entry.metadata, old_width, width), shape=(height, width, channels))


def _is_same_face(one: FaceMetadata, other: FaceMetadata) -> bool:
    """Whether both are of one face of one frame: cut, masked or marked anew it stays the same."""
    same_landmarks = np.allclose(one.source_landmarks, other.source_landmarks, atol=0.01)
    return one.source_filename == other.source_filename and same_landmarks


def _pickled(metadata: FaceMetadata) -> bytes:
    """For comparing: numbers in their widest form, for faceset.json does not tell 32 from 64 bits."""
    rect, matrix = metadata.source_rect.astype(np.int64), metadata.image_to_face_mat
    if matrix is not None:
        matrix = matrix.astype(np.float64)
    return pickle_writer.dumps(metadata_to_dict(replace(metadata, source_rect=rect, image_to_face_mat=matrix)))


def _recognise(
    without_data: Sequence[Path], saved: Mapping[str, SidecarEntry], index: Sidecar, report: Report
) -> tuple[list[_Job], list[str], list[str]]:
    """Pictures without data: what they get, the names of those that are no saved face, and what is damaged."""
    hashes: dict[Path, bytes] = {}
    failed: list[str] = []
    computed = perceptual_hashes((str(path), path.read_bytes) for path in without_data)
    pairs = zip(without_data, computed, strict=True)
    for path, found_hash in report.track(pairs, "Hashing pictures", len(without_data)) if without_data else ():
        if isinstance(found_hash, UserError):
            failed.append(found_hash.what)
        else:
            hashes[path] = found_hash
    known = _known_hashes(index)
    names = list(known)
    numbers = {name: number for number, name in enumerate(names)}
    alike = match_hashes(
        list(hashes.values()), list(known.values()), [numbers.get(_saved_name(path, known), -1) for path in hashes]
    )
    jobs: list[_Job] = []
    unknown: list[str] = []
    for path, number in zip(hashes, alike, strict=True):
        name = names[number] if number >= 0 else _saved_name(path, {**index.rows, **saved})
        if number < 0 and name in known:
            name = ""  # another picture has got this name
        entry = saved.get(name) or index.get(name)
        if not entry:
            unknown.append(path.name)
            continue
        try:
            content = path.read_bytes()
            entry = _fitted(entry, picture_size(content, str(path)), str(path))
            jobs.append(_Job(path, entry, jpeg.is_jpeg(content)))
        except OSError as error:
            failed.append(to_user_error(error, path).what)
        except UserError as error:
            failed.append(error.what)
    return jobs, unknown, failed


def _known_hashes(index: Sidecar) -> dict[str, bytes]:
    """The perceptual hashes of all entries that are whole."""
    hashes = {}
    for name in index.rows:
        try:
            entry = index.get(name)
        except UserError:
            continue
        if entry and entry.perceptual_hash:
            hashes[name] = entry.perceptual_hash
    return hashes


def _saved_name(path: Path, names: Mapping[str, object]) -> str:
    """Under which name a picture's data were saved: its own, or that of a JPEG or PNG of its stem; empty when none."""
    own = [path.name, *(f"{path.stem}{suffix}" for suffix in (".jpg", ".png", ".webp"))]
    return next((name for name in own if name in names), "")


def _apply(folder: Path, jobs: Sequence[_Job], report: Report) -> list[str]:
    """Write every picture's data, then read all of them again; returns what went wrong, file by file."""
    failed: list[str] = []
    in_index = {job.path.name: job.entry for job in jobs if not job.is_jpeg}
    if in_index:
        add_to_index(folder, in_index)
    written: list[_Job] = []
    for job in report.track(jobs, "Restoring", len(jobs)) if jobs else ():
        try:
            if job.is_jpeg:
                content = job.path.read_bytes()
                write_bytes(job.path, with_metadata(content, job.entry.metadata, str(job.path)))
            written.append(job)
        except OSError as error:
            failed.append(to_user_error(error, job.path).what)
        except UserError as error:
            failed.append(error.what)
    index = read_index(folder) if in_index else Sidecar.empty()
    for job in report.track(written, "Verifying", len(written)) if written else ():
        face = read_face_file(job.path, lambda: index)
        if not face or _pickled(face.metadata) != _pickled(job.entry.metadata):
            failed.append(f"{job.path} was not written as it should be.")
    return failed
