"""One function of arrays, run by the engine without gradients: the only engine-specific code of predictions."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], ...]


def compiled(function: Callable[..., tuple[Any, ...]]) -> Callable[..., Arrays]:
    """Wrap a function of tensors, so that it takes and returns float32 numpy arrays (any batch size)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Nothing branches on tensors, so nothing must be translated: that took half of the time of the first call.
        run = tf.function(function, reduce_retracing=True, autograph=False)
    elif keras.backend.backend() == "torch":
        import torch

        run = torch.no_grad()(function)
    else:
        run = function

    def call(*arrays: NDArray[np.float32]) -> Arrays:
        outputs = run(*(ops.convert_to_tensor(np.ascontiguousarray(array)) for array in arrays))
        return tuple(np.asarray(ops.convert_to_numpy(output), np.float32) for output in outputs)

    return call
