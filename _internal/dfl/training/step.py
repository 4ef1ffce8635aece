"""One training step, the same on every engine: losses, gradients, optimizer. Only `_*_step` know the engine."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.training.loss_scale import all_finite
from dfl.training.optimizers import Optimizer

Tensor = Any
# Per-sample losses, (N,) each, of one batch of tensors (arrays, or dicts of them).
Losses = Callable[..., tuple[Tensor, ...]]
# From so many weights on compiling the update pays, which takes some seconds.
_WORTH_FUSING = 2**20
Step = Callable[..., tuple[NDArray[np.float32], ...]]


def make_step(losses: Losses, weights: list[keras.Variable], optimizer: Optimizer) -> Step:
    """A function that takes a batch, moves the weights once and returns the losses, (N,) each.

    What is made smaller is the sum of all losses over the batch. All gradients are taken at the weights before the
    step; the original wrote weights while others were still read. A batch whose loss is no finite number moves nothing;
    one whose scaled gradients are not (in float16) moves nothing but the scale.
    """
    run = {"tensorflow": _tensorflow_step, "torch": _torch_step}[keras.backend.backend()](losses, weights, optimizer)

    def step(*batch: Any) -> tuple[NDArray[np.float32], ...]:
        tensors = keras.tree.map_structure(ops.convert_to_tensor, batch)
        return tuple(np.asarray(ops.convert_to_numpy(loss), np.float32) for loss in run(*tensors))

    return step


def _tensorflow_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., tuple[Tensor, ...]]:
    import tensorflow as tf

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale
    numbers = sum(math.prod(weight.shape) for weight in weights)
    # As one loop over memory, and not one for each operation, the update takes a fifth of the time.
    apply = tf.function(optimizer.apply, autograph=False, jit_compile=numbers >= _WORTH_FUSING and _can_fuse())

    # No Python branches on tensors, so none must be translated: that took half of the time of the first step.
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(*batch: Tensor) -> tuple[Tensor, ...]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            found = losses(*batch)
            total = sum(tf.reduce_sum(loss) for loss in found)
            scaled = scale.scaled(total) if scale else total
        gradients = tape.gradient(scaled, variables)
        is_finite = tf.math.is_finite(total)
        if scale:
            gradients, is_finite = scale.unscaled(gradients), all_finite(gradients)
            scale.learn(is_finite)
        tf.cond(is_finite, lambda: _true_after(apply(gradients)), lambda: False)
        return found

    return run  # type: ignore[no-any-return]


def _true_after(_: None) -> bool:
    return True


def _can_fuse() -> bool:
    """Whether this build of TensorFlow has its compiler."""
    import tensorflow as tf

    try:
        tf.function(lambda number: number + 1, autograph=False, jit_compile=True)(tf.constant(1.0))
    except tf.errors.OpError:
        return False
    return True


def _torch_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., tuple[Tensor, ...]]:
    import torch

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale

    def run(*batch: Tensor) -> tuple[Tensor, ...]:
        found = losses(*batch)
        total = sum(loss.sum() for loss in found)
        is_finite = torch.isfinite(total)
        if is_finite:
            gradients = list(torch.autograd.grad(scale.scaled(total) if scale else total, variables))
            with torch.no_grad():
                if scale:
                    is_finite, gradients = all_finite(gradients), scale.unscaled(gradients)
                    scale.learn(is_finite)
                if is_finite:
                    optimizer.apply(gradients)
        return tuple(loss.detach() for loss in found)

    return run
