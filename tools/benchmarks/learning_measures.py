"""Measures of a trained model on held-out faces and on frames of dst; used by tools.benchmarks.learning.

All are means. Held-out faces, unwarped, by training's formula at the model's size: `dssim_src`, `dssim_dst`; and in a
common square of 128 pixels of face type f, so that sizes and face types can be compared: `dssim128_src`, `_dst`.
`shift_src`, `shift_dst`: how far the reconstruction lies right of and below its target, in 64ths of the picture.
Swapped frames of dst, without colour transfer: `id_src`, `id_dst`, distance of dlib's descriptor to the mean one of src
and of dst; `points`, distance of the 468 mesh points from dst's own, `expression`, the same without its mean over
the frames, which is the other person's shape, `mouth` and `eyes`, that of the openings, in eye
distances; `sharpness`, gradient energy of the face over that of src's own faces; `flicker`, change from frame to frame
inside the mask beyond dst's own, in grey levels of 255.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import Picture, contact_sheet, read_picture, write_picture
from dfl.data.sample import SampleSettings, make_base
from dfl.faces import weights
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faces.find import FaceFinder
from dfl.faces.identity import descriptor
from dfl.faces.masks import hull_mask
from dfl.faces.mesh import MeshNetwork, open_mesh_v2
from dfl.faces.square import Square
from dfl.faceset.faceset import FaceFile
from dfl.models.checkpoint import read_checkpoint
from dfl.models.compiled import compiled
from dfl.models.open_model import build_network, set_weights
from dfl.training.losses.reconstruction import LossSettings, compare
from dfl.training.losses.similarity import dssim
from dfl.workspace import Side, Workspace

FloatArray = NDArray[np.float32]
COMMON = 128
SPREAD = STRETCH = 40  # frames for identity and points; consecutive ones for flicker
SRC_FACES = 60
BATCH = 8
EYES = (33, 263)  # outer corners, of the mesh
MOUTH, LIDS = (13, 14), ((159, 145), (386, 374))
SHEET_COLUMNS, SHEET_SIZE = 8, 160


@dataclass(frozen=True)
class DstFrame:
    """A frame of dst with its face. square, mesh, descriptor: of the spread frames alone."""

    frame: Picture
    landmarks: FloatArray
    square: Square | None = None
    mesh: FloatArray | None = None


@dataclass(frozen=True)
class Footage:
    """What does not depend on the model."""

    held_out: dict[Side, list[FaceFile]]
    spread: list[DstFrame]
    stretch: list[DstFrame]
    mean_descriptors: dict[Side, FloatArray]
    src_energy: float
    mesh: MeshNetwork


def read_footage(
    workspace: Workspace, faces: dict[Side, list[FaceFile]], held_out: dict[Side, list[FaceFile]]
) -> Footage:
    """Frames, meshes and descriptors of both people; faces: all of each side, in the clips' order."""

    def frame_of(side: Side, face: FaceFile) -> Picture:
        return read_picture(workspace.frames(side) / str(face.metadata.source_filename))

    mesh_file = weights.mesh_v2_file()
    assert mesh_file is not None, "run dfl weights first"
    finder, mesh = FaceFinder("fast"), open_mesh_v2(mesh_file)
    spread, own = [], []
    for face in evenly_spaced(faces["dst"], SPREAD):
        frame, landmarks = frame_of("dst", face), face.metadata.source_landmarks
        found = min(finder.find(frame), key=lambda one: float(np.abs(one.landmarks - landmarks).mean()))
        assert found.square is not None
        spread.append(DstFrame(frame, landmarks, found.square, mesh.refine(frame, found.square, 2).points))
        own.append(descriptor(frame, landmarks))
    start = len(faces["dst"]) // 3
    stretch = [
        DstFrame(frame_of("dst", face), face.metadata.source_landmarks)
        for face in faces["dst"][start : start + STRETCH]
    ]
    src, energies = [], []
    for face in evenly_spaced(faces["src"], SRC_FACES):
        frame, landmarks = frame_of("src", face), face.metadata.source_landmarks
        src.append(descriptor(frame, landmarks))
        matrix = alignment_matrix(landmarks, COMMON, FaceType.FULL)
        energies.append(_energy(_cut(_unit(frame), matrix, COMMON), _common_mask(landmarks)))
    means: dict[Side, FloatArray] = {"src": np.mean(src, 0), "dst": np.mean(own, 0)}
    return Footage(held_out, spread, stretch, means, float(np.mean(energies)), mesh)


