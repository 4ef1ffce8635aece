"""One training step, the same on every engine: losses, gradients, optimizer. Only `_gradients_*` know the engine."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.training.optimizers import Optimizer

Tensor = Any
# Per-sample losses (N,) of src and of dst for one batch of tensors.
Losses = Callable[..., tuple[Tensor, Tensor]]
Step = Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]]


def make_step(losses: Losses, weights: list[keras.Variable], optimizer: Optimizer) -> Step:
    """A function that takes the arrays of a batch, moves the weights once and returns src and dst losses, (N,) each.

    All gradients are taken at the weights before the step; the original wrote weights while others were still read.
    """
    run = _steps()[keras.backend.backend()](losses, weights, optimizer)

    def step(*arrays: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        src, dst = run(*(ops.convert_to_tensor(array) for array in arrays))
        return np.asarray(ops.convert_to_numpy(src)), np.asarray(ops.convert_to_numpy(dst))

    return step


def _steps() -> dict[str, Callable[[Losses, list[keras.Variable], Optimizer], Callable[..., tuple[Tensor, Tensor]]]]:
    return {"tensorflow": _tensorflow_step, "torch": _torch_step}


def _tensorflow_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., tuple[Tensor, Tensor]]:
    import tensorflow as tf

    variables = [weight.value for weight in weights]

    @tf.function  # type: ignore[untyped-decorator]
    def run(*batch: Tensor) -> tuple[Tensor, Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            src, dst = losses(*batch)
            total = tf.reduce_sum(src + dst)
        optimizer.apply(tape.gradient(total, variables))
        return src, dst

    return run  # type: ignore[no-any-return]


def _torch_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., tuple[Tensor, Tensor]]:
    import torch

    variables = [weight.value for weight in weights]

    def run(*batch: Tensor) -> tuple[Tensor, Tensor]:
        src, dst = losses(*batch)
        gradients = torch.autograd.grad((src + dst).sum(), variables)
        with torch.no_grad():
            optimizer.apply(list(gradients))
        return src.detach(), dst.detach()

    return run
