"""Test-time augmentation of landmarks: the mean over several slightly shifted crops has less noise than one crop.

Measured on 114 faces, each in 6 noisy and slightly moved copies: four crops of which every second is mirrored leave
three quarters of the jitter of one, at every yaw; four unmirrored ones leave a little more, and eight are hardly
better. Squares by the alignment instead of the mesh's box gain nothing, and lose on turned faces.
"""

import math
from dataclasses import replace

import numpy as np

from dfl.base.pictures import Picture
from dfl.faces.mesh import MARGIN, Mesh, MeshNetwork
from dfl.faces.square import Square

# How the crops differ: shift to the face's right and down in sides of the square, scale, and turn in radians. Rows
# of a Hadamard matrix: over any four that follow one another from the start, each change cancels out.
_SHIFT, _SCALE, _TURN = 0.02, 0.03, 0.03
_SIGNS = ((1, 1, 1, 1), (1, -1, -1, 1), (-1, 1, -1, -1), (-1, -1, 1, -1))


def refine_landmarks(network: MeshNetwork, frame: Picture, mesh: Mesh, crops: int = 4, mirrored: bool = True) -> Mesh:
    """The mean over `crops` crops around a mesh that was found; its `spread` is how far they lie apart.

    frame: (H, W, 3) uint8 BGR. mirrored: every second crop is mirrored. Beyond four crops the pattern of shifts
    repeats with the signs changed. The presence is the mean over the crops.
    """
    meshes = [network.find(frame, _moved(mesh.square, number), mirrored and number % 2 == 1) for number in range(crops)]
    points = np.stack([one.points for one in meshes])  # (crops, 468, 2)
    mean = points.mean(axis=0)
    depth = np.stack([one.depth for one in meshes]).mean(axis=0)
    presence = float(np.mean([one.presence for one in meshes]))
    refined = replace(mesh, points=mean, depth=depth, presence=presence)
    apart = math.sqrt(float(((points - mean) ** 2).sum(axis=2).mean()))
    return replace(refined, spread=apart / (refined.square.size / MARGIN))


def _moved(square: Square, number: int) -> Square:
    """The square of one crop."""
    sign = -1 if number // len(_SIGNS) % 2 else 1
    right, down, scale, roll = (sign * value for value in _SIGNS[number % len(_SIGNS)])
    cos, sin = math.cos(square.roll) * square.size * _SHIFT, math.sin(square.roll) * square.size * _SHIFT
    return Square(
        square.x + right * cos - down * sin,
        square.y + right * sin + down * cos,
        square.size * (1 + scale * _SCALE),
        square.roll + roll * _TURN,
    )