def measure(folder: Path, footage: Footage, sheet: Path) -> dict[str, float]:
    """All measures of the model in a folder; sheet: picture to write."""
    saved = read_checkpoint(folder, print)
    network = build_network(saved.class_name, saved.options)
    set_weights(network, saved.weights, folder.name)
    row = {"iteration": float(saved.iteration)}
    reconstruct: dict[Side, Callable[..., Any]] = {"src": compiled(lambda x: (network.reconstruct(x, x)[0],)),
                   "dst": compiled(lambda x: (network.reconstruct(x, x)[2],))}  # fmt: skip
    shown: list[list[Picture]] = []
    for side, function in reconstruct.items():
        targets, preds = _reconstructed(
            row, side, function, footage.held_out[side], network.resolution, network.face_type
        )
        if side == "src":
            shown += [_bytes(evenly_spaced(list(pictures), SHEET_COLUMNS)) for pictures in (targets, preds)]
    swap = compiled(lambda x: (network.swap(x)[0],))
    swapped, faces = _swapped(footage.spread, swap, network.resolution, network.face_type)
    row |= _of_swaps(footage, swapped, faces)
    row["flicker"] = _flicker(footage.stretch, *_swapped(footage.stretch, swap, network.resolution, network.face_type))
    of_frames = []
    for one, frame in evenly_spaced(list(zip(footage.spread, swapped, strict=True)), SHEET_COLUMNS):
        matrix = alignment_matrix(one.landmarks, SHEET_SIZE, FaceType.WHOLE)
        of_frames.append([_cut(_unit(one.frame), matrix, SHEET_SIZE), _cut(frame, matrix, SHEET_SIZE)])
    shown += [_bytes(pictures) for pictures in zip(*of_frames, strict=True)]
    write_picture(sheet, contact_sheet(shown, SHEET_SIZE))
    return row


