"""`dfl sort`: put a faceset's pictures into an order, which their names then show: 00000.jpg, 00001.jpg, ...

Most methods are the original's and give its order; where it left equal faces in the order in which its processes had
finished, they stay here in the order of their names. Which frame a face is from stays in its face data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures, natural_key
from dfl.base.memory import free_memory
from dfl.base.report import Report
from dfl.face_analysis.best_faces import best_faces, covering_faces
from dfl.face_analysis.clustering import NOBODY, distances_to_mean, group_people
from dfl.face_analysis.histograms import chain_of_similar, sums_of_distances
from dfl.face_analysis.measures import measure
from dfl.face_analysis.near_duplicates import near_duplicates
from dfl.face_analysis.pixel_chain import MAX_VALUES, chain_of_pixels
from dfl.face_analysis.poses import distances_to_nearest, enlargements, pitch_yaw, rectangle_areas
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_faceset, list_pictures_with_data, no_faces
from dfl.faceset.rename import finish_renaming, rename_all
from dfl.faceset.trash import move_to_trash
from dfl.faceset_tools.options import SortOptions
from dfl.workspace import Workspace

# Up to this size, and half of the free memory, all pixels of a faceset are compared, beyond it those of thumbnails.
_MAX_PIXEL_BYTES = 2**30

Order = tuple[list[int], list[int]]  # indices of the faces that stay, in order, and of those for the trash


@dataclass(frozen=True)
class _Subject:
    """What is sorted: the faces by name, a row of every measure for each, and what the user wants."""

    faces: list[FaceFile]
    values: dict[str, NDArray[Any]]
    options: SortOptions
    workspace: Workspace
    report: Report

    @property
    def poses(self) -> NDArray[np.float64]:
        return pitch_yaw(self.faces)


@dataclass(frozen=True)
class _Method:
    """How faces are ordered. loses_others: pictures without face data go to the trash, as in the original."""

    order: Callable[[_Subject], Order]
    measures: tuple[str, ...] = ()
    loses_others: bool = False


def run(workspace: Workspace, options: SortOptions, report: Report) -> None:
    """Sort a side's faceset; see `dfl sort --help`."""
    aligned = workspace.aligned(options.side)
    finish_renaming(aligned, report)
    check_is_unpacked(aligned, options.side)
    listing = list_pictures_with_data(aligned)
    if not listing.faces:
        raise listing.no_faces_error(f"Run `dfl extract-faces {options.side}` first.")
    listing.report_problems(report)
    method = _METHODS[options.by]
    kept, trash = _order(method, listing.faces, options, workspace, report)
    names = [face.name for face in listing.faces]
    thrown = [names[index] for index in trash]
    if method.loses_others:
        thrown += listing.without_data
    known = {*names, *thrown}
    last = [path.name for path in list_pictures(aligned) if path.name not in known]
    if thrown:
        folder = move_to_trash(aligned, thrown, f"sort by {options.by}")
        report.line(f"{len(thrown)} pictures moved to {folder}; `dfl restore {options.side}` puts them back.")
    ordered = [*(names[index] for index in kept), *last]
    rename_all(aligned, {name: f"{number:05d}{PurePath(name).suffix}" for number, name in enumerate(ordered)}, report)
    if last:
        report.line(f"Pictures without face data, and damaged ones, are the last {len(last)}.")
    report.done(f"{len(kept)} faces sorted by {options.by}.", sorted=len(kept), trashed=len(thrown), others=len(last))


def _order(method: _Method, faces: list[FaceFile], options: SortOptions, workspace: Workspace, report: Report) -> Order:
    """The method's order of all faces; those whose pictures cannot be measured are the last that stay."""
    values = measure(faces, method.measures, report, options.workers) if method.measures else {}
    readable = values.pop("readable", np.ones(len(faces), np.bool_))
    rows = np.flatnonzero(readable)
    subject = _Subject(
        [faces[row] for row in rows],
        {name: found[rows] for name, found in values.items()},
        options,
        workspace,
        report,
    )
    kept, trash = method.order(subject)
    unreadable = np.flatnonzero(~readable).tolist()
    return [int(rows[index]) for index in kept] + unreadable, [int(rows[index]) for index in trash]


def _all(order: NDArray[np.intp] | list[int]) -> Order:
    return [int(index) for index in order], []


def _sorted_by(measures: str, *, descending: bool = True, trash_zeros: bool = False) -> _Method:
    """By one value of the picture. trash_zeros: where it is 0 nothing was found to measure."""

    def order(subject: _Subject) -> Order:
        values = subject.values[measures].astype(np.float64)
        found = np.argsort(-values if descending else values, kind="stable")
        if trash_zeros:
            return found[values[found] > 0].tolist(), found[values[found] == 0].tolist()
        return _all(found)

    return _Method(order, (measures,), loses_others=trash_zeros)


def _descending(values: NDArray[np.float64]) -> Order:
    return _all(np.argsort(-values, kind="stable"))


def _by_name_of_frame(subject: _Subject) -> Order:
    sources = [face.metadata.source_filename for face in subject.faces]
    return _all(sorted(range(len(sources)), key=lambda index: natural_key(sources[index])))


