"""Find every face of a frame: detector, mesh, roll guard, track."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.faces import roll, track, weights
from dfl.faces.blaze import Detector
from dfl.faces.landmarks68 import landmarks_of_mesh
from dfl.faces.mesh import MARGIN, Mesh, open_mesh_v1, open_mesh_v2
from dfl.faces.square import Square, overlap, whole_frame

Setting = Literal["thorough", "fast"]
_LEAST_SCORE = 0.5
# Detections below _LEAST_SCORE, down to _WEAK_SCORE, and all those in turned frames need two witnesses: the small
# detector and the mesh. Looked at one by one in 11 clips: leaves and hands reached 0.55 and 4.1, and nothing but faces
# was above both limits.
_WEAK_SCORE = 0.2
_WITNESS_SCORE = 0.6
_WITNESS_PRESENCE = 3.0
# Meshes of faces have 0.58 to 1.74 times the side of the detector's box; one on a cap's badge shrank to 0.1.
_LARGEST_GROWTH = 2.0
_V1_PASSES = 2
_V2_PASSES = {"thorough": 2, "fast": 1}
# Mesh v1's logit for p = 0.5, and mesh v2's: both say "rather a face than not".
_LEAST_PRESENCE = 0.0
_SAME_FACE_OVERLAP = 0.4


@dataclass(frozen=True, eq=False)
class FoundFace:
    """One face of a frame, in frame pixels.

    box: (4,) float32 left, top, right, bottom around the face's mesh; may reach beyond the frame.
    landmarks: (68, 2) float32 in the iBUG order.
    confidence: 0..1.
    square: where the next frame looks for this face when the detector loses it; None for faces that are not tracked.
    """

    box: NDArray[np.float32]
    landmarks: Points
    confidence: float
    square: Square | None = None

    @property
    def area(self) -> float:
        """Area of the box, square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


class FaceFinder:
    """Finds faces with MediaPipe's networks on one thread. The same frame and track give the same faces.

    setting: `thorough` runs the landmark network twice on every face and also looks at weak detections; `fast` runs it
    once. with_mesh_v2: use the landmark network where its file is there (see weights); without it the older mesh does
    all. UserError when another network's file is missing.
    """

    def __init__(self, setting: Setting = "thorough", with_mesh_v2: bool = True) -> None:
        mesh_v2 = weights.mesh_v2_file() if with_mesh_v2 else None
        self._detector = Detector(weights.package_file("face_detection_back.tflite"))
        self._guard = Detector(weights.package_file("face_detection_short_range.tflite"))
        self._mesh_v1 = open_mesh_v1(weights.package_file("face_landmark.tflite"))
        self._mesh_v2 = open_mesh_v2(mesh_v2) if mesh_v2 else None
        self._v2_passes = _V2_PASSES[setting]
        self._is_thorough = setting == "thorough" and mesh_v2 is not None

    def find(self, frame: Picture, before: Sequence[FoundFace] = ()) -> list[FoundFace]:
        """All faces of a frame (H, W, 3) uint8 BGR, largest first.

        before: the faces of the frame before; those that the detector misses now are looked for where they were.
        """
        meshes = self._detected(frame, 0.0)
        if self._mesh_v2:
            known = [(face.box, face.square) for face in before if face.square]
            for box, square in track.lost(known, meshes):
                mesh = track.regain(self._mesh_v2, frame, box, square, self._v2_passes)
                if mesh:
                    meshes.append(mesh)
        if not meshes:
            # Only now: turning first finds faces where there are none.
            meshes = next(filter(None, (self._detected(frame, turn) for turn in roll.TURNS[1:])), [])
        found = [self._face(mesh) for mesh in _without_doubles(meshes)]
        return sorted(found, key=lambda face: (-face.area, float(face.box[0]), float(face.box[1])))

    def _detected(self, frame: Picture, turn: float) -> list[Mesh]:
        """Meshes of the faces that the detector finds in the frame turned by `turn` radians."""
        meshes: list[Mesh] = []
        look_at_weak = self._is_thorough and turn == 0
        least_score = _WEAK_SCORE if look_at_weak else _LEAST_SCORE
        for detection in self._detector.find(frame, whole_frame(frame, turn), least_score):
            is_weak = detection.score < _LEAST_SCORE or turn != 0
            if is_weak and not self._is_worth_a_look(frame, detection.square, meshes):
                continue
            mesh = self._upright(frame, self._mesh(frame, detection.square))
            least_presence = _WITNESS_PRESENCE if is_weak else _LEAST_PRESENCE
            if mesh.presence > least_presence and _has_size_of(mesh, detection.square):
                meshes.append(mesh)
        return meshes

    def _is_worth_a_look(self, frame: Picture, square: Square, meshes: list[Mesh]) -> bool:
        """Whether a weak detection is no face that is found already, and the small detector sees it too."""
        if any(_covers(mesh, square) for mesh in meshes):
            return False
        window = Square(square.x, square.y, square.side * roll.WINDOW, square.roll)
        return self._guard.find_central(frame, window, _WITNESS_SCORE) is not None

    def _mesh(self, frame: Picture, square: Square) -> Mesh:
        """The mesh of the face in a detector's square: v1 first, as v2 alone loses weak faces, then v2."""
        start = Square(square.x, square.y, square.side * MARGIN, square.roll)
        first = self._mesh_v1.refine(frame, start, _V1_PASSES)
        if self._mesh_v2 is None:
            return first
        second = self._mesh_v2.refine(frame, first.square, self._v2_passes)
        if second.presence <= _LEAST_PRESENCE < first.presence:
            return first
        return second

    def _upright(self, frame: Picture, mesh: Mesh) -> Mesh:
        """The mesh, or another one of the same face when it turns out to be put on in the wrong direction."""
        if self._mesh_v2 and mesh.presence >= roll.DOUBTFUL_PRESENCE:
            return mesh
        other = roll.other_direction(self._guard, frame, mesh)
        if other is None:
            return mesh
        new = self._mesh(frame, other.square)
        if self._mesh_v2:
            return new if roll.is_better(new, mesh) else mesh
        return new if new.presence > _LEAST_PRESENCE else mesh

    def _face(self, mesh: Mesh) -> FoundFace:
        confidence = 1 / (1 + math.exp(-min(max(mesh.presence, -80.0), 80.0)))
        return FoundFace(mesh.box, landmarks_of_mesh(mesh), confidence, mesh.square)


def _covers(mesh: Mesh, square: Square) -> bool:
    """Whether the middle of a detector's square lies in the mesh's box."""
    left, top, right, bottom = mesh.box
    return bool(left <= square.x <= right and top <= square.y <= bottom)


def _has_size_of(mesh: Mesh, square: Square) -> bool:
    """Whether a mesh stayed about as large as the detector's square it was started in."""
    growth = mesh.square.side / MARGIN / square.side
    return 1 / _LARGEST_GROWTH < growth < _LARGEST_GROWTH


def _without_doubles(meshes: list[Mesh]) -> list[Mesh]:
    """Of meshes that lie on one another, the most present."""
    kept: list[Mesh] = []
    for mesh in sorted(meshes, key=lambda mesh: -mesh.presence):
        if all(overlap(mesh.box, other.box) <= _SAME_FACE_OVERLAP for other in kept):
            kept.append(mesh)
    return kept
