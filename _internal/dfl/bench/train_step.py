"""A training step beside the same mathematics written plainly, and beside the limit of this machine.

The limit is what the step's products would take at the best rate that any of its convolutions reaches here.
"""

import math
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from dfl.base.report import Report
from dfl.bench.measure import cpu_seconds
from dfl.bench.options import BenchOptions
from dfl.bench.products import TimedProduct, products_of, timed_alone
from dfl.models.engine import Engine, scope_of, start_engine
from dfl.models.options import SaehdOptions
from dfl.models.saehd import Saehd
from dfl.nets.layers import set_computing
from dfl.training.distributed import check_shares
from dfl.training.losses.reconstruction import LossSettings, side_terms
from dfl.training.losses.terms import Tensor, Terms, in_group
from dfl.training.optimizers import Optimizer
from dfl.training.training_step import Losses, make_training_step

# Convolutions that do less than this share of the largest one's work say nothing of a machine's rate.
_LARGE = 0.25
_BEST = 3  # convolutions that are measured in turn with the steps
# Devices that gain less than this are better left to other work.
_PAYS = 1.2


class Example:
    """A df-ud model with one batch of random faces."""

    def __init__(self, options: SaehdOptions, *, multiplies: bool = False) -> None:
        self.network = Saehd(options)
        for part in self.network.parts.values():
            set_computing(part, options.precision, multiplies=multiplies)
        self.weights = self.network.trained_weights()
        self.optimizer = Optimizer(self.weights, is_adabelief=True, learning_rate=5e-5)
        self._settings = LossSettings(options.resolution)
        random, side = np.random.default_rng(0), options.resolution
        shapes = [(options.batch_size, side, side, channels) for channels in (3, 3, 1, 3, 3, 1)]
        self.batch = [random.random(shape, np.float32) for shape in shapes]

    def losses(self, *batch: Tensor) -> Terms:
        """Of src's warped faces, targets and masks, and dst's."""
        src_face, src_mask, dst_face, dst_mask = self.network.reconstruct(batch[0], batch[3])
        return in_group("src", side_terms(batch[1], batch[2], None, src_face, src_mask, self._settings)) | in_group(
            "dst", side_terms(batch[4], batch[5], None, dst_face, dst_mask, self._settings)
        )


def bench_train(options: BenchOptions, report: Report) -> None:
    """The step, a plain one of float32, and the limit. The engine must be started, and be TensorFlow for the limit.

    Short measurements say which convolutions are the fastest. Their rates are then measured in turn with the steps,
    together for about as long as one of them, so that what slows the machine for a while slows all alike.
    """
    model = SaehdOptions(
        resolution=options.resolution, archi="df-ud", batch_size=options.batch_size, precision=options.precision
    )
    ours = Example(model, multiplies=start_engine().multiplies)
    plain = Example(model.model_copy(update={"precision": "float32"}))
    products = products_of(plain.losses, [weight.value for weight in plain.weights.values()], model)
    timed = timed_alone(products, options.rounds, options.precision)
    best = _fastest([one for one in timed if one.product.kind != "MatMul"])
    work = sum(count * product.flops() for product, count in products.items())
    our_step = make_training_step(ours.losses, list(ours.weights.values()), ours.optimizer, ("src", "dst"))
    plain_step = _plain_step(plain.losses, plain)
    ways: dict[str, Callable[[], Any]] = {
        "step": lambda: our_step(*ours.batch),
        "plain step of float32": lambda: plain_step(*plain.batch),
    }
    whole = {f"convolution {number}": work / one.product.flops() for number, one in enumerate(best)}
    for name, one in zip(whole, best, strict=True):
        ways[name] = partial(_repeat, one.call, math.ceil(whole[name] / len(best)))
    spent = _in_turn(ways, options.rounds)
    limits = {name: spent[name] / math.ceil(calls / len(best)) * calls for name, calls in whole.items()}
    limit, fastest = min(zip(limits.values(), best, strict=True), key=lambda pair: pair[0])
    # Short measurements find the machine quiet: this is what the products would have been beside the steps.
    alone = sum(products[one.product] * one.seconds for one in timed) * limit / (work / fastest.rate())
    report.line(f"df-ud {options.resolution}, batch {options.batch_size}, {options.precision}: {work / 1e9:.0f} GFLOP")
    report.line("| | CPU s | GFLOP/s |\n|---|---|---|")
    rows = {name: spent[name] for name in ("step", "plain step of float32")}
    for name, seconds in (rows | {"its products alone": alone, "limit": limit}).items():
        report.line(f"| {name} | {seconds:.2f} | {work / seconds / 1e9:.0f} |")
    share, ratio = limit / spent["step"], spent["step"] / spent["plain step of float32"]
    report.done(
        f"The step reaches {share:.0%} of the limit and takes {ratio:.2f} times as long as the plain one.",
        share=round(share, 3),
        ratio=round(ratio, 3),
    )


def _fastest(convolutions: list[TimedProduct]) -> list[TimedProduct]:
    """Those of the highest rates among the large ones."""
    largest = max(one.product.flops() for one in convolutions)
    large = [one for one in convolutions if one.product.flops() >= _LARGE * largest]
    return sorted(large, key=TimedProduct.rate)[-_BEST:]


def _repeat(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        call()


def bench_devices(options: BenchOptions, engine: Engine, report: Report) -> None:
    """Time by the clock of a step on one device, and on all that share it."""
    check_shares(options.batch_size, len(engine.devices))
    seconds = []
    for scope in (nullcontext(), scope_of(engine)):
        with scope:
            model = SaehdOptions(resolution=options.resolution, archi="df-ud", batch_size=options.batch_size)
            example = Example(model, multiplies=engine.multiplies)
            step = make_training_step(example.losses, list(example.weights.values()), example.optimizer, ("src", "dst"))
            spent = []
            for _ in range(options.rounds + 2):
                begin = time.perf_counter()
                step(*example.batch)
                spent.append(time.perf_counter() - begin)
            seconds.append(statistics.median(spent[2:]))
    gain = seconds[0] / seconds[1]
    verdict = "" if gain >= _PAYS else " It does not pay."
    report.done(
        f"One device: {seconds[0]:.3f} s a step, {len(engine.devices)} devices: {seconds[1]:.3f} s; "
        f"{gain:.2f} times as fast.{verdict}",
        gain=round(gain, 3),
    )


def _plain_step(losses: Losses, example: Example) -> Callable[..., Any]:
    """Losses, gradients and update as one writes them down, in TensorFlow."""
    import tensorflow as tf

    variables = [weight.value for weight in example.weights.values()]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(*batch: Tensor) -> list[Tensor]:
        with tf.GradientTape() as tape:
            found = list(losses(*batch).values())
            total = tf.reduce_sum(found)
        example.optimizer.apply(tape.gradient(total, variables))
        return found

    return lambda *batch: [loss.numpy() for loss in step(*map(tf.constant, batch))]


def _in_turn(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, after two calls that do not count; one after the other in each round."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 2):
        for name, work in ways.items():
            begin = cpu_seconds()
            work()
            if number > 1:
                spent[name].append(cpu_seconds() - begin)
    return {name: statistics.median(values) for name, values in spent.items()}
