"""Stage `bench`: what is fast on this machine, and which options fit it."""

from dfl.base.report import Report
from dfl.bench.options import BenchOptions
from dfl.workspace import Workspace


def run(workspace: Workspace, options: BenchOptions, report: Report) -> None:
    """Measure one thing and print its line; all but `train` use the frames and faces of the workspace's data_dst."""
    if options.what == "train":
        from dfl.models.engine import start_engine

        engine = start_engine("tensorflow", options.devices)
        report.line(str(engine))
        from dfl.bench.train_step import bench_devices, bench_train, report_presets

        report_presets(engine, report)
        if engine.devices:
            bench_devices(options, engine, report)
        else:
            bench_train(options, report)
        return
    if options.what == "samples":
        from dfl.bench.samples import bench_samples

        bench_samples(workspace, options.resolution, options.rounds, report)
        return
    from dfl.bench.whole_stages import bench_extract, bench_merge

    if options.what == "extract":
        bench_extract(workspace, report)
    else:
        bench_merge(workspace, options.resolution, report)
