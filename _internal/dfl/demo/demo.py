"""The stage demo: two clips made on the spot, and the whole road once, in a workspace of its own."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import read_json, write_json
from dfl.base.listing import list_pictures
from dfl.base.pictures import contact_sheet, read_picture, write_picture
from dfl.base.report import Report
from dfl.demo.clips import make_clip
from dfl.demo.options import DemoOptions
from dfl.demo.portraits import COLLINS, HOPPER, Portrait
from dfl.extraction import extract_faces
from dfl.extraction.options import ExtractFacesOptions
from dfl.merging import merge
from dfl.merging.options import MergeOptions
from dfl.training import train
from dfl.training.options import TrainOptions
from dfl.video import extract_frames, make_video
from dfl.video.marking import mark_result
from dfl.video.options import ExtractFramesOptions, MakeVideoOptions
from dfl.workspace import Side, Workspace

PEOPLE: dict[Side, Portrait] = {"src": COLLINS, "dst": HOPPER}
MARK_FILE = "demo.json"
SHEET_FILE = "contact_sheet.jpg"
SHEET_COLUMNS, SHEET_HEIGHT = 6, 240  # pictures, pixels of each

# Small enough that two processor cores show another face within minutes.
TRAIN = {
    "model": "SAEHD",
    "name": "demo",
    "resolution": 64,
    "face_type": "f",
    "archi": "df-ud",
    "ae_dims": 64,
    "e_dims": 16,
    "d_dims": 16,
    "d_mask_dims": 16,
    "batch_size": 4,
    "learning_rate": 2e-4,
    "random_dst_flip": False,
    "seed": 1,
}
MERGE = MergeOptions(model="demo", mask_mode="dst", sharpen_mode="gaussian", sharpen_amount=2)


def run(workspace: Workspace, options: DemoOptions, report: Report) -> None:
    """Go the whole road once; a second run keeps what is there and trains on."""
    demo = _own_workspace(workspace, options)
    started = time.monotonic()
    for title, step in _steps(demo, options, report):
        report.line(f"--- {title}")
        begin = time.monotonic()
        step()
        report.line(f"    {time.monotonic() - begin:.0f} s")
    sheet = demo.root / SHEET_FILE
    write_contact_sheet(demo, sheet)
    report.line(f"{sheet.name} is {mark_result(sheet).line()}.")
    seconds = time.monotonic() - started
    report.done(
        f"Done in {seconds / 60:.1f} minutes. Look at {demo.result('.mp4')} and {sheet}; rows: src, dst, result.",
        seconds=round(seconds, 1),
        result=str(demo.result(".mp4")),
        contact_sheet=str(sheet),
    )


def _read_mark(mark: Path) -> Any:
    """The content of a demo folder's mark; None where it is damaged."""
    with suppress(UserError):
        return read_json(mark)
    return None


def _own_workspace(workspace: Workspace, options: DemoOptions) -> Workspace:
    """The demo's folder, marked as such; a folder that holds anything else is refused, so no user's work is touched."""
    root = options.workspace or workspace.root.with_name("dfl_demo")
    demo = Workspace(root.absolute())
    mark = demo.root / MARK_FILE
    if not mark.is_file() and demo.root.is_dir() and any(demo.root.iterdir()):
        raise UserError(f"{demo.root} holds other files.", "Choose an empty or new folder: --workspace PATH.")
    length = {"seconds": options.seconds}
    if mark.is_file() and _read_mark(mark) != length:
        raise UserError(
            f"{demo.root} has a demo of another length.", "Delete that folder, or choose another: --workspace PATH."
        )
    demo.create()
    write_json(mark, length)
    return demo


def _steps(demo: Workspace, options: DemoOptions, report: Report) -> Sequence[tuple[str, Callable[[], None]]]:
    """Every stage in order: a title, and what to call."""

    training = TrainOptions(**TRAIN | {"minutes": options.minutes})

    def frames(side: Side) -> tuple[str, Callable[[], None]]:
        given = ExtractFramesOptions(side=side)
        return f"extract-frames {side}", lambda: extract_frames.run(demo, given, report)

    def faces(side: Side) -> tuple[str, Callable[[], None]]:
        given = ExtractFacesOptions(side=side)
        return f"extract-faces {side}", lambda: extract_faces.run(demo, given, report)

    return [
        ("clips", lambda: _make_clips(demo, options.seconds, report)),
        frames("src"),
        faces("src"),
        frames("dst"),
        faces("dst"),
        (f"train {options.minutes:g} minutes", lambda: train.run(demo, training, report)),
        ("merge", lambda: merge.run(demo, MERGE, report)),
        ("make-video", lambda: make_video.run(demo, MakeVideoOptions(), report)),
    ]


def _make_clips(demo: Workspace, seconds: float, report: Report) -> None:
    """data_src.mp4 and data_dst.mp4, where they are not there yet."""
    for side, person in PEOPLE.items():
        path = demo.root / f"data_{side}.mp4"
        if not path.is_file():
            make_clip(person, path, seconds, report)


def write_contact_sheet(workspace: Workspace, path: Path) -> None:
    """Frames of src, of dst, and the same frames of dst merged, each in a row."""
    rows = []
    for folder in (workspace.frames("src"), workspace.frames("dst"), workspace.merged):
        pictures = list_pictures(folder)
        chosen = [pictures[(2 * index + 1) * len(pictures) // (2 * SHEET_COLUMNS)] for index in range(SHEET_COLUMNS)]
        rows.append([read_picture(picture) for picture in chosen])
    write_picture(path, contact_sheet(rows, SHEET_HEIGHT), quality=84)
