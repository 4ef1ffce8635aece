"""Parts of a video become one, with every picture and every time."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.video.colours import ColourTags
from dfl.video.encoders import coding_of
from dfl.video.join import VideoPart, join_parts
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from tests.video.conftest import ClipMaker, pictures, sound_packets, times
from tests.video.test_write import moving

FORM = VideoForm(
    coding_of(EncodingOptions()), Fraction(1, 90000), Fraction(30), Fraction(4, 3), colours=ColourTags(6, 5, 6)
)
STARTS = [0, 3000, 6003, 9003, 21003, 24003, 27000, 30000, 33000]
LENGTHS = [*np.diff(STARTS).tolist(), 3700]


def written(folder: Path, suffix: str, form: VideoForm, cuts: tuple[int, ...] = (0, 4, 5, 9)) -> list[VideoPart]:
    """A scene in parts of 4, 1 and 4 frames."""
    scene, parts = moving(9, 80, 96), []
    for first, last in pairwise(cuts):
        path = folder / f"part{first}{suffix}"
        pairs = list(zip(STARTS, LENGTHS, strict=True))[first:last]
        shown = [
            Shown(scene[first + place], start - STARTS[first], length) for place, (start, length) in enumerate(pairs)
        ]
        write_video(path, shown, form)
        parts.append(VideoPart(path, pairs))
    return parts


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({}, ".mp4"),
        ({}, ".mov"),
        ({}, ".mkv"),
        ({"lossless": True}, ".mp4"),
        ({"encoder": "libx265"}, ".mp4"),
        ({"encoder": "libx265"}, ".mkv"),
        ({"encoder": "libsvtav1"}, ".mp4"),
        ({"encoder": "libsvtav1"}, ".mkv"),
        ({"encoder": "prores"}, ".mov"),
        ({"encoder": "ffv1"}, ".mkv"),
    ],
)
def test_pictures_times_and_tags_of_all_parts(tmp_path: Path, options: dict[str, Any], suffix: str) -> None:
    form = replace(FORM, coding=coding_of(EncodingOptions(format=suffix[1:], **options)), comment="made")
    parts = written(tmp_path, suffix, form)
    path = tmp_path / f"whole{suffix}"
    assert join_parts(path, parts, form, None) == []
    assert np.array_equal(pictures(path), np.concatenate([pictures(part.path) for part in parts]))
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0  # a mkv counts milliseconds
    assert all(
        abs(found - Fraction(start, 90000)) <= tolerance for found, start in zip(times(path), STARTS, strict=True)
    )
    with av.open(str(path)) as container, av.open(str(parts[0].path)) as first:
        assert {name.lower(): text for name, text in container.metadata.items()}["comment"] == "made"
        assert container.duration is not None
        assert abs(Fraction(container.duration, 1_000_000) - Fraction(36700, 90000)) <= Fraction(1, 900)
        if suffix != ".mkv" or "26" in form.coding.codec:  # make-video says that others do not keep it in a mkv
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        before, after = first.streams.video[0].codec_context, container.streams.video[0].codec_context
        for tag in ("colorspace", "color_primaries", "color_trc", "color_range", "codec_tag"):
            assert getattr(after, tag) == getattr(before, tag)


@pytest.mark.parametrize("kind", [{}, {"crf": 20}, {"lossless": True}, {"encoder": "ffv1"}])
def test_an_avi_of_parts(tmp_path: Path, kind: dict[str, Any]) -> None:
    form = VideoForm(coding_of(EncodingOptions(format="avi", **kind)), Fraction(1, 25), Fraction(25))
    scene, parts = moving(9, 80, 96), []
    for first in (0, 3, 6):
        path = tmp_path / f"{first}.avi"
        write_video(path, [Shown(scene[first + place], place, 1) for place in range(3)], form)
        parts.append(VideoPart(path, [(first + place, 1) for place in range(3)]))
    join_parts(tmp_path / "whole.avi", parts, form, None)
    late = times(parts[0].path)[0]  # libav reads lossless H.264 in an avi one frame late
    assert [time - late for time in times(tmp_path / "whole.avi")] == [Fraction(number, 25) for number in range(9)]
    whole = np.concatenate([pictures(part.path) for part in parts])
    assert np.array_equal(pictures(tmp_path / "whole.avi"), whole)


def test_the_sound_comes_along(tmp_path: Path, make_clip: ClipMaker) -> None:
    clip = make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True)
    join_parts(tmp_path / "whole.mp4", written(tmp_path, ".mp4", FORM), FORM, clip)
    assert sound_packets(tmp_path / "whole.mp4") == sound_packets(clip)


def test_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    parts = written(tmp_path, ".mp4", FORM)
    lacking = [*parts[:2], VideoPart(parts[2].path, [*parts[2].times, (99000, 10)])]
    other = written(tmp_path / "", ".mp4", replace(FORM, coding=coding_of(EncodingOptions(chroma="444"))), (5, 9))
    for wrong in (lacking, [parts[0], VideoPart(parts[1].path, [])], [*parts[:2], *other]):
        with pytest.raises(UserError, match=r"part\d\.mp4 is not the part"):
            join_parts(tmp_path / "whole.mp4", wrong, FORM, None)
