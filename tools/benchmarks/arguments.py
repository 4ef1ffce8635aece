"""The options of `dfl bench` as arguments of the benchmarks that compare with a peer."""

import argparse
from pathlib import Path

from dfl.bench.options import BenchOptions
from dfl.workspace import Workspace


def parse_arguments(what: str, description: str) -> tuple[Workspace, BenchOptions]:
    """The workspace (of use to those that need frames or faces) and the options from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    for name in ("resolution", "batch_size", "rounds", "precision"):
        field = BenchOptions.model_fields[name]
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(field.default), default=field.default, help=field.description)
    given = vars(parser.parse_args())
    return Workspace(given.pop("workspace")), BenchOptions(what=what, **given)
