"""Stage `compare-snapshots`: backups and newest checkpoint of a model on the same faces, as a table and as pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, contact_sheet, write_picture
from dfl.base.report import Report
from dfl.models.backups import list_backups
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.kinds import kind_of
from dfl.models.open_model import find_model
from dfl.training.options import CompareOptions
from dfl.training.training_faces import faces_to_train_on
from dfl.workspace import Workspace

if TYPE_CHECKING:
    from dfl.training.objectives.objective import Arrays

_SHEET_FACES, _SHEET_HEIGHT = 6, 160
_BATCH = 4
SHEET = "snapshots.jpg"


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint or backup: its label in the table, and the folder that read_checkpoint opens."""

    label: str
    folder: Path


@dataclass(frozen=True)
class Quality:
    """Reconstruction error of a snapshot, means over all faces.

    dssim: (1 - SSIM) / 2 inside the mask, 0 is equal. mask: mean absolute error of the masks, both sides, 0..1.
    """

    dssim_src: float
    dssim_dst: float
    mask: float


def run(workspace: Workspace, options: CompareOptions, report: Report) -> None:
    """Compare; writes `snapshots.jpg` into the model's folder. See `dfl compare-snapshots --help`."""
    chosen = find_model(workspace.model, options.name, options.model)
    if chosen is None:
        raise UserError(f"There is no such model in {workspace.model}.", "`dfl models` lists what there is.")
    folder = model_folder(workspace.model, *chosen)
    snapshots = _snapshots(folder, options.snapshots)
    newest = read_checkpoint(folder, report.warn)
    report.line(str(start_engine(options.engine)))
    batches = _faces(workspace, newest, options.faces, report)
    rows, lines = [_shown_faces(batches)], list[tuple[str, int, Quality]]()
    for snapshot in report.track(snapshots, "Snapshots", len(snapshots)):
        try:
            saved = read_checkpoint(snapshot.folder)
        except UserError as error:
            report.warn(f"{error.what} It is left out.")
            continue
        quality, swapped = _measure(saved, batches, folder.name)
        lines.append((snapshot.label, saved.iteration, quality))
        rows.append(swapped)
    _report_quality(lines, report)
    sheet = folder / SHEET
    write_picture(sheet, contact_sheet(rows, _SHEET_HEIGHT))
    report.done(f"{sheet}: dst's faces, then the swaps of {len(lines)} snapshots.", snapshots=len(lines))


def _snapshots(folder: Path, wanted: str) -> list[Snapshot]:
    """Backups from old to new, then the newest checkpoint. wanted: numbers of backups, comma-separated; empty: all."""
    backups = {f"{backup.number:02d}": backup.folder for backup in list_backups(folder)}
    numbers = [part.strip().zfill(2) for part in wanted.split(",") if part.strip()] if wanted else list(backups)
    missing = [number for number in numbers if number not in backups]
    if missing:
        have = ", ".join(backups) or "none"
        raise UserError(f"{folder.name} has no backup {', '.join(missing)}. Backups: {have}.", "Choose of these.")
    found = [Snapshot(f"backup {number}", backups[number]) for number in sorted(numbers, reverse=True)]
    return [*found, Snapshot("newest", folder)]


def _faces(workspace: Workspace, saved: Checkpoint, count: int, report: Report) -> "list[Arrays]":
    """Batches of the model's validation faces, else of faces that it was trained on; reports which."""
    from dfl.training.monitoring.validation_loss import split_sides, validation_batches

    # The validation split depends on the list of faces, which must be the same as in training.
    faces = faces_to_train_on(workspace, saved.class_name, saved.options | {"pretrain": False}, None, report)
    held_count = int(saved.state.get("held_out", 0))
    _, held = split_sides(faces, held_count, int(saved.state.get("seed", 0)))
    if all(held.values()):
        chosen = {side: held[side][:count] for side in held}
        report.line(f"Compared on {min(map(len, chosen.values()))} faces of each side that it was not trained on.")
    else:
        chosen = {side: found[:: max(1, len(found) // count)][:count] for side, found in faces.items()}
        report.line(
            f"Compared on {min(map(len, chosen.values()))} faces of each side that it was trained on: none were held "
            "out."
        )
    return list(validation_batches(chosen, kind_of(saved.class_name).read_options(saved.options), _BATCH))


def _measure(saved: Checkpoint, batches: "list[Arrays]", name: str) -> tuple[Quality, list[Picture]]:
    """A snapshot's errors, and its swaps of the first faces."""
    from dfl.models.open_model import build_network, set_weights

    network: Any = build_network(saved.class_name, saved.options)
    set_weights(network, saved.weights, name)
    compare = comparison(network)
    src, dst, masks, swapped = (
        np.concatenate(parts) for parts in zip(*(compare(batch) for batch in batches), strict=True)
    )
    return Quality(float(src.mean()), float(dst.mean()), float(masks.mean()) / 2), _pictures(swapped)


def comparison(network: Any) -> "Callable[[Arrays], tuple[NDArray[np.float32], ...]]":
    """A compiled function of batches of any size: DSSIM of src and dst (N,), error of the masks, swaps of dst."""
    from dfl.models.compiled import compiled
    from dfl.training.losses.similarity import dssim

    def compare(src: Any, dst: Any, src_mask: Any, dst_mask: Any, *extra: Any) -> tuple[Any, ...]:
        src_face, src_pred_mask, dst_face, dst_pred_mask = network.reconstruct(src, dst, *extra)
        swapped = network.swap(dst)[0]
        size = max(1, int(src.shape[1] / 11.6))
        return (
            dssim(src * src_mask, src_face * src_mask, size),
            dssim(dst * dst_mask, dst_face * dst_mask, size),
            abs(src_mask - src_pred_mask) + abs(dst_mask - dst_pred_mask),
            swapped,
        )

    run_compare = compiled(compare)
    names = ("src_target", "dst_target", "src_mask", "dst_mask")

    def compare_batch(batch: "Arrays") -> tuple[NDArray[np.float32], ...]:
        extra = (array for name, array in batch.items() if not name.startswith(("src_", "dst_")))
        return run_compare(*(batch[name] for name in names), *extra)

    return compare_batch


def _shown_faces(batches: "list[Arrays]") -> list[Picture]:
    return _pictures(np.concatenate([batch["dst_target"] for batch in batches]))


def _pictures(faces: NDArray[np.float32]) -> list[Picture]:
    return list((np.clip(faces[:_SHEET_FACES], 0, 1) * 255 + 0.5).astype(np.uint8))


def _report_quality(lines: list[tuple[str, int, Quality]], report: Report) -> None:
    """The table, and which snapshot is best."""
    if not lines:
        raise UserError("No snapshot could be read.", "See the warnings above.")
    report.line(f"{'':12} {'iteration':>10} {'DSSIM src':>10} {'DSSIM dst':>10} {'mask error':>10}")
    for label, iteration, quality in lines:
        report.line(
            f"{label:12} {iteration:10d} {quality.dssim_src:10.4f} {quality.dssim_dst:10.4f} {quality.mask:10.4f}"
        )
    best = min(lines, key=lambda line: line[2].dssim_src + line[2].dssim_dst)
    report.line(f"Nearest to the faces: {best[0]}, iteration {best[1]}.")
