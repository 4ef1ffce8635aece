"""Two clips in, one clip out with the other face. The road: cli, stages, then the folders in DESIGN order.

`import dfl` is the Python API (dfl.api, docs/python.md). It is loaded when one of its names is asked for: the command
line and worker processes import this module too, and need no more of it than the version.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfl.api import Faceset, LoggingReport, extract_faces, extract_frames, load_model, make_video, merge, train
    from dfl.base.errors import Stopped, UserError
    from dfl.base.report import Report
    from dfl.faces.face_type import FaceType
    from dfl.faceset.aligned_face import AlignedFace
    from dfl.faceset.face_metadata import FaceMetadata
    from dfl.models.prediction import Prediction, SwapModel
    from dfl.workspace import Workspace

__version__ = "0.2.0.dev0"
__all__ = [
    "AlignedFace",
    "FaceMetadata",
    "FaceType",
    "Faceset",
    "LoggingReport",
    "Prediction",
    "Report",
    "Stopped",
    "SwapModel",
    "UserError",
    "Workspace",
    "__version__",
    "extract_faces",
    "extract_frames",
    "load_model",
    "make_video",
    "merge",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dfl' has no attribute {name!r}")
    return getattr(importlib.import_module("dfl.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
