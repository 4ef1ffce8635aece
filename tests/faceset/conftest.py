from pathlib import Path

import cv2
import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def face_pickles() -> dict[str, bytes]:
    """The face data of the original's aligned pictures, by file name; `old_` ones as older Python wrote them."""
    with np.load(DATA / "face_pickles.npz") as recorded:
        return {name: recorded[name].tobytes() for name in recorded.files}


@pytest.fixture(scope="session")
def plain_jpeg() -> bytes:
    """A JPEG without face data, 96 x 96."""
    rows, columns = np.mgrid[:96, :96]
    picture = np.stack([rows * 2, columns * 2, (rows + columns) % 255], axis=2).astype(np.uint8)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
