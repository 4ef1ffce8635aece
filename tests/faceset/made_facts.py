"""Facts of a faceset that was never measured."""

from dataclasses import replace
from typing import Any

import numpy as np

from dfl.face_analysis.poses import enlargements, pitch_yaw, rectangle_areas
from dfl.faceset.faceset import FaceFile
from dfl.faceset_tools.faceset_summary import FacesetSummary
from dfl.faceset_tools.people import PersonGroup
from dfl.workspace import Side
from tests.faceset.mean_head_faces import made_face


def made_facts(side: Side, count: int = 600, faces: list[FaceFile] | None = None, **changed: Any) -> FacesetSummary:
    """A good set of one person, but for what is `changed`."""
    some = tuple(faces or [made_face(f"{number:05}_0.jpg") for number in range(count)])
    facts = FacesetSummary(
        side=side,
        faces=some,
        poses=pitch_yaw(some),
        source_sizes=np.sqrt(rectangle_areas(some)),
        enlargements=enlargements(some),
        sharpness=np.full(len(some), 0.3),
        brightness=np.full(len(some), 120.0),
        outliers=(),
        duplicates=(),
        people=(PersonGroup(1, some, 0.2),),
        compared=len(some),
        mean_descriptor=np.full(128, 0.0 if side == "src" else 0.1, np.float32),
        damaged=(),
    )
    return replace(facts, **changed)
