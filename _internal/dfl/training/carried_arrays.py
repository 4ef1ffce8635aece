"""Arrays of a checkpoint that the current options do not use, and that a later run may need again.

GAN or true face switched off for a while, and weights frozen for a while (liae's inter_AB without random warp),
continue where they stopped: their arrays stay in the checkpoints that are written meanwhile.
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

    known: names of all weights that there are now, discriminators' included. optimizer: names of all of the optimizers'
    arrays. Those of another kind of optimizer for trained weights are dropped: they would be stale.
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
