"""The stage `recover-names`: faces get the names of their frames again, `00012_0.jpg`, as extraction gave them."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from dfl.base.listing import list_pictures
from dfl.base.report import Report
from dfl.base.wording import first_few
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_pictures_with_data
from dfl.faceset.file_names import name_key, why_unsafe
from dfl.faceset.rename import finish_renaming, rename_all
from dfl.faceset_tools.options import RecoverNamesOptions
from dfl.workspace import Workspace


def run(workspace: Workspace, options: RecoverNamesOptions, report: Report) -> None:
    """Rename a side's faces. UserError when there are none."""
    folder = workspace.aligned(options.side)
    finish_renaming(folder, report)
    listing = list_pictures_with_data(folder)
    listing.report_problems(report)
    if not listing.faces:
        check_is_unpacked(folder, options.side)
        raise listing.no_faces_error(f"Run extract-faces {options.side} first.")
    names = source_names(listing.faces, {path.name for path in list_pictures(folder)})
    nameless = [face.name for face in listing.faces if face.name not in names]
    if nameless:
        report.warn(
            f"{len(nameless)} faces lack the name of their frame, or it cannot be a file name: they keep their names: "
            f"{first_few(nameless)}"
        )
    changed = {old: new for old, new in names.items() if old != new}
    rename_all(folder, changed, report)
    report.done(f"{folder}: {len(changed)} of {len(listing.faces)} faces renamed.", renamed=len(changed))


def source_names(faces: Sequence[FaceFile], present: Collection[str]) -> dict[str, str]:
    """The new name of each face that knows its frame: the frame's stem and a number, counted in the faces' order.

    Frames of one stem (`a.png`, `a.jpg`) are counted together, so that no two faces get one name. Numbers whose name
    is that of another picture, one that is in `present` and stays, are left out.
    """
    stems = {face.name: Path(face.metadata.source_filename).stem for face in faces}
    stems = {name: stem for name, stem in stems.items() if stem and not why_unsafe(f"{stem}_0000000.jpg")}
    staying = {name_key(name) for name in present if name not in stems}
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for old, stem in stems.items():
        # Names of one stem may differ in suffix too: the number alone tells them apart.
        while _taken(new := f"{stem}_{counts[name_key(stem)]}{Path(old).suffix}", staying):
            counts[name_key(stem)] += 1
        counts[name_key(stem)] += 1
        names[old] = new
    return names


def _taken(name: str, staying: Collection[str]) -> bool:
    return name_key(name) in staying
