"""Stage `bench`: the figures of docs/benchmarks.md, made on the machine that runs it."""

from dfl.base.report import Report
from dfl.bench.options import BenchOptions
from dfl.models.options import SaehdOptions
from dfl.workspace import Workspace


def run(workspace: Workspace, options: BenchOptions, report: Report) -> None:
    """Measure one thing and print its line; all but `train` use the frames and faces of the workspace's data_dst."""
    if options.what == "train":
        _bench_train(options, report)
        return
    if options.what == "samples":
        from dfl.bench.samples import bench_samples

        bench_samples(workspace, options.resolution, options.rounds, report)
        return
    from dfl.bench.stages import bench_extract, bench_merge

    if options.what == "extract":
        bench_extract(workspace, report)
    else:
        bench_merge(workspace, options.resolution, report)


def _bench_train(options: BenchOptions, report: Report) -> None:
    """The step beside its products alone."""
    from dfl.models.engine import start_engine

    engine = start_engine(options.engine)
    report.line(str(engine))
    from dfl.bench.measure import median_cpu
    from dfl.bench.train_step import build_step, product_seconds, products_of

    model = SaehdOptions(resolution=options.resolution, archi="df-ud", batch_size=options.batch_size)
    step, losses, variables = build_step(model)
    before = median_cpu(step, options.rounds)
    products = products_of(losses, variables, model)
    alone = sum(count * product_seconds(product, options.rounds) for product, count in products.items())
    after = median_cpu(step, options.rounds)
    seconds = min(before, after)
    work = sum(count * product.flops() for product, count in products.items())
    report.line(
        f"df-ud {options.resolution}, batch {options.batch_size}, {work / 1e9:.0f} GFLOP in {products.total()} products"
    )
    report.line(f"| step | {seconds:.2f} s CPU | {work / seconds / 1e9:.0f} GFLOP/s |")
    report.line(f"| its products alone | {alone:.2f} s CPU | {work / alone / 1e9:.0f} GFLOP/s |")
    report.done(f"The step takes {seconds / alone:.2f} times its products alone.", ratio=round(seconds / alone, 3))
