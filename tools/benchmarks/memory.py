"""Largest memory of extraction and merging on a ten-minute clip, all processes together.

    python -m tools.benchmarks.memory CLIP NEW_WORKSPACE [--minutes 10] [--fps 12.5]

The clip is repeated until it is long enough. Memory is the proportional set size of a stage and its children, read
twice a second, so shared pages count once. Merging runs with a stand-in model, since a network's memory does not
depend on the clip's length.
"""

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

import imageio_ffmpeg
import psutil

from dfl.workspace import Workspace

MERGE = """
import sys
from pathlib import Path
from dfl.base.report import Report
from dfl.bench.whole_stages import MirrorModel
from dfl.merging.merge import run_merge
from dfl.merging.running.open_models import GivenModels
from dfl.merging.options import MergeOptions
from dfl.workspace import Workspace
models = GivenModels(MirrorModel(128))
run_merge(Workspace(Path(sys.argv[1])), MergeOptions(colour_transfer="rct"), models, Report())
"""


def memory_of(process: psutil.Process) -> int:
    """Proportional set size in bytes of a process and all its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def watched(name: str, command: list[str]) -> None:
    """Run a command and print its time and largest memory."""
    begin, largest = time.monotonic(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        process = psutil.Process(child.pid)

        def watch() -> None:
            nonlocal largest
            while child.poll() is None:
                try:
                    largest = max(largest, memory_of(process))
                except psutil.Error:
                    return
                time.sleep(0.5)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert child.stdout is not None
        said = [line.rstrip() for line in child.stdout]
        watcher.join()
    print(
        f"| {name} | {time.monotonic() - begin:.0f} s | {largest / 2**20:.0f} MiB | {said[-1] if said else ''} |",
        flush=True,
    )
    if child.returncode:
        sys.exit(child.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--fps", type=float, default=12.5)
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace.absolute())
    workspace.create()
    long_clip = workspace.root / "data_dst.mp4"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-stream_loop", "-1"]
    length = ["-t", str(60 * arguments.minutes), "-r", str(arguments.fps), "-an", "-preset", "veryfast"]
    subprocess.run([*ffmpeg, "-i", str(arguments.clip), *length, str(long_clip)], check=True)
    dfl = [sys.executable, "-m", "dfl"]
    common = ["--workspace", str(workspace.root), "--yes", "--progress", "plain"]
    print("| stage | wall time | largest memory | it said |\n|---|---|---|---|")
    watched("extract-frames", [*dfl, "extract-frames", "dst", *common])
    watched("extract-faces", [*dfl, "extract-faces", "dst", *common])
    watched("merge", [sys.executable, "-c", MERGE, str(workspace.root)])
    watched("make-video", [*dfl, "make-video", *common])


if __name__ == "__main__":
    main()
