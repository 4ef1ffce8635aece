"""Videos from pictures: values, sizes, times, colour tags."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.video.colours import ColourTags
from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, even_size, mask_form, write_video
from tests.video.conftest import pictures, times

ORDINARY = coding_of(EncodingOptions())
LOSSLESS = coding_of(EncodingOptions(lossless=True))
FORM = VideoForm(ORDINARY, Fraction(1, 25), Fraction(25))


def moving(count: int, height: int, width: int) -> list[NDArray[np.uint8]]:
    """Soft, colourful, moving pictures, as clips are."""
    small = np.random.default_rng(5).integers(0, 256, (9, 12, 3), np.uint8)
    scene = cv2.resize(small, (width * 2, height * 2), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(scene[n : n + height, 2 * n : 2 * n + width]) for n in range(count)]


def shown(frames: list[NDArray[np.uint8]]) -> list[Shown]:
    return [Shown(picture, number, 1) for number, picture in enumerate(frames)]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_lossless_gives_back_every_value_of_any_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"résult 顔{suffix}"
    noise = list(np.random.default_rng(1).integers(0, 256, (5, 41, 67, 3), np.uint8))
    write_video(path, shown(noise), replace(FORM, coding=LOSSLESS))
    assert np.array_equal(pictures(path), np.stack(noise))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_colours_are_not_shifted_and_tagged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    frames = moving(10, 96, 160)
    write_video(path, shown(frames), FORM)
    difference = pictures(path).astype(int) - np.stack(frames)
    assert np.abs(difference).mean() < 1
    assert np.abs(difference.mean((0, 1, 2))).max() < 0.25
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.colorspace, frame.color_range) == ("yuv420p", 1, 1)
    assert (frame.color_primaries, frame.color_trc) == (1, 1)


def test_chroma_lies_where_decoders_look_for_it(tmp_path: Path) -> None:
    """A colour ramp comes back in place: half a pixel of shift would show as a bias of its slope."""
    ramp = np.full((64, 160, 3), 90, np.uint8)
    ramp[:, :, 0] = 20 + np.arange(160)
    write_video(tmp_path / "result.mp4", shown([ramp] * 3), FORM)
    difference = pictures(tmp_path / "result.mp4")[1].astype(int) - ramp
    assert abs(difference[4:-4, 4:-4, 0].mean()) < 0.2


def test_primaries_and_transfer_of_the_source_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "result.mp4"
    write_video(path, shown(moving(2, 32, 32)), replace(FORM, colours=ColourTags(6, 5, 6)))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
    assert (context.colorspace, context.color_primaries, context.color_trc) == (6, 5, 6)


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path: Path) -> None:
    frames = moving(3, 47, 61)
    write_video(tmp_path / "result.mp4", shown(frames), FORM)
    found = pictures(tmp_path / "result.mp4").astype(int)
    assert found.shape == (3, 48, 62, 3)
    assert np.abs(found[:, :47, :61] - np.stack(frames)).mean() < 1
    assert np.array_equal(even_size(frames[0], ORDINARY)[47, :61], frames[0][46])
    assert np.array_equal(even_size(frames[0], ORDINARY)[:47, 61], frames[0][:, 60])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_keep_their_times_and_lengths(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    starts = [0, 1001, 2002, 9009, 9500, 12000]
    frames = [
        Shown(picture, start, end - start)
        for picture, start, end in zip(moving(6, 48, 64), starts, [*starts[1:], 15000], strict=True)
    ]
    write_video(path, frames, replace(FORM, time_base=Fraction(1, 30000), rate=Fraction(30000, 1001)))
    expected = [Fraction(start, 30000) for start in starts]
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0  # a mkv counts milliseconds
    assert all(abs(a - b) <= tolerance for a, b in zip(times(path), expected, strict=True))
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert abs(Fraction(container.duration, 1_000_000) - Fraction(1, 2)) <= Fraction(1, 900)


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({}, ".mp4"),
        ({}, ".avi"),
        ({"lossless": True}, ".mov"),
        ({"encoder": "libx265", "chroma": "444", "bits": "10"}, ".mp4"),
        ({"encoder": "libx264", "chroma": "422"}, ".mkv"),
        ({"encoder": "libsvtav1"}, ".mp4"),
        ({"encoder": "ffv1"}, ".mkv"),
        ({"encoder": "prores"}, ".mov"),
    ],
)
def test_masks_come_back_as_they_were_and_have_the_results_size(
    tmp_path: Path, options: dict[str, Any], suffix: str
) -> None:
    soft = np.add.outer(np.arange(67), np.arange(75)).astype(np.uint8)
    soft[20:40, 30:50] = np.random.default_rng(2).integers(0, 256, (20, 20))
    masks = [np.repeat(np.roll(soft, step, axis=1)[:, :, None], 3, axis=2) for step in range(4)]
    form = replace(FORM, coding=coding_of(EncodingOptions(format=suffix[1:], **options)), colours=ColourTags(6, 6, 6))
    write_video(tmp_path / f"result{suffix}", shown(moving(4, 67, 75)), form)
    write_video(tmp_path / f"mask{suffix}", shown(masks), mask_form(form, (67, 75)))
    found = pictures(tmp_path / f"mask{suffix}")
    assert found.shape == pictures(tmp_path / f"result{suffix}").shape
    worst = np.abs(found[:, :67, :75].astype(int) - np.stack(masks)).max()
    assert worst <= (12 if options.get("encoder") == "prores" else 0)


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    write_video(tmp_path / "result.mp4", shown(moving(2, 48, 64)), replace(FORM, pixel_aspect=Fraction(4, 3)))
    with av.open(str(tmp_path / "result.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no frames"):
        write_video(tmp_path / "result.mp4", [], FORM)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not there|cannot be written"):
        write_video(tmp_path / "none" / "result.mp4", shown(moving(2, 48, 64)), FORM)
