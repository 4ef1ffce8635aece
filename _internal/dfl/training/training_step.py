"""One training step, the same on every engine: losses, gradients, optimizer. Only `_*_step` know the engine."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.training.losses.terms import Terms, group_sums, total_loss
from dfl.training.optimizers import Optimizer

Tensor = Any
# The loss terms of one batch of tensors (arrays, or dicts of them); see losses.terms.
Losses = Callable[..., Terms]
# From so many weights on compiling the update pays, which takes some seconds.
_WORTH_FUSING = 2**20


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step found.

    sums: (groups, N) float32, the sum of each reported group for each sample. terms: batch mean of every term by name.
    has_finite_gradient: False when a gradient was no finite number, though all losses were; a loss scale that can still
    become smaller expects that now and then.
    """

    sums: NDArray[np.float32]
    terms: dict[str, float]
    has_finite_gradient: bool


TrainingStep = Callable[..., StepResult]
# The total loss of a batch, and the sums of its reported groups and its terms as one tensor, (sums + terms, N).
Rows = Callable[..., tuple[Tensor, Tensor]]
# The rows, and whether the gradients were as they should be, as the one tensor that goes to the host.
Pack = Callable[[Tensor, Any], Tensor]


def make_training_step(
    losses: Losses, weights: list[keras.Variable], optimizer: Optimizer, reported: Sequence[str] = ()
) -> TrainingStep:
    """A function that takes a batch, moves the weights once and returns a StepResult. reported: groups to sum up.

    Minimises the sum of all terms over the batch. All gradients are taken at the weights before the step; the original
    wrote weights while others were still read. A batch whose losses, or whose gradients' joint norm, are no finite
    numbers changes nothing, neither weights nor the optimizer's state; in float16 it changes the loss scale alone.

    Several devices, or processes, share the batch out and take the step of the joint batch: in TensorFlow those of the
    strategy in whose scope this is called, in torch those that have joined (training.distributed).
    """
    names: list[str] = []

    def rows_of(*batch: Any) -> tuple[Tensor, Tensor]:
        terms = losses(*batch)
        names[:] = terms  # known once TensorFlow has traced the step
        sums = group_sums(terms, reported)
        return total_loss(terms, sums, reported), ops.stack([*sums, *terms.values()])

    def pack(rows: Tensor, has_gradient: Any) -> Tensor:
        sums, terms = rows[: len(reported)], rows[len(reported) :]
        flag = ops.reshape(ops.cast(has_gradient, "float32"), (1,))
        return ops.concatenate([ops.reshape(sums, (-1,)), ops.mean(terms, axis=1), flag])

    run = {"tensorflow": _tensorflow_step, "torch": _torch_step}[keras.backend.backend()](
        rows_of, pack, weights, optimizer
    )

    def step(*batch: Any) -> StepResult:
        found = np.asarray(ops.convert_to_numpy(run(*batch)), np.float32)
        sums, means, (has_gradient,) = np.split(found, [-1 - len(names), -1])
        are_finite = bool(np.isfinite(found).all())
        return StepResult(
            sums.reshape(len(reported), -1) if reported else np.zeros((0, 0), np.float32),
            dict(zip(names, map(float, means), strict=True)),
            bool(has_gradient) or not are_finite,
        )

    return step


def _tensorflow_step(
    rows_of: Rows, pack: Pack, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., Tensor]:
    import tensorflow as tf

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale
    strategy = tf.distribute.get_strategy()
    devices = strategy.num_replicas_in_sync
    # As one loop over memory, and not one for each operation, the update takes a fifth of the time.
    is_worth_it = devices == 1 and sum(math.prod(weight.shape) for weight in weights) >= _WORTH_FUSING
    apply = tf.function(optimizer.apply, autograph=False, jit_compile=is_worth_it and _can_fuse())

    def gradients_of(*share: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            total, rows = rows_of(*share)
            scaled = scale.scaled(total) if scale else total
        return rows, total, tape.gradient(scaled, variables)

    # No Python branches on tensors, so none must be translated: that took half of the time of the first step.
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(*shares: Tensor) -> Any:
        rows, total, gradients = strategy.run(gradients_of, args=shares)
        if devices > 1:  # the update is made once, and what it makes goes to every device
            rows = tf.concat(strategy.experimental_local_results(rows), 1)
            total, *gradients = (strategy.reduce("SUM", part, axis=None) for part in (total, *gradients))
        if scale:
            gradients = scale.unscaled(gradients)
        # One pass over the gradients, no copies: half the square of the joint norm.
        has_gradient = tf.math.is_finite(tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
        tf.cond(tf.math.is_finite(total) & has_gradient, lambda: _true_after(apply(gradients)), lambda: False)
        if scale:
            is_expected = scale.can_shrink()
            scale.update(has_gradient)
            has_gradient = has_gradient | is_expected
        return pack(rows, has_gradient)

    def shared_out(array: NDArray[np.float32]) -> Tensor:
        return strategy.experimental_distribute_values_from_function(
            lambda device: tf.constant(_share(array, device.replica_id_in_sync_group, devices))
        )

    def run(*batch: Any) -> Tensor:
        return step(*keras.tree.map_structure(shared_out if devices > 1 else tf.constant, batch))

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
    optimizer = Optimizer(
        {"probe": probe},
        is_adabelief=True,
        learning_rate=1.0,
        has_bias_correction=True,
        clip_norm=1.0,
        keep_prob=0.5,
        cosine_period=2,
    )
    try:
        tf.function(optimizer.apply, autograph=False, jit_compile=True)([tf.ones(2)])
    except tf.errors.OpError:
        return False
    return True


def _torch_step(
    rows_of: Rows, pack: Pack, weights: list[keras.Variable], optimizer: Optimizer
) -> Callable[..., Tensor]:
    import torch
    import torch.distributed as dist

    variables, scale = [weight.value for weight in weights], optimizer.loss_scale
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1

    def own_share(array: NDArray[np.float32]) -> Tensor:
        return ops.convert_to_tensor(_share(array, dist.get_rank(), processes) if processes > 1 else array)

    def joint(rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(processes)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts, dim=1)

    def run(*batch: Any) -> Tensor:
        total, rows = rows_of(*keras.tree.map_structure(own_share, batch))
        found = joint(rows.detach()) if processes > 1 else rows.detach()
        if not torch.isfinite(found).all():
            return pack(found, False)
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
                scale.update(has_gradient)
            if has_gradient:
                optimizer.apply(gradients)
        return pack(found, has_gradient | is_expected)

    return run
