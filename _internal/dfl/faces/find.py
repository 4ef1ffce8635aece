"""Find every face of a frame: detector on the whole frame, on tiles and on turned frames; mesh, roll guard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.faces import roll, weights
from dfl.faces.blaze import Detector
from dfl.faces.confidence import confidence_of
from dfl.faces.landmarks68 import landmarks_of_mesh
from dfl.faces.mesh import MARGIN, Mesh, open_mesh_v1, open_mesh_v2
from dfl.faces.refine import refine_landmarks
from dfl.faces.square import Square, iou, tiles, whole_frame

Setting = Literal["fast", "thorough", "best"]
_MIN_SCORE = 0.5
# Detections below _MIN_SCORE, down to _WEAK_SCORE, and all those in turned frames need two witnesses: the small
# detector and the mesh. Checked one by one in 11 clips: leaves and hands reached 0.55 and 4.1, and nothing but faces
# was above both limits.
_WEAK_SCORE = 0.2
_WITNESS_SCORE = 0.6
_WITNESS_PRESENCE = 3.0
# Of 130 detections checked in six clips, hair, fists, bottles and a coat of arms gave mesh v1 -1.9 and less, small
# faces 0 and more.
_WITNESS_PRESENCE_V1 = -1.0
# Size of the window in which the detector confirms a face whose mesh has low presence, in squares of the mesh.
_WITNESS_WINDOW = 2.0
# Meshes of faces have 0.58 to 1.74 times the size of the detector's box; one on a cap's badge shrank to 0.1.
_LARGEST_GROWTH = 2.0
_V1_PASSES = 2
_V2_PASSES = {"fast": 1, "thorough": 2, "best": 1}
# Crops of each face whose mean is taken after the passes.
_BEST_CROPS = 4
# Mesh v1's logit for p = 0.5, and mesh v2's: both say "rather a face than not".
_MIN_PRESENCE = 0.0
_SAME_FACE_OVERLAP = 0.4
# The smallest face worth a tile: this share of the frame's longer side, and so many pixels.
_MIN_FACE_SHARE = 0.02
_MIN_FACE_SIZE = 18


# A face that is followed from frame to frame: how far its box may move or grow.
_FOLLOWED_OVERLAP = 0.4
# Followed faces were below this where a hand, an edge or a profile made them worth another detection (12 clips).
_DOUBTFUL_PRESENCE = 9.0
# The detector finds faces of at least this share of the size of its input.
_MIN_SHARE = 0.045
# A tile of less than this share of the frame's longer side shows something new.
_LARGEST_TILE = 0.6


@dataclass(frozen=True, eq=False)
class FoundFace:
    """One face of a frame, in frame pixels.

    box: (4,) float32 left, top, right, bottom around the face's mesh; may reach beyond the frame.
    landmarks: (68, 2) float32 in the iBUG order.
    confidence: 0..1, see confidence_of: the chance that the landmarks are right.
    square: where the next frame is searched for this face; None for faces that cannot be followed.
    is_doubtful: detection should run again before the face is followed further.
    """

    box: NDArray[np.float32]
    landmarks: Points
    confidence: float
    square: Square | None = None
    is_doubtful: bool = False

    @property
    def area(self) -> float:
        """Area of the box, square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


