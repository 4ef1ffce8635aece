"""A training step beside the same mathematics written plainly, and beside the limit of this machine.

    python -m tools.benchmarks.train_step [--resolution 128] [--batch-size 4] [--precision float32] [--rounds 5]

The limit is what the step's products would take at the best rate that any of its convolutions reaches here.
"""

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dfl.base.report import Report
from dfl.bench.cpu_time import cpu_seconds
from dfl.bench.options import BenchOptions
from dfl.models.engine import start_engine
from dfl.models.options import SaehdOptions
from tools.benchmarks.arguments import parse_arguments

if TYPE_CHECKING:
    from dfl.bench.train_step import Example
    from tools.benchmarks.products import TimedProduct

# Convolutions that do less than this share of the largest one's work say nothing of a machine's rate.
_LARGE = 0.25
_BEST = 3  # convolutions that are measured in turn with the steps


def main(options: BenchOptions, report: Report) -> None:
    """Print the table."""
    engine = start_engine("tensorflow")
    report.line(str(engine))
    compare_train_step(options, report)


def compare_train_step(options: BenchOptions, report: Report) -> None:
    """The step, a plain one of float32, and the limit. The engine must be started, and be TensorFlow for the limit.

    Short measurements say which convolutions are the fastest. Their rates are then measured in turn with the steps,
    together for about as long as one of them, so that what slows the machine for a while slows all alike.
    """
    # After the engine is chosen: both import it.
    from dfl.bench.train_step import Example
    from dfl.training.training_step import make_training_step
    from tools.benchmarks.products import products_of, timed_alone

    model = SaehdOptions(
        resolution=options.resolution, archi="df-ud", batch_size=options.batch_size, precision=options.precision
    )
    ours = Example(model, matmul_gradients=start_engine().matmul_gradients)
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


def _fastest(convolutions: "list[TimedProduct]") -> "list[TimedProduct]":
    """Those of the highest rates among the large ones."""
    largest = max(one.product.flops() for one in convolutions)
    large = [one for one in convolutions if one.product.flops() >= _LARGE * largest]
    return sorted(large, key=lambda one: one.rate())[-_BEST:]


def _repeat(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        call()


def _plain_step(losses: Callable[..., Any], example: "Example") -> Callable[..., Any]:
    """Losses, gradients and update as one writes them down, in TensorFlow."""
    import tensorflow as tf

    variables = [weight.value for weight in example.weights.values()]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(*batch: Any) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            found = list(losses(*batch).values())
            total = tf.reduce_sum(found)
        example.optimizer.apply(tape.gradient(total, variables))
        return tuple(found)

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


if __name__ == "__main__":
    _, options = parse_arguments("train", __doc__ or "")
    main(options, Report())
