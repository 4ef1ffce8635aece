"""A merged frame in many settings, beside the plain way of the same settings and what the original was seen to take.

    python -m tools.benchmarks.merge --workspace WORKSPACE [--resolution 128]

The network is left out: reading PNG, blending, writing PNG and mask. Frames a second with a worker for each core; CPU
time with one, since busy cores may slow one another down. The plain way is measured before and after, as other work on
the machine makes all of it slower.
"""

from typing import Any

import numpy as np

from dfl.base.listing import list_pictures
from dfl.base.report import Report
from dfl.bench.options import BenchOptions
from dfl.bench.whole_stages import MirrorModel, merge_spent
from dfl.faceset.faceset import list_faceset
from dfl.merging.options import MergeOptions
from dfl.merging.planning.clip_faces import match_faces
from dfl.merging.planning.settings import ORIGINAL, MergeSettings
from dfl.workspace import Workspace
from tests.reference.plain_merge import can_be_plain, plain_cpu
from tools.benchmarks.arguments import parse_arguments

# Modes and colour transfers that are measured, each with what the original was seen to take for it: CPU milliseconds of
# a frame of 1280x720, reading and writing included, on a Zen 4.
MERGES: tuple[tuple[dict[str, Any], int | None], ...] = (
    ({"colour_transfer": "auto", "erode": "auto", "blur": "auto"}, None),
    ({"mode": "original"}, None),
    ({"colour_transfer": "none"}, None),
    ({"colour_transfer": "rct"}, 81),
    ({"colour_transfer": "lct"}, None),
    ({"colour_transfer": "mkl"}, None),
    ({"colour_transfer": "mkl-m"}, None),
    ({"colour_transfer": "idt"}, 301),
    ({"colour_transfer": "idt-m"}, None),
    ({"colour_transfer": "sot-m"}, 6244),
    ({"colour_transfer": "mix-m"}, 1462),
    ({"mode": "hist-match", "colour_transfer": "none"}, 109),
    ({"mode": "seamless", "colour_transfer": "none"}, 215),
    ({"mode": "seamless", "colour_transfer": "rct"}, None),
    ({"mode": "seamless-hist-match", "colour_transfer": "none"}, None),
    ({"mode": "raw-rgb"}, None),
    ({"colour_transfer": "rct", "erode": 60, "blur": 60}, None),
    ({"colour_transfer": "rct", "sharpen_mode": "box", "sharpen_amount": 5, "motion_blur": 50}, None),
    ({"colour_transfer": "rct", "denoise": 50, "bicubic": 20, "colour_degrade": 30}, None),
    ({"colour_transfer": "rct", "steady_mask": 0, "steady_landmarks": False}, 81),
)
_PLAIN_FRAMES = 8  # that the plain way is measured on, before and after ours; it takes seconds for some


def main(workspace: Workspace, options: BenchOptions, report: Report) -> None:
    """Print the table."""
    head = "| settings | frames a second | CPU ms a frame | the original's, seen elsewhere | the plain way, here |"
    model = MirrorModel(options.resolution)
    merge_spent(workspace, model, MergeOptions(contact_sheet=True))  # what the first run alone takes, imports and such
    clip = match_faces(list_pictures(workspace.frames("dst")), list_faceset(workspace.aligned("dst")))
    plain_frames = [frame for frame in clip if frame.faces][:_PLAIN_FRAMES]
    report.line(f"{head}\n|---|---|---|---|---|")
    for given, original in MERGES:
        settings = MergeSettings(**(ORIGINAL | given))
        measured = plain_frames if can_be_plain(settings) else []
        wall, _, frames = merge_spent(workspace, model, MergeOptions(**(ORIGINAL | given)))
        plain = [plain_cpu(measured, model, settings)] if measured else []
        _, cpu, _ = merge_spent(workspace, model, MergeOptions(workers=1, **(ORIGINAL | given)))
        plain += [plain_cpu(measured, model, settings)] if measured else []
        each = 1000 * cpu / frames
        others = [original, 1000 * float(np.mean(plain)) if plain else None]
        cells = ["" if one is None else f"{one:.0f}, {one / each:.1f} times" for one in others]
        row = ", ".join(f"{name} {value}" for name, value in given.items())
        report.line(f"| {row} | {frames / wall:.1f} | {each:.1f} | {' | '.join(cells)} |")
    report.done(f"Measured on {frames} frames, {options.resolution} pixel model, without network.", frames=frames)


if __name__ == "__main__":
    main(*parse_arguments("merge", __doc__ or ""), Report())
