"""One training step, the same on every engine: losses, gradients, optimizer. Only `_*_step` know the engine."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.training.optimizers import Optimizer

Tensor = Any
# Per-sample losses, (N,) each, of one batch of tensors (arrays, or dicts of them).
Losses = Callable[..., tuple[Tensor, ...]]
# From so many weights on compiling the update pays, which takes some seconds.
_WORTH_FUSING = 2**20


class TrainingStep:
    """Takes a batch, moves the weights once and returns the losses, (N,) each.

    Minimises the sum of all losses over the batch. All gradients are taken at the weights before the step; the original
    wrote weights while others were still read. A batch whose losses, or whose gradients' joint norm, are no finite
    numbers changes nothing, neither weights nor the optimizer's state; in float16 it changes the scale alone.

    had_gradient: False when in the last step a gradient was no finite number, though all losses were; a loss scale that
    can still become smaller expects that now and then.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run
        self.had_gradient = True

    def __call__(self, *batch: Any) -> tuple[NDArray[np.float32], ...]:
        found, has_gradient = self._run(*batch)
        losses = tuple(np.asarray(ops.convert_to_numpy(loss), np.float32) for loss in found)
        self.had_gradient = bool(has_gradient) or not all(np.isfinite(loss).all() for loss in losses)
        return losses


# Takes a batch, moves the weights once; gives the losses, and whether the gradients were as they should be.
Run = Callable[..., tuple[tuple[Tensor, ...], Any]]


def make_training_step(losses: Losses, weights: list[keras.Variable], optimizer: Optimizer) -> TrainingStep:
    """See Step.

    Several devices, or processes, share the batch out and take the step of the joint batch: in TensorFlow those of the
    strategy in whose scope this is called, in torch those that have joined (training.peers).
    """
    make = {"tensorflow": _tensorflow_step, "torch": _torch_step}[keras.backend.backend()]
    return TrainingStep(make(losses, weights, optimizer))


def _tensorflow_step(losses: Losses, weights: list[keras.Variable], optimizer: Optimizer) -> Run:
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
        if scale:
            gradients = scale.unscaled(gradients)
        # One pass over the gradients, no copies: half the square of the joint norm.
        has_gradient = tf.math.is_finite(tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
        tf.cond(tf.math.is_finite(total) & has_gradient, lambda: _true_after(apply(gradients)), lambda: False)
        if scale:
            is_expected = scale.can_shrink()
            scale.learn(has_gradient)
            has_gradient = has_gradient | is_expected
        return found, has_gradient

    def shared_out(array: NDArray[np.float32]) -> Tensor:
        return strategy.experimental_distribute_values_from_function(
            lambda device: tf.constant(_share(array, device.replica_id_in_sync_group, devices))
        )

    def run(*batch: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        shares = keras.tree.map_structure(shared_out if devices > 1 else tf.constant, batch)
        found: tuple[tuple[Tensor, ...], Tensor] = step(*shares)
        return found

    return run


def _share(array: NDArray[np.float32], number: int, count: int) -> NDArray[np.float32]:
    """The part of a batch, (N, ...), that one of `count` devices takes; N is a multiple of their number."""
    size = len(array) // count
    return array[number * size : (number + 1) * size]


def _true_after(_: None) -> bool:
    return True


def _can_fuse() -> bool:
    """Whether this TensorFlow has its compiler, and what that needs for an update's operations.

    On a graphics card roots and cosines come from a file of CUDA's, which may be missing where sums are no trouble.
    """
    import tensorflow as tf

    probe = keras.Variable(np.ones(2, np.float32))
    optimizer = Optimizer({"probe": probe}, is_adabelief=True, rate=1.0, clip=1.0, kept_share=0.5, cosine_period=2)
    try:
        tf.function(optimizer.apply, autograph=False, jit_compile=True)([tf.ones(2)])
    except tf.errors.OpError:
        return False
    return True


def _torch_step(losses: Losses, weights: list[keras.Variable], optimizer: Optimizer) -> Run:
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

    def run(*batch: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        found = losses(*keras.tree.map_structure(own_share, batch))
        total = sum(loss.sum() for loss in found)
        shown = tuple(joint(loss) if processes > 1 else loss.detach() for loss in found)
        if not all(torch.isfinite(loss).all() for loss in shown):
            return shown, False
        gradients = list(torch.autograd.grad(scale.scaled(total) if scale else total, variables))
        with torch.no_grad():
            for gradient in gradients if processes > 1 else []:
                dist.all_reduce(gradient)
            if scale:
                gradients = scale.unscaled(gradients)
            # One pass over the gradients, no copies.
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            has_gradient = torch.isfinite(torch.square(norm))
            is_expected = scale is not None and bool(scale.can_shrink())
            if scale:
                scale.learn(has_gradient)
            if has_gradient:
                optimizer.apply(gradients)
        return shown, bool(has_gradient) or is_expected

    return run
