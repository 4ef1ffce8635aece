"""How strong the edge around a merged face is: as the original starts, by default, and with mode seamless.

    python -m tools.benchmarks.seams WORKSPACE [--model NAME] [--sheet FILE.png]

The workspace has frames and faces of data_dst and a trained model; nothing is written but the sheet. The seam is that
of dfl.merging.planning.auto_colour_transfer.seam_of: Lab distance along the mask's rim, mean of ten frames spread over
the clip. The sheet shows the faces of five of them, cropped and enlarged: untouched, then in each way.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import Picture, contact_sheet, read_picture, write_picture
from dfl.base.report import NullReport
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.merged_frame import compose
from dfl.merging.options import MergeOptions
from dfl.merging.planning.auto_colour_transfer import seam_of
from dfl.merging.planning.clip_faces import read_clip_frames
from dfl.merging.planning.clip_tracks import read_in_threads
from dfl.merging.planning.merge_plan import make_plan
from dfl.merging.planning.settings import AUTO, ORIGINAL
from dfl.merging.running.open_models import GivenModels, SavedModels
from dfl.workspace import Workspace

SIDE = 256
WAYS: dict[str, dict[str, Any]] = {
    "as the original starts": ORIGINAL,
    "default": dict.fromkeys(AUTO, "auto"),
    "seamless": {"mode": "seamless", **dict.fromkeys(AUTO, "auto")},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    workspace, report = Workspace(arguments.workspace.absolute()), NullReport()
    models = GivenModels(SavedModels(workspace, MergeOptions(), report).swap(arguments.model, 1.0))
    read = read_in_threads(lambda frame: read_picture(frame.path), 2)
    clip = read_clip_frames(workspace, report)
    rows: list[list[Picture]] = [[]]
    for name, settings in WAYS.items():
        options = MergeOptions(contact_sheet=True, **settings)
        plan = make_plan(workspace, options, models, clip, read, report)
        seams, faces = [], []
        for task in evenly_spaced([task for task in plan.tasks if task.faces], 10):
            cropped = plan.processor().crop(task)
            ((prediction, *_),) = plan.processor().predict([cropped])
            crop, used, picture = cropped.crops[0], cropped.task.faces[0].settings, cropped.picture
            patch = merge_face(picture, crop, prediction, used)
            seams.append(seam_of(picture, patch))
            matrix = alignment_matrix(crop.landmarks, SIDE, FaceType.WHOLE)
            merged = compose(picture, [patch], used).as_bytes()[0]
            faces.append([cv2.warpAffine(one, matrix, (SIDE, SIDE)).astype(np.uint8) for one in (picture, merged)])
        print(
            f"{name}: seam {np.mean([seam for seam in seams if seam is not None]):.1f} "
            f"(colour transfer {used.transfer}, erode {used.erode}, blur {used.blur})"
        )
        rows[0] = [own for own, _ in faces[::2]]
        rows.append([merged for _, merged in faces[::2]])
    if arguments.sheet:
        write_picture(arguments.sheet, contact_sheet(rows, SIDE))


if __name__ == "__main__":
    main()