class FaceFinder:
    """Finds faces with MediaPipe's networks on one thread. The same frame gives the same faces.

    setting: `thorough` runs the landmark network twice on every new face and also uses weak detections, tiles and
    turned frames; `best` also takes the mean over four crops of every face; `fast` runs it once on the upright frame.
    with_mesh_v2: use the landmark network where its file is there (see weights); without it the older mesh does all.
    min_size: of the faces that tiles are made for, in frame pixels; 0 takes a fiftieth of the frame's longer edge, at
    least 18. UserError when another network's file is missing.
    """

    def __init__(self, setting: Setting = "thorough", with_mesh_v2: bool = True, min_size: int = 0) -> None:
        mesh_v2 = weights.mesh_v2_file() if with_mesh_v2 else None
        self._detector = Detector(weights.package_file("face_detection_back.tflite"))
        self._guard = Detector(weights.package_file("face_detection_short_range.tflite"))
        self._mesh_v1 = open_mesh_v1(weights.package_file("face_landmark.tflite"))
        self._mesh_v2 = open_mesh_v2(mesh_v2) if mesh_v2 else None
        self._v2_passes = _V2_PASSES[setting]
        self._crops = _BEST_CROPS if setting == "best" else 0
        self._is_thorough = setting != "fast" and mesh_v2 is not None
        self._min_size = min_size

    def find(self, frame: Picture, known: Sequence[FoundFace] = ()) -> list[FoundFace]:
        """All faces of a frame (H, W, 3) uint8 BGR, largest first.

        known: faces of this frame that were followed into it. They are not detected again and come out as they are.
        """
        faces = list(known)
        for number, window in enumerate(self._windows(frame)):
            if number and faces and not self._is_thorough:
                break
            faces += [self._face(mesh) for mesh in self._new_meshes(frame, window, number == 0, faces)]
        return sorted(_nms(faces), key=lambda face: (-face.area, float(face.box[0]), float(face.box[1])))

    def follow(self, frame: Picture, face: FoundFace) -> FoundFace | None:
        """The same face in the next (or last) frame of a clip; None when it is not there any more.

        It costs a seventh of `find`, and the landmarks lie within 0.3 % of the face of those that `find` gives.
        """
        if self._mesh_v2 is None or face.square is None:
            return None
        mesh = self._mesh_v2.find(frame, face.square)
        if mesh.presence < _MIN_PRESENCE or iou(mesh.box, face.box) < _FOLLOWED_OVERLAP:
            return None
        if mesh.presence < _WITNESS_PRESENCE:
            window = Square(mesh.square.x, mesh.square.y, mesh.square.size * _WITNESS_WINDOW, mesh.square.roll)
            if self._detector.find_central(frame, window, _MIN_SCORE) is None:
                return None
        return self._face(self._refined(frame, mesh))

    def _windows(self, frame: Picture) -> Iterator[Square]:
        """The detector's windows, one after another."""
        yield whole_frame(frame)
        if self._is_thorough:
            longer = max(frame.shape[:2])
            min_size = self._min_size or max(_MIN_FACE_SHARE * longer, _MIN_FACE_SIZE)
            tile = min_size / _MIN_SHARE
            if tile < _LARGEST_TILE * longer:
                yield from tiles(frame, tile)
        # Turned frames last: tried first, they give false detections.
        yield from (whole_frame(frame, turn) for turn in roll.TURNS[1:])

    def _new_meshes(self, frame: Picture, window: Square, is_whole: bool, known: Sequence[FoundFace]) -> Iterator[Mesh]:
        """Meshes of the faces in a window that are not among the known ones.

        Detections that are weak, or not of the upright whole frame (is_whole), need witnesses.
        """
        least_score = _WEAK_SCORE if self._is_thorough and not window.roll else _MIN_SCORE
        for detection in self._detector.find(frame, window, least_score):
            square = detection.square
            if any(_covers(face, square) for face in known):
                continue
            is_weak = detection.score < _MIN_SCORE or not is_whole
            if is_weak and not (self._is_seen_by_guard(frame, square) and self._is_seen_by_older_mesh(frame, square)):
                continue
            mesh = self._upright(frame, self._mesh(frame, square))
            least_presence = _WITNESS_PRESENCE if is_weak else _MIN_PRESENCE
            if mesh.presence > least_presence and _has_size_of(mesh, square):
                yield mesh

    def _is_seen_by_guard(self, frame: Picture, square: Square) -> bool:
        """Whether the small detector sees the face of a detection too."""
        window = Square(square.x, square.y, square.size * roll.WINDOW, square.roll)
        return self._guard.find_central(frame, window, _WITNESS_SCORE) is not None

    def _is_seen_by_older_mesh(self, frame: Picture, square: Square) -> bool:
        """Whether mesh v1 accepts a detection; hair and bottles give it fewer false positives than mesh v2."""
        start = Square(square.x, square.y, square.size * MARGIN, square.roll)
        return self._mesh_v1.refine(frame, start, _V1_PASSES).presence > _WITNESS_PRESENCE_V1

    def _mesh(self, frame: Picture, square: Square) -> Mesh:
        """The mesh of the face in a detector's square: v1 first, as v2 alone loses weak faces, then v2."""
        start = Square(square.x, square.y, square.size * MARGIN, square.roll)
        first = self._mesh_v1.refine(frame, start, _V1_PASSES)
        first = replace(first, older_presence=first.presence)
        if self._mesh_v2 is None:
            return first
        second = self._mesh_v2.refine(frame, first.square, self._v2_passes)
        if second.presence <= _MIN_PRESENCE < first.presence:
            return first
        return self._refined(frame, replace(second, older_presence=first.presence))

    def _refined(self, frame: Picture, mesh: Mesh) -> Mesh:
        """The mean over several crops of the face of a mesh v2, where the setting asks for it."""
        if self._mesh_v2 is None or not self._crops:
            return mesh
        return refine_landmarks(self._mesh_v2, frame, mesh, self._crops)

    def _upright(self, frame: Picture, mesh: Mesh) -> Mesh:
        """The mesh, or another one of the same face where its direction was wrong."""
        if self._mesh_v2 and mesh.presence >= roll.DOUBTFUL_PRESENCE:
            return mesh
        other = roll.other_direction(self._guard, frame, mesh)
        if other is None:
            return mesh
        new = self._mesh(frame, other.square)
        if self._mesh_v2:
            return new if roll.is_better(new, mesh) else mesh
        return new if new.presence > _MIN_PRESENCE else mesh

    def _face(self, mesh: Mesh) -> FoundFace:
        is_doubtful = mesh.presence < _DOUBTFUL_PRESENCE
        return FoundFace(mesh.box, landmarks_of_mesh(mesh), confidence_of(mesh), mesh.square, is_doubtful)


def _covers(face: FoundFace, square: Square) -> bool:
    """Whether the middle of a detector's square lies in the face's box."""
    left, top, right, bottom = face.box
    return bool(left <= square.x <= right and top <= square.y <= bottom)


def _has_size_of(mesh: Mesh, square: Square) -> bool:
    """Whether a mesh stayed about as large as the detector's square it was started in."""
    growth = mesh.square.size / MARGIN / square.size
    return 1 / _LARGEST_GROWTH < growth < _LARGEST_GROWTH


def _nms(faces: list[FoundFace]) -> list[FoundFace]:
    """Non-maximum suppression: of overlapping faces the one of highest confidence."""
    kept: list[FoundFace] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        if all(iou(face.box, other.box) <= _SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept
