"""Colour transfers computed the plain way, as the original program does: what the benchmarks compare with.

All take (H, W, 3) float32 BGR 0..1, the picture that changes first. dfl.imaging.colour_transfer and
colour_transport say what they are. For measuring alone.
"""

from typing import Any

import cv2
import numpy as np
from numpy.random import RandomState

from dfl.base.pictures import FloatPicture
from dfl.imaging.colour_transport import random_rotations


def plain_rct(target: Any, reference: Any, area: FloatPicture | None = None) -> Any:
    """rct; outside `area` (H, W, 1) both count as Lab (0, 0, 0) for the statistics."""
    lab, wanted = cv2.cvtColor(target, cv2.COLOR_BGR2LAB), cv2.cvtColor(reference, cv2.COLOR_BGR2LAB)
    own = lab.copy()
    if area is not None:
        own[area[..., 0] < 0.5] = 0
        wanted[area[..., 0] < 0.5] = 0
    for channel, (low, high) in enumerate([(0, 100), (-127, 127), (-127, 127)]):
        here, other = own[..., channel], wanted[..., channel]
        changed = (lab[..., channel] - here.mean()) * (other.std() / here.std()) + other.mean()
        lab[..., channel] = np.clip(changed, low, high)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)


def plain_idt(target: Any, reference: Any, random: RandomState) -> Any:
    """idt: 20 turns, 256 bins."""
    colours, given, rounds, bins = target.reshape(-1, 3).copy(), reference.reshape(-1, 3), 20, 256
    for rotation in random_rotations(random, rounds).astype(np.float32):
        turned, wanted = colours @ rotation.T, given @ rotation.T
        matched = np.empty_like(turned)
        for axis in range(3):
            value, other = turned[:, axis], wanted[:, axis]
            limits = min(value.min(), other.min()), max(value.max(), other.max())
            counts, edges = np.histogram(value, bins, limits)
            shares = [
                np.cumsum(one).astype(np.float32) / one.sum() for one in (counts, np.histogram(other, bins, limits)[0])
            ]
            goal = np.interp(shares[0], shares[1], edges[1:])
            matched[:, axis] = np.interp(value, edges[1:], goal, left=0, right=bins)
        colours += np.linalg.solve(rotation, (matched - turned).T).T / rounds
    return np.clip(colours.reshape(target.shape), 0, 1)


def plain_sot(target: Any, reference: Any, random: RandomState, batch: int = 5) -> Any:
    """sot: 10 steps of `batch` directions, the change smoothed."""
    flat, given, steps = target.reshape(-1, 3), reference.reshape(-1, 3), 10
    moved = flat.copy()
    for _ in range(steps):
        total = np.zeros_like(moved)
        for _ in range(batch):
            direction = random.normal(size=3).astype(np.float32)
            direction /= np.linalg.norm(direction)
            place, goal = np.sum(moved * direction, axis=1), np.sum(given * direction, axis=1)
            order, wanted = np.argsort(place), np.argsort(goal)
            total[order] += (goal[wanted] - place[order])[:, None] * direction
        moved += total / batch
    change = cv2.bilateralFilter((moved - flat).reshape(target.shape), 0, 5.0, 16.0)
    return np.clip(target + change, 0, 1)
