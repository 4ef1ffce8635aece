"""AdaBelief and RMSprop as the original has them: no bias correction unless asked for, epsilon 1e-6 outside the root.

Their state is named arrays (`m/<weight>`, `v/<weight>`, `a/<weight>`, `steps`), so that training continues bit for bit
from a checkpoint, and the original's optimizer files can be imported.
"""

import math
from typing import Any

import keras
from keras import ops

from dfl.training.loss_scale import LossScale
from dfl.training.seed_generator import seed_generator

Tensor = Any
EPSILON = 1e-6


class Optimizer:
    """AdaBelief or RMSprop. Keeps two arrays (AdaBelief) or one (RMSprop) for every weight.

    has_bias_correction: of AdaBelief, divide both moments by what zeros at the start take from them, as published.
    clip_norm > 0: clip gradients by their joint norm. keep_prob < 1: learning-rate dropout, each step updates a random
    share of the weights. cosine_period > 0: cosine schedule between the learning rate and 0 with this period in steps.
    scales_loss: loss scaling for gradients in float16.
    """

    def __init__(
        self,
        weights: dict[str, keras.Variable],
        *,
        is_adabelief: bool,
        learning_rate: float,
        has_bias_correction: bool = False,
        clip_norm: float = 0.0,
        keep_prob: float = 1.0,
        cosine_period: int = 0,
        scales_loss: bool = False,
        seed: int = 0,
    ) -> None:
        self._weights = weights
        self._is_adabelief = is_adabelief
        self._learning_rate = learning_rate
        self._has_bias_correction = has_bias_correction
        self._clip_norm = clip_norm
        self._keep_prob = keep_prob
        self._cosine_period = cosine_period
        self._random = seed_generator(seed)
        self.rate_share = keras.Variable(1.0, dtype="float32", trainable=False)  # of the learning rate, by a plan
        self.loss_scale = LossScale() if scales_loss else None
        self.steps = keras.Variable(0, dtype="int64", trainable=False)
        self.slots: dict[str, keras.Variable] = {
            f"{slot}/{name}": keras.Variable(ops.zeros(weight.shape), trainable=False)
            for slot in (("m", "v") if is_adabelief else ("a",))
            for name, weight in weights.items()
        }

    def state(self) -> dict[str, keras.Variable]:
        """The variables that a checkpoint needs to continue exactly."""
        scale = self.loss_scale.state() if self.loss_scale else {}
        return {"steps": self.steps, "random": self._random.state, **scale, **self.slots}

    def apply(self, gradients: list[Tensor]) -> None:
        """One step; gradients in the order of the weights."""
        if self._clip_norm > 0:
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients))
            factor = ops.where(norm >= self._clip_norm, self._clip_norm / norm, ops.ones_like(norm))
            gradients = [gradient * factor for gradient in gradients]
        self.steps.assign(self.steps.value + 1)
        rate = self._current_rate()
        move = self._adabelief if self._is_adabelief else self._rmsprop
        for (name, weight), gradient in zip(self._weights.items(), gradients, strict=True):
            step = move(name, gradient, rate)
            if self._keep_prob < 1:
                draw = keras.random.uniform(weight.shape, seed=self._random)
                step = ops.where(draw < self._keep_prob, step, ops.zeros_like(step))
            weight.assign(weight.value - step)

    def _current_rate(self) -> Tensor:
        """The learning rate of the step that `steps` now counts: rate * (cos(2 pi * steps / period) + 1) / 2."""
        rate = self._learning_rate * self.rate_share.value
        if not self._cosine_period:
            return rate
        # The rest of the division, so that float32 stays exact after any number of steps.
        position = ops.cast(ops.mod(self.steps.value, self._cosine_period), "float32")
        return rate * (ops.cos(position * (2 * math.pi / self._cosine_period)) + 1) / 2

    def _adabelief(self, name: str, gradient: Tensor, rate: Tensor) -> Tensor:
        """m = 0.9 m + 0.1 g; v = 0.999 v + 0.001 (g - m)^2 with the new m (Zhuang et al. 2020).

        Bias correction after t steps: m / (1 - 0.9^t), v / (1 - 0.999^t).
        """
        mean, variance = self.slots[f"m/{name}"], self.slots[f"v/{name}"]
        new_mean = 0.9 * mean.value + 0.1 * gradient
        new_variance = 0.999 * variance.value + 0.001 * ops.square(gradient - new_mean)
        mean.assign(new_mean)
        variance.assign(new_variance)
        if self._has_bias_correction:
            steps = ops.cast(self.steps.value, "float32")
            new_mean = new_mean / (1 - ops.power(0.9, steps))
            new_variance = new_variance / (1 - ops.power(0.999, steps))
        return rate * new_mean / (ops.sqrt(new_variance) + EPSILON)

    def _rmsprop(self, name: str, gradient: Tensor, rate: Tensor) -> Tensor:
        """a = 0.9 a + 0.1 g^2."""
        power = self.slots[f"a/{name}"]
        new_power = 0.9 * power.value + 0.1 * ops.square(gradient)
        power.assign(new_power)
        return rate * gradient / (ops.sqrt(new_power) + EPSILON)