def _reconstructed(
    row: dict[str, float], side: str, function: Callable[..., Any], faces: Sequence[FaceFile], size: int, kind: FaceType
) -> tuple[FloatArray, FloatArray]:
    """Put the measures of one side's held-out faces into `row`; targets and predictions."""
    read = [(face.read_picture(), face.metadata) for face in faces]
    own = [make_base(picture, metadata, SampleSettings(size, kind)) for picture, metadata in read]
    large = [make_base(picture, metadata, SampleSettings(COMMON, FaceType.FULL)) for picture, metadata in read]
    targets, masks = (np.stack([_unit(getattr(base, name)) for base in own]) for name in ("picture", "mask"))
    preds = np.clip(_in_batches(function, targets), 0, 1)
    row[f"dssim_{side}"] = _dssim(targets, masks, preds)
    shifts = _shifts(targets, preds)
    row[f"shift_x_{side}"], row[f"shift_y_{side}"] = (float(value) * 64 / size for value in np.median(shifts, axis=0))
    moved = []
    for pred, (_, metadata) in zip(preds, read, strict=True):
        to_common = _between(alignment_matrix(metadata.landmarks, size, kind),
                             alignment_matrix(metadata.landmarks, COMMON, FaceType.FULL))  # fmt: skip
        moved.append(
            cv2.warpAffine(pred, to_common, (COMMON, COMMON), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        )
    common, common_masks = (np.stack([_unit(getattr(base, name)) for base in large]) for name in ("picture", "mask"))
    row[f"dssim128_{side}"] = _dssim(common, common_masks, np.clip(np.stack(moved), 0, 1))
    return targets, preds


def _dssim(targets: FloatArray, masks: FloatArray, preds: FloatArray) -> float:
    settings = LossSettings(targets.shape[1])
    pair = compare(targets, masks[..., None], preds, settings)
    return float(ops.convert_to_numpy(ops.mean(dssim(pair.target, pair.pred, settings.dssim_filters[0]))))


def _shifts(targets: FloatArray, preds: FloatArray) -> FloatArray:
    """By phase correlation: (N, 2) pixels."""
    size = targets.shape[1]
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    pairs = zip(map(_grey, targets), map(_grey, preds), strict=True)
    return np.array([cv2.phaseCorrelate(target, pred, window)[0] for target, pred in pairs], np.float32)


def _swapped(
    frames: Sequence[DstFrame], swap: Callable[..., Any], size: int, kind: FaceType
) -> tuple[list[FloatArray], list[tuple[FloatArray, FloatArray]]]:
    """Frames with the swapped face under dst's hull, float32 0..1, and the face and its soft mask in frame pixels."""
    matrices = [alignment_matrix(one.landmarks, size, kind) for one in frames]
    inputs = np.stack(
        [np.clip(_cut(_unit(one.frame), matrix, size), 0, 1) for one, matrix in zip(frames, matrices, strict=True)]
    )
    faces = np.clip(_in_batches(swap, inputs), 0, 1)
    done, parts = [], []
    for one, matrix, face in zip(frames, matrices, faces, strict=True):
        frame = _unit(one.frame)
        shape = frame.shape[1::-1]
        common = alignment_matrix(one.landmarks, COMMON, FaceType.FULL)
        mask = cv2.GaussianBlur(cv2.erode(_common_mask(one.landmarks), np.ones((7, 7), np.uint8)), (0, 0), 3)
        soft = cv2.warpAffine(mask, common, shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)[..., None]
        back = cv2.warpAffine(face, matrix, shape, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        done.append(np.asarray(frame * (1 - soft) + np.clip(back, 0, 1) * soft, np.float32))
        to_common = _between(matrix, common)
        cut = cv2.warpAffine(face, to_common, (COMMON, COMMON), flags=cv2.INTER_CUBIC)
        parts.append((np.asarray(cut, np.float32), np.asarray(soft, np.float32)))
    return done, parts


def _of_swaps(
    footage: Footage, swapped: Sequence[FloatArray], faces: Sequence[tuple[FloatArray, FloatArray]]
) -> dict[str, float]:
    found: dict[str, list[float]] = {
        name: [] for name in ("id_src", "id_dst", "points", "expression", "mouth", "eyes", "sharpness")
    }
    moved = []
    for one, frame, (face, _) in zip(footage.spread, swapped, faces, strict=True):
        assert one.square is not None
        assert one.mesh is not None
        picture = np.asarray(np.rint(frame * 255), np.uint8)
        own = descriptor(picture, one.landmarks)
        points = footage.mesh.refine(picture, one.square, 2).points
        scale = float(np.linalg.norm(one.mesh[EYES[0]] - one.mesh[EYES[1]]))
        for side, mean in footage.mean_descriptors.items():
            found[f"id_{side}"].append(float(np.linalg.norm(own - mean)))
        moved.append((points - one.mesh) / scale)
        found["mouth"].append(abs(_gap(points, MOUTH) - _gap(one.mesh, MOUTH)) / scale)
        lids = [_gap(points, pair) - _gap(one.mesh, pair) for pair in LIDS]
        found["eyes"].append(abs(float(np.mean(lids))) / scale)
        found["sharpness"].append(_energy(face, _common_mask(one.landmarks)) / footage.src_energy)
    for name, offsets in (("points", np.array(moved)), ("expression", moved - np.mean(moved, axis=0))):
        found[name] = [float(np.linalg.norm(offsets, axis=2).mean())]
    return {name: float(np.mean(values)) for name, values in found.items()}


def _flicker(
    frames: Sequence[DstFrame], swapped: Sequence[FloatArray], parts: Sequence[tuple[FloatArray, FloatArray]]
) -> float:
    changes = []
    for index in range(1, len(frames)):
        soft = parts[index][1]
        ours = np.abs(swapped[index] - swapped[index - 1]) - np.abs(
            _unit(frames[index].frame) - _unit(frames[index - 1].frame)
        )
        changes.append(255 * float((ours * soft).sum()) / (3 * float(soft.sum())))
    return float(np.mean(changes))


def _in_batches(function: Callable[..., Any], pictures: FloatArray) -> FloatArray:
    """A function of batches, always of one size, which is compiled once."""
    missing = -len(pictures) % BATCH
    padded = np.concatenate([pictures, pictures[-1:].repeat(missing, axis=0)])
    done = [function(padded[start : start + BATCH])[0] for start in range(0, len(padded), BATCH)]
    return np.concatenate(done)[: len(pictures)]


def _between(one: Any, other: Any) -> Any:
    """From the aligned picture of one matrix to that of the other."""
    full = [np.vstack([matrix, [0, 0, 1]]) for matrix in (one, other)]
    return np.asarray((full[1] @ np.linalg.inv(full[0]))[:2])


def _cut(picture: FloatArray, matrix: Any, size: int) -> FloatArray:
    flags = cv2.INTER_AREA if abs(np.linalg.det(matrix[:, :2])) < 1 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _common_mask(landmarks: FloatArray) -> FloatArray:
    matrix = alignment_matrix(landmarks, COMMON, FaceType.FULL)
    points = cv2.transform(np.asarray(landmarks, np.float32)[:, None], matrix)[:, 0]
    return hull_mask((COMMON, COMMON), points)[..., 0]


def _energy(face: FloatArray, mask: FloatArray) -> float:
    """Mean squared gradient well inside the mask."""
    inner = cv2.erode(mask, np.ones((9, 9), np.uint8))
    grey = _grey(face)
    squares = sum((cv2.Sobel(grey, cv2.CV_32F, x, 1 - x, ksize=3) / 8) ** 2 for x in (0, 1))
    return float((squares * inner).sum() / inner.sum())


def _gap(points: FloatArray, pair: tuple[int, int]) -> float:
    return float(np.linalg.norm(points[pair[0]] - points[pair[1]]))


def _grey(picture: FloatArray) -> Any:
    return cv2.cvtColor(np.clip(picture, 0, 1).astype(np.float32), cv2.COLOR_BGR2GRAY)


def _unit(picture: Any) -> FloatArray:
    return np.asarray(picture, np.float32) * np.float32(1 / 255)


def _bytes(pictures: Sequence[FloatArray]) -> list[Picture]:
    return [np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8) for picture in pictures]
