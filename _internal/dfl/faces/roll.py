"""Guard against upside-down meshes.

The whole-frame detector finds a face at any roll, but beyond about +-100 degrees its points, and then the mesh, come
out upside down, eyes on the mouth, with full confidence. The small detector does not see faces that are not upright:
run at four rotations of the face's surroundings, it shows which way is up.
"""

import math

from dfl.base.pictures import Picture
from dfl.faces.blaze import Detection, Detector
from dfl.faces.mesh import MARGIN, Mesh
from dfl.faces.square import Square, angle_apart

# Meshes of right faces are rarely (1 in 7) below this presence of mesh v2; four of five upside-down ones are.
DOUBTFUL_PRESENCE = 20.0
# Presence that a mesh in the new direction needs to replace the old one, and how far below the old one it may be.
_MIN_PRESENCE = 11.0
_LOST_PRESENCE = 3.0
# Right turns score 0.82 and more; at 0.65 an upright face in a crowd was turned by 90 degrees.
_MIN_SCORE = 0.7
# With this score in the mesh's own direction no others are tried. Upside-down meshes reach 0.78.
_SURE_SCORE = 0.85
# Size of the small detector's window, in faces.
WINDOW = 2.0
_OTHER_DIRECTION = math.radians(45)
TURNS = (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)


def other_direction(detector: Detector, frame: Picture, mesh: Mesh) -> Detection | None:
    """The same face found in a direction more than 45 degrees from the mesh's; None when the mesh may be right.

    frame: (H, W, 3) uint8 BGR.
    """
    square = mesh.square
    size = square.size / MARGIN * WINDOW
    if detector.find_central(frame, Square(square.x, square.y, size, square.roll), _SURE_SCORE):
        return None
    best: Detection | None = None
    for turn in TURNS:
        window = Square(square.x, square.y, size, turn)
        found = detector.find_central(frame, window, _MIN_SCORE)
        if found and (best is None or found.score > best.score):
            best = found
    if best is None or angle_apart(best.square.roll, mesh.roll) <= _OTHER_DIRECTION:
        return None
    return best


def is_better(new: Mesh, old: Mesh) -> bool:
    """Whether a mesh v2 in another direction replaces the one found first."""
    return new.presence > max(old.presence - _LOST_PRESENCE, _MIN_PRESENCE)
