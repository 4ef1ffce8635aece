"""Arrays of a saved set that today's options have no use for, and that a later start may ask for again.

GAN or true face that is off for a while, and weights that do not move for a while (liae's inter_AB without random
warp), go on where they stopped: their arrays stay in the sets that are written meanwhile.
"""

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from dfl.models.checkpoint import Arrays, Checkpoint

_SLOTS = {"m", "v", "a"}


def carried_arrays(
    saved: Checkpoint, known: Collection[str], optimizer: Collection[str]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Weights and optimizer arrays to write again as they are.

    known: names of all weights that there are now, opponents' included. optimizer: names of all of the optimizers'
    arrays. Those of another kind of optimizer for weights that move are not kept: they grow stale.
    """
    weights = {name: array for name, array in saved.weights.items() if name not in known}
    absent = {f"{name.split('/')[0]}_opt" for name in weights}
    slots = {name.split("/")[0] for name in optimizer} & _SLOTS
    moving = {name.partition("/")[2] for name in optimizer}

    def is_kept(name: str) -> bool:
        first, _, rest = name.partition("/")
        return first in absent or (first in slots and rest in known and rest not in moving)

    return _copies(weights, weights), _copies(saved.optimizer, filter(is_kept, saved.optimizer))


def _copies(arrays: Arrays, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """Copies: an array as it was read holds the whole file in memory."""
    return {name: np.array(arrays[name]) for name in names}
