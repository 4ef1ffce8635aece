"""The filter: as strong as the ffmpeg program's own, without its rounding."""

from collections.abc import Iterator

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.video import denoise
from dfl.video.denoise import denoised
from tests.video.conftest import ffmpeg


def noisy(count: int) -> list[Picture]:
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:60, :80]
    clean = np.stack([rows * 3, columns * 2, 200 - rows], axis=2)
    return [np.clip(clean + random.normal(0, 8, clean.shape), 0, 255).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("factor", [1, 7, 20])
def test_strength_is_that_of_the_original(factor: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    pictures = noisy(6)
    path = tmp_path_factory.mktemp("raw") / "pictures.raw"
    path.write_bytes(b"".join(picture.tobytes() for picture in pictures))
    strengths = f"hqdn3d=luma_spatial={factor}:chroma_spatial={factor}:luma_tmp=5:chroma_tmp=5"
    form = ("-f", "rawvideo", "-pix_fmt", "bgr24")
    output = ffmpeg(*form, "-s", "80x60", "-i", path, "-vf", strengths, *form, "-")
    wanted = np.frombuffer(output, np.uint8).reshape(6, 60, 80, 3).astype(int)
    got = np.stack(list(denoised(iter(pictures), factor)))
    assert np.abs(got - wanted).mean() < 1
    assert abs((got - wanted).mean()) < 0.3


def test_colours_stay() -> None:
    random = np.random.default_rng(1)
    for colour in random.integers(0, 256, (5, 3)):
        picture = np.full((16, 16, 3), colour, np.uint8)
        assert np.array_equal(next(denoised(iter([picture]), 1)), picture)


def test_pictures_are_taken_as_they_are_needed_and_errors_come_through() -> None:
    taken = 0

    def endless() -> Iterator[Picture]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((600, 800, 3), np.uint8)

    result = denoised(endless(), 7)
    for _ in range(3):
        next(result)
    result.close()  # type: ignore[attr-defined]
    assert taken < 60

    def broken() -> Iterator[Picture]:
        yield np.zeros((16, 16, 3), np.uint8)
        raise UserError("The disk is gone.", "Find it.")

    with pytest.raises(UserError, match="disk is gone"):
        list(denoised(broken(), 7))


def test_a_program_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoise, "_FORMAT", "no_such_format")
    with pytest.raises(UserError, match="ffmpeg program failed"):
        list(denoised(iter(noisy(1)), 7))
    assert list(denoised(iter([]), 7)) == []
