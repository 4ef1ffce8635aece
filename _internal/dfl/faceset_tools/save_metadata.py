"""The stage `save-metadata`: the face data of all pictures of a faceset, saved in the same folder.

Twice: in meta.dat as the original does (JPEGs), and in faceset.json with a perceptual hash of every picture, so that
restore-metadata recognises pictures that were renamed.
"""

from pathlib import Path

from dfl.base import jpeg
from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faceset.faceset import Listing, check_is_unpacked, list_pictures_with_data
from dfl.faceset.meta_dat import read_meta_dat, write_meta_dat
from dfl.faceset.perceptual_hash import perceptual_hashes
from dfl.faceset.rename import finish_renaming
from dfl.faceset.sidecar import SidecarEntry, add_to_index
from dfl.faceset_tools.options import SaveMetadataOptions
from dfl.workspace import FACESET_INDEX, META_DAT, Workspace


def run(workspace: Workspace, options: SaveMetadataOptions, report: Report) -> None:
    """Save the face data of a side's pictures. UserError when there are none, or when faceset.json is damaged."""
    folder = workspace.aligned(options.side)
    finish_renaming(folder, report)
    listing = list_pictures_with_data(folder)
    listing.report_problems(report)
    if not listing.faces:
        check_is_unpacked(folder, options.side)
        raise listing.no_faces_error(f"Run extract-faces {options.side} first.")
    entries = {}
    hashes = perceptual_hashes((face.display_path, face.read_content) for face in listing.faces)
    for face, found in report.track(zip(listing.faces, hashes, strict=True), "Reading", len(listing.faces)):
        if isinstance(found, UserError):
            report.warn(f"{found.what} Its face data are saved without a perceptual hash.")
        entries[face.name] = SidecarEntry(face.metadata, face.shape, found if isinstance(found, bytes) else None)
    add_to_index(folder, entries)
    jpegs = {name: entry for name, entry in entries.items() if name.lower().endswith(jpeg.SUFFIXES)}
    if jpegs:
        write_meta_dat(folder / META_DAT, _still_wanted(folder, listing) | jpegs)
    saved = f"{META_DAT} and {FACESET_INDEX}" if jpegs else FACESET_INDEX
    report.done(f"{folder}: the face data of {len(entries)} pictures are in {saved}.", saved=len(entries))


def _still_wanted(folder: Path, listing: Listing) -> dict[str, SidecarEntry]:
    """What meta.dat has of pictures that lost their data since: a second saving must not lose these."""
    path = folder / META_DAT
    if not path.is_file():
        return {}
    without_data = {*listing.lost_data, *listing.without_data}
    return {name: entry for name, entry in read_meta_dat(path).items() if name in without_data}
