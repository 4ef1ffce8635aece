"""A training step on this machine: CPU time and the clock's, on one device or on several that share it."""

import statistics
import time
from contextlib import nullcontext
from typing import get_args

import numpy as np

from dfl.base.disk_space import size_in_words
from dfl.base.report import Report
from dfl.bench.cpu_time import cpu_seconds
from dfl.bench.options import BenchOptions
from dfl.models.engine import Engine, scope_of, start_engine
from dfl.models.options import SaehdOptions
from dfl.models.saehd import Saehd
from dfl.nets.layers import set_computing
from dfl.training.distributed import check_shares
from dfl.training.losses.reconstruction import LossSettings, side_terms
from dfl.training.losses.terms import Tensor, Terms, in_group
from dfl.training.memory_estimate import available_bytes, estimate_memory
from dfl.training.optimizers import Optimizer
from dfl.training.presets import PresetName, find_device, preset_options
from dfl.training.training_step import make_training_step

_WARM_UP = 2  # steps that do not count: compiling, first touch of memory
# Devices that gain less than this are better left to other work.
_PAYS = 1.2


class Example:
    """A df-ud model with one batch of random faces."""

    def __init__(self, options: SaehdOptions, *, matmul_gradients: bool = False) -> None:
        self.network = Saehd(options)
        for part in self.network.parts.values():
            set_computing(part, options.precision, matmul_gradients=matmul_gradients)
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
    """Median time of a training step of df-ud on random faces. The engine must be started."""
    model = SaehdOptions(
        resolution=options.resolution, archi="df-ud", batch_size=options.batch_size, precision=options.precision
    )
    example = Example(model, matmul_gradients=start_engine().matmul_gradients)
    step = make_training_step(example.losses, list(example.weights.values()), example.optimizer, ("src", "dst"))
    cpu, wall = [], []
    for _ in range(options.rounds + _WARM_UP):
        began, begin = time.perf_counter(), cpu_seconds()
        step(*example.batch)
        cpu.append(cpu_seconds() - begin)
        wall.append(time.perf_counter() - began)
    cpu_second, second = (statistics.median(spent[_WARM_UP:]) for spent in (cpu, wall))
    report.done(
        f"df-ud {options.resolution}, batch {options.batch_size}, {options.precision}: {second:.3f} s a step "
        f"({cpu_second:.3f} s of processor time), {2 * options.batch_size / second:.1f} faces a second.",
        seconds=round(second, 4),
        cpu_seconds=round(cpu_second, 4),
    )


def report_presets(engine: Engine, report: Report) -> None:
    """What each preset of train chooses for this device, the memory that needs, and the largest batch that fits."""
    device = find_device(engine)
    report.line("| preset of train | resolution | batch | memory | largest batch |\n|---|---|---|---|---|")
    for preset in get_args(PresetName):
        chosen = SaehdOptions(**preset_options(preset, "SAEHD", device))
        memory = estimate_memory(chosen, device)
        cells = (
            *(preset, chosen.resolution, chosen.batch_size, size_in_words(memory.of(chosen.batch_size))),
            memory.largest_batch(available_bytes(device)),
        )
        report.line(f"| {' | '.join(map(str, cells))} |")


def bench_devices(options: BenchOptions, engine: Engine, report: Report) -> None:
    """Time by the clock of a step on one device, and on all that share it."""
    check_shares(options.batch_size, len(engine.devices))
    seconds = []
    for scope in (nullcontext(), scope_of(engine)):
        with scope:
            model = SaehdOptions(resolution=options.resolution, archi="df-ud", batch_size=options.batch_size)
            example = Example(model, matmul_gradients=engine.matmul_gradients)
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
