from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.demo.portraits import HOPPER


@pytest.fixture(scope="session")
def officer() -> Picture:
    """A woman's face, 185 pixels wide, in a picture of 512 x 600."""
    return read_picture(HOPPER.portrait)


@pytest.fixture(scope="session", autouse=True)
def no_package_index() -> Iterator[None]:
    """Without the landmark network the stage works with the older one; the package index is not asked for it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIP_NO_INDEX", "1")
        yield


@pytest.fixture(scope="session")
def write_frames(officer: Picture) -> Callable[[Path, int], None]:
    """Writes so many frames of 256 x 240, in which a face wanders to the right."""
    small = np.ascontiguousarray(officer[60:540:2, 80:464:2])

    def write(folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            frame = np.full((240, 256, 3), 60, np.uint8)
            left = number * 64 // count
            frame[:, left : left + 192] = small
            write_picture(folder / f"{number + 1:05d}.png", frame)

    return write
