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

    Several devices, or processes, share the batch out and take the step of the joint batch: in TensorFlow those of the
    strategy in whose scope this is called, in torch those that have joined (training.peers).
    """
    run = {"tensorflow": _tensorflow_step, "torch": _torch_step}[keras.backend.backend()](losses, weights, optimizer)

    def step(*batch: Any) -> tuple[NDArray[np.float32], ...]:
        return tuple(np.asarray(ops.convert_to_numpy(loss), np.float32) for loss in run(*batch))

    return step


def _tensorflow_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., tuple[Tensor, ...]]:
    import tensorflow as tf

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale
    strategy = tf.distribute.get_strategy()
    devices = strategy.num_replicas_in_sync
    # As one loop over memory, and not one for each operation, the update takes a fifth of the time.
    is_worth_it = devices == 1 and sum(math.prod(weight.shape) for weight in weights) >= _WORTH_FUSING
    apply = tf.function(optimizer.apply, autograph=False, jit_compile=is_worth_it and _can_fuse())

    def gradients_of(*share: Tensor) -> tuple[tuple[Tensor, ...], Tensor, list[Tensor]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            found = losses(*share)
            total = sum(tf.reduce_sum(loss) for loss in found)
            scaled = scale.scaled(total) if scale else total
        return found, total, tape.gradient(scaled, variables)

    # No Python branches on tensors, so none must be translated: that took half of the time of the first step.
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(*shares: Tensor) -> Any:
        found, total, gradients = strategy.run(gradients_of, args=shares)
        if devices > 1:  # the update is made once, and what it makes goes to every device
            found = tuple(tf.concat(strategy.experimental_local_results(loss), 0) for loss in found)
            total, *gradients = (strategy.reduce("SUM", part, axis=None) for part in (total, *gradients))
        is_finite = tf.math.is_finite(total)
        if scale:
            gradients, is_finite = scale.unscaled(gradients), all_finite(gradients)
            scale.learn(is_finite)
        tf.cond(is_finite, lambda: _true_after(apply(gradients)), lambda: False)
        return found

    def shared_out(array: NDArray[np.float32]) -> Tensor:
        return strategy.experimental_distribute_values_from_function(
            lambda device: tf.constant(_share(array, device.replica_id_in_sync_group, devices))
        )

    def run(*batch: Any) -> tuple[Tensor, ...]:
        shares = keras.tree.map_structure(shared_out if devices > 1 else tf.constant, batch)
        found: tuple[Tensor, ...] = step(*shares)
        return found

    return run


def _share(array: NDArray[np.float32], number: int, count: int) -> NDArray[np.float32]:
    """The part of a batch, (N, ...), that one of `count` devices takes; N is a multiple of their number."""
    size = len(array) // count
    return array[number * size : (number + 1) * size]


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
    import torch.distributed as dist

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1

    def own_share(array: NDArray[np.float32]) -> Tensor:
        return ops.convert_to_tensor(_share(array, dist.get_rank(), processes) if processes > 1 else array)

    def joint(loss: Tensor) -> Tensor:
        parts = [torch.empty_like(loss) for _ in range(processes)]
        dist.all_gather(parts, loss.detach().contiguous())
        return torch.cat(parts)

    def run(*batch: Any) -> tuple[Tensor, ...]:
        found = losses(*keras.tree.map_structure(own_share, batch))
        total = sum(loss.sum() for loss in found)
        shown = tuple(joint(loss) if processes > 1 else loss.detach() for loss in found)
        is_finite = all(torch.isfinite(loss).all() for loss in shown)
        if is_finite:
            gradients = list(torch.autograd.grad(scale.scaled(total) if scale else total, variables))
            with torch.no_grad():
                for gradient in gradients if processes > 1 else []:
                    dist.all_reduce(gradient)
                if scale:
                    is_finite, gradients = all_finite(gradients), scale.unscaled(gradients)
                    scale.learn(is_finite)
                if is_finite:
                    optimizer.apply(gradients)
        return shown

    return run
