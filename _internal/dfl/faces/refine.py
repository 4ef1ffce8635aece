"""Place a face's landmarks by several looks at it, a little shifted, and take their mean: steadier than any one look.

Measured on 114 faces, each in 6 noisy and slightly moved copies: four looks of which every second is at the mirror
picture leave three quarters of one look's tremble, at every yaw; four unmirrored ones leave a little more, and eight
are hardly better. Squares laid by the alignment instead of the mesh's box gain nothing, and lose on turned faces.
"""

import math
from dataclasses import replace

import numpy as np

from dfl.base.pictures import Picture
from dfl.faces.mesh import MARGIN, Mesh, MeshNetwork
from dfl.faces.square import Square

# How the looks differ: shift to the face's right and down in sides of the square, scale, and turn in radians. Rows
# of a Hadamard matrix: over any four that follow one another from the start, each change cancels out.
_SHIFT, _SCALE, _TURN = 0.02, 0.03, 0.03
_SIGNS = ((1, 1, 1, 1), (1, -1, -1, 1), (-1, 1, -1, -1), (-1, -1, 1, -1))


def refine_landmarks(network: MeshNetwork, frame: Picture, mesh: Mesh, crops: int = 4, mirrored: bool = True) -> Mesh:
    """The mean of `crops` looks around a mesh that was found; its `spread` tells how far they lie apart.

    frame: (H, W, 3) uint8 BGR. mirrored: every second look is at the mirror picture. Beyond four looks the pattern
    of shifts comes again with the signs changed. The presence is the looks' mean.
    """
    looks = [network.find(frame, _moved(mesh.square, number), mirrored and number % 2 == 1) for number in range(crops)]
    points = np.stack([look.points for look in looks])  # (crops, 468, 2)
    mean = points.mean(axis=0)
    depth = np.stack([look.depth for look in looks]).mean(axis=0)
    presence = float(np.mean([look.presence for look in looks]))
    refined = replace(mesh, points=mean, depth=depth, presence=presence)
    apart = math.sqrt(float(((points - mean) ** 2).sum(axis=2).mean()))
    return replace(refined, spread=apart / (refined.square.size / MARGIN))


def _moved(square: Square, number: int) -> Square:
    """The square of one look."""
    sign = -1 if number // len(_SIGNS) % 2 else 1
    right, down, scale, roll = (sign * value for value in _SIGNS[number % len(_SIGNS)])
    cos, sin = math.cos(square.roll) * square.size * _SHIFT, math.sin(square.roll) * square.size * _SHIFT
    return Square(
        square.x + right * cos - down * sin,
        square.y + right * sin + down * cos,
        square.size * (1 + scale * _SCALE),
        square.roll + roll * _TURN,
    )
