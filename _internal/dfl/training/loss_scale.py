"""Dynamic loss scaling, so that gradients do not underflow in float16 (Micikevicius et al. 2018)."""

from typing import Any

import keras
from keras import ops

Tensor = Any
# Halved whenever a gradient is no finite number, doubled after so many steps without.
_FIRST, _LARGEST, _PATIENCE = 2.0**15, 2.0**24, 2000


class LossScale:
    """A scale that grows until gradients overflow, and is halved when they do."""

    def __init__(self) -> None:
        self._scale = keras.Variable(_FIRST, trainable=False)
        self._steps = keras.Variable(0, dtype="int32", trainable=False)

    def state(self) -> dict[str, keras.Variable]:
        """The variables that a checkpoint needs to continue exactly."""
        return {"loss_scale": self._scale, "loss_scale_steps": self._steps}

    def scaled(self, total: Tensor) -> Tensor:
        """The loss to take gradients of."""
        return total * self._scale.value

    def unscaled(self, gradients: list[Tensor]) -> list[Tensor]:
        """Gradients of the loss itself."""
        return [gradient / self._scale.value for gradient in gradients]

    def can_shrink(self) -> Tensor:
        """Whether it may still be halved; at 1 it is not the scale that makes gradients infinite."""
        return self._scale.value > 1

    def update(self, is_finite: Tensor) -> None:
        """Call after every step: whether all its gradients were finite."""
        steps = ops.where(is_finite, self._steps.value + 1, ops.zeros_like(self._steps.value))
        is_due = steps >= _PATIENCE
        grown = ops.where(is_due, ops.minimum(self._scale.value * 2, _LARGEST), self._scale.value)
        self._scale.assign(ops.where(is_finite, grown, ops.maximum(self._scale.value / 2, 1.0)))
        self._steps.assign(ops.where(is_due, ops.zeros_like(steps), steps))


def all_finite(arrays: list[Tensor]) -> Tensor:
    """Whether every number of every array is finite."""
    return ops.all(ops.stack([ops.all(ops.isfinite(array)) for array in arrays]))
