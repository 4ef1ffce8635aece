"""`dfl import weights`: the original's face detector, landmark networks and enhancer, out of an installation of it."""

from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.interop.options import ImportOptions
from dfl.interop.read_model import read_arrays
from dfl.models.engine import start_engine
from dfl.models.face_weights import FACE_NETWORKS, FaceNetwork, build_face_network, needed_arrays, save_face_network
from dfl.workspace import Workspace

# Where the files lie in an installation, from its outermost folder inwards.
_FACELIB_FOLDERS = (Path("_internal/DeepFaceLab/facelib"), Path("DeepFaceLab/facelib"), Path("facelib"), Path())
# The largest of the files has 133 MB with 32 bit numbers.
_MAX_BYTES = 512 * 2**20


def run(workspace: Workspace, options: ImportOptions, report: Report) -> None:
    """Check and import every face network that lies in the folder; one that was imported before is replaced.

    UserError when there is none, or, after the others are imported, when one is damaged.
    """
    found = find_weights(options.folder)
    report.line(f"Found in {options.folder}: {', '.join(path.name for path in found.values())}.")
    start_engine()
    refused: list[UserError] = []
    for name, path in report.track(found.items(), "networks", len(found)):
        try:
            file, left_out = _import(name, path)
        except UserError as error:
            report.warn(error.what)
            refused.append(error)
            continue
        if left_out:
            report.line(f"{path.name} holds arrays that the network does not have, left out: {', '.join(left_out)}.")
        report.line(f"{name}: {file}")
    if refused:
        raise UserError(
            f"{len(refused)} of {len(found)} networks could not be imported. The first: {refused[0].what}",
            refused[0].todo,
        )
    missing = [name for name in FACE_NETWORKS if name not in found]
    text = f"Imported {len(found)} of {len(FACE_NETWORKS)} networks"
    report.done(text + (f"; not there: {', '.join(missing)}." if missing else "."), networks=len(found))


def find_weights(folder: Path) -> dict[FaceNetwork, Path]:
    """The networks' files in an installation of the original, or in its facelib. UserError when there is none."""
    for facelib in _FACELIB_FOLDERS:
        files = {name: folder / facelib / f"{name}.npy" for name in FACE_NETWORKS}
        found = {name: file for name, file in files.items() if file.is_file()}
        if found:
            return found
    wanted = ", ".join(f"{name}.npy" for name in FACE_NETWORKS)
    raise UserError(
        f"{folder} holds none of {wanted}, and neither does a facelib in it.",
        "Give the folder of an installation of the original (it holds _internal), or its facelib.",
    )


def _import(name: FaceNetwork, path: Path) -> tuple[Path, list[str]]:
    """Read, check and store one network; returns its new file and the names of arrays that were left out."""
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise UserError(f"{path} has {size >> 20} MB, more than any of these networks.", "Use another copy of it.")
    arrays = {key.removesuffix(":0"): array for key, array in read_arrays(path).items()}
    needed = needed_arrays(build_face_network(name), arrays, path)
    return save_face_network(name, needed), sorted(set(arrays) - set(needed))
