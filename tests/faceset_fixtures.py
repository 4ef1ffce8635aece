"""Fixtures that write facesets, for the tests of everything that reads one."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.faces.align import transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from tests.recorded import RECORDS


@pytest.fixture(scope="session")
def face_pickles() -> dict[str, bytes]:
    """The face data of the original's aligned pictures, by file name; `old_` ones as older Python wrote them."""
    with np.load(RECORDS / "face_pickles.npz") as recorded:
        return {name: recorded[name].tobytes() for name in recorded.files}


@pytest.fixture(scope="session")
def plain_jpeg() -> bytes:
    """A JPEG without face data, 96 x 96."""
    rows, columns = np.mgrid[:96, :96]
    picture = np.stack([rows * 2, columns * 2, (rows + columns) % 255], axis=2).astype(np.uint8)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


KillAtEvery = Callable[[Callable[[], object], Callable[[], None], Callable[[int], None]], int]
_FILE_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")


@pytest.fixture
def kill_at_every() -> KillAtEvery:
    """`kill_at_every(work, prepare, check)`: kill `work` before its 1st, 2nd, ... file operation.

    `work` runs in a process of its own. Each time `prepare` makes the files anew and `check` (told which operation)
    looks at what is left. Returns how many operations there were.
    """
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")

    def run(work: Callable[[], object], prepare: Callable[[], None], check: Callable[[int], None]) -> int:
        for operation in range(1000):
            prepare()
            if not _killed(work, operation):
                check(operation)
                return operation
            check(operation)
        raise AssertionError("it has no end")

    return run


def _killed(work: Callable[[], object], operation: int) -> bool:
    """Run `work` in a copy of this process, killed before file operation `operation`; whether it got that far."""
    process = os.fork()
    if process == 0:
        count = 0

        def kill(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            if event in _FILE_OPERATIONS and _writes(event, arguments):
                if count == operation:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(kill)
        try:
            work()
        except BaseException:  # noqa: BLE001 - told to the parent by the exit code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the work failed"
    return os.WIFSIGNALED(status)


def _writes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event != "open" or bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))


WriteFaces = Callable[..., dict[str, FaceMetadata]]


@pytest.fixture
def write_faces() -> WriteFaces:
    """`write_faces(folder, "a.jpg", ...)`: aligned pictures, 64 x 64, each unlike the others; returns their face data.

    The n-th comes from frame n: `frame_n.png`. The same call writes the same files.
    """

    def write(folder: Path, *names: str) -> dict[str, FaceMetadata]:
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        for number, name in enumerate(names):
            random = np.random.default_rng([number, *name.encode()])
            blocks = random.integers(0, 256, (6, 6, 3)).astype(np.uint8)
            picture = cv2.resize(blocks, (64, 64), interpolation=cv2.INTER_CUBIC)
            points = random.uniform(10, 54, (68, 2)).astype(np.float32)
            matrix = np.array([[0.5, 0.0, -3.0], [0.0, 0.5, 2.0]])
            source = transform_points(points, matrix, inverse=True)
            rect = np.array([4, 5, 120, 130 + number])
            written[name] = FaceMetadata(FaceType.WHOLE, points, f"frame_{number}.png", rect, source, matrix)
            write_face(folder / name, picture, written[name])
        return written

    return write


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder and its sub-folders but those that a killed run left half-written, by relative name."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".part-" not in path.name]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
