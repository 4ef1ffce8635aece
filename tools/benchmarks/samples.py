"""What a training sample costs beside the plain way, in float32 throughout.

    python -m tools.benchmarks.samples --workspace WORKSPACE [--resolution 128] [--rounds 5]

The plain way reads everything, in a process of its own as the original's workers are (its large blocks of memory are
asked from the system again and again: base.memory). The table says how many times as long as "read" it takes.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2

from dfl.base.report import Report
from dfl.bench.cpu_time import least_in_turn
from dfl.bench.options import BenchOptions
from dfl.bench.samples import faces_for, measurements, sample_faces, sample_kinds
from dfl.data.sample import SampleSettings
from dfl.faceset.faceset import FaceFile
from dfl.workspace import Workspace
from tests.reference.plain_samples import PLAIN_MODES, plain_cpu
from tools.benchmarks.arguments import parse_arguments


def main(workspace: Workspace, options: BenchOptions, report: Report) -> None:
    """Print the table."""
    report.line(f"| ms CPU a sample of {options.resolution} pixels | faces kept | faces read | in float32, plainly |")
    report.line("|---|---|---|---|")
    with sample_faces(workspace) as faces:
        for name, settings in sample_kinds(options.resolution).items():
            used = faces_for(faces, settings)
            ways: list[Callable[[], float]] = measurements(used, settings)
            with ProcessPoolExecutor(1, get_context("spawn"), cv2.setNumThreads, (1,)) as process:
                if settings.transfer in PLAIN_MODES:
                    ways.append(partial(_in_process, process, used, settings))
                kept, read, *peer = (1000 * spent / len(used) for spent in least_in_turn(ways, options.rounds))
            compared = f"{peer[0]:.2f} = {peer[0] / read:.2f} times" if peer else ""
            report.line(f"| {name} | {kept:.2f} | {read:.2f} | {compared} |")


def _in_process(process: ProcessPoolExecutor, faces: list[FaceFile], settings: SampleSettings) -> float:
    return process.submit(plain_cpu, faces, settings).result()


if __name__ == "__main__":
    main(*parse_arguments("samples", __doc__ or ""), Report())