def _one_face(subject: _Subject) -> Order:
    """Leave out all faces of frames that have more than one, by names such as 00012_1.jpg."""
    found = [_frame_and_number(face.name) for face in subject.faces]
    if not any(found):
        raise UserError(
            f"No picture in {subject.faces[0].path.parent} has a name such as 00012_0.jpg, which oneface goes by.",
            f"Run `dfl recover-names {subject.options.side}` first.",
        )
    several = {pair[0] for pair in found if pair and pair[1] != 0}
    if not several:
        subject.report.line("No frame has more than one face.")
    is_trash = [pair is not None and pair[0] in several for pair in found]
    return [index for index, goes in enumerate(is_trash) if not goes], [
        index for index, goes in enumerate(is_trash) if goes
    ]


def _frame_and_number(name: str) -> tuple[int, int] | None:
    """The two numbers in a name such as 00012_1.jpg."""
    parts = PurePath(name).stem.split("_")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    return None


def _pixels(subject: _Subject) -> Order:
    """All pixels where they fit into the memory, else those of thumbnails."""
    faces = subject.faces
    sizes = {face.shape[:2] for face in faces}
    values = 3 * max((height * width for height, width in sizes), default=0)
    most_bytes = min(_MAX_PIXEL_BYTES, free_memory() // 2)
    if len(sizes) <= 1 and values <= MAX_VALUES and values * len(faces) <= most_bytes:
        rows = np.empty((len(faces), values), np.uint8)
        for row, face in enumerate(subject.report.track(faces, "Reading faces", len(faces))):
            rows[row] = face.read_picture().ravel()
    else:
        rows = subject.values["thumbnail"].reshape(len(faces), -1).copy()
        subject.report.line("The faces are compared at 32 x 32 pixels: their sizes differ, or the memory is too small.")
    with subject.report.progress("Chaining faces", len(faces)) as progress:
        return _all(chain_of_pixels(rows, subject.options.similar, progress.advance))


def _identity(subject: _Subject) -> Order:
    """Who has most faces comes first, each person's most typical faces first; NOBODY comes last."""
    descriptors = subject.values["descriptor"]
    people = group_people(descriptors)
    order: list[int] = []
    for person in range(1, int(people.max(initial=NOBODY)) + 1):
        rows = np.flatnonzero(people == person)
        order += rows[np.argsort(distances_to_mean(descriptors[rows]), kind="stable")].tolist()
        subject.report.line(f"Person {person}: {len(rows)} faces, up to {len(order) - 1:05d}")
    return order + np.flatnonzero(people == NOBODY).tolist(), []


def _near_duplicates(subject: _Subject) -> Order:
    groups = near_duplicates(subject.values["thumbnail"], subject.values["sharpness"], subject.report)
    several = [group for group in groups if len(group) > 1]
    subject.report.line(f"{sum(map(len, several))} faces are near equal to others, in {len(several)} groups.")
    if subject.options.remove:
        return [group[0] for group in groups], [index for group in groups for index in group[1:]]
    return [index for group in groups for index in group], []


def _near_poses_of_dst(subject: _Subject) -> Order:
    if subject.options.side != "src":
        raise UserError("dst-poses sorts the faces of src by how near they are to a pose of dst.", "Sort src by it.")
    others = list_faceset(subject.workspace.aligned("dst"), subject.report)
    if not others:
        raise no_faces(subject.workspace.aligned("dst"), "Run `dfl extract-faces dst` first.")
    return _descending(-distances_to_nearest(subject.poses, pitch_yaw(others)))


_METHODS = {
    "blur": _sorted_by("sharpness", trash_zeros=True),
    "motion-blur": _sorted_by("motion_sharpness", trash_zeros=True),
    "face-yaw": _Method(lambda subject: _descending(subject.poses[:, 1]), loses_others=True),
    "face-pitch": _Method(lambda subject: _descending(subject.poses[:, 0]), loses_others=True),
    "face-source-rect-size": _Method(lambda subject: _descending(rectangle_areas(subject.faces)), loses_others=True),
    "hist": _Method(
        lambda subject: _all(chain_of_similar(subject.values["histogram"], subject.report)), ("histogram",)
    ),
    "hist-dissim": _Method(
        lambda subject: _descending(sums_of_distances(subject.values["grey_histogram"], subject.report)),
        ("grey_histogram",),
    ),
    "brightness": _sorted_by("brightness"),
    "hue": _sorted_by("hue"),
    "black": _sorted_by("black", descending=False),
    "origname": _Method(_by_name_of_frame, loses_others=True),
    "oneface": _Method(_one_face),
    "absdiff": _Method(_pixels, ("thumbnail",)),
    "final": _Method(
        lambda subject: best_faces(subject.poses, subject.values["sharpness"], subject.options.target),
        ("sharpness",),
        loses_others=True,
    ),
    "final-fast": _Method(
        lambda subject: best_faces(subject.poses, rectangle_areas(subject.faces), subject.options.target),
        loses_others=True,
    ),
    "identity": _Method(_identity, ("descriptor",)),
    "near-duplicates": _Method(_near_duplicates, ("thumbnail", "sharpness")),
    "coverage": _Method(
        lambda subject: covering_faces(subject.poses, subject.values["sharpness"], subject.options.target),
        ("sharpness",),
        loses_others=True,
    ),
    "upscale": _Method(lambda subject: _descending(-enlargements(subject.faces))),
    "dst-poses": _Method(_near_poses_of_dst),
}
