"""What the encoders are told, whether they work here, and what comes out of those that do."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.video.encoders import ENCODERS, Coding, coding_of, list_encoders, need_encoder
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from tests.recording_report import RecordingReport
from tests.video.conftest import pictures, times
from tests.video.test_write import moving

# What every build of PyAV brings.
SOFTWARE = {
    "libx264": ["420-8", "422-8", "444-8", "420-10", "422-10", "444-10"],
    "libx265": ["420-8", "422-8", "444-8", "420-10", "422-10", "444-10"],
    "libsvtav1": ["420-8", "420-10"],
    "prores": ["422-10", "444-10"],
}
STARTS, END = [0, 3000, 6003, 9003, 21003, 24003, 27000, 30000], 33300  # of 90 000 a second: uneven, with a gap


def options(**given: Any) -> EncodingOptions:
    return EncodingOptions(**given)


def form(coding: Coding) -> VideoForm:
    return VideoForm(coding, Fraction(1, 90000), Fraction(30))


def uneven(height: int = 80, width: int = 96) -> list[Shown]:
    scene = moving(len(STARTS), height, width)
    ends = [*STARTS[1:], END]
    return [Shown(picture, start, end - start) for picture, start, end in zip(scene, STARTS, ends, strict=True)]


@pytest.mark.parametrize(
    ("encoder", "suffix"),
    [(name, suffix) for name in (*SOFTWARE, "ffv1") for suffix in ENCODERS[name].suffixes if suffix != ".avi"],
)
def test_every_container_keeps_times_and_pictures(tmp_path: Path, encoder: str, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    coding = coding_of(options(encoder=encoder, format=suffix[1:]))
    need_encoder(coding)
    write_video(path, uneven(), form(coding))
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else 0  # a mkv counts milliseconds
    assert all(
        abs(found - Fraction(start, 90000)) <= tolerance for found, start in zip(times(path), STARTS, strict=True)
    )
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert abs(Fraction(container.duration, 1_000_000) - Fraction(END, 90000)) <= Fraction(1, 900)
        frame = next(container.decode(video=0))
        assert frame.colorspace == (0 if coding.is_rgb and suffix != ".avi" else 1)
    difference = pictures(path).astype(int) - np.stack([shown.picture for shown in uneven()])
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize(
    ("encoder", "kind"), [(encoder, kind) for encoder, kinds in SOFTWARE.items() for kind in kinds]
)
def test_every_pixel_format_is_what_was_asked_for(tmp_path: Path, encoder: str, kind: str) -> None:
    """In odd sizes, which stay so where nothing is halved."""
    chroma, bits = kind.split("-")
    coding = coding_of(options(encoder=encoder, chroma=chroma, bits=bits, format="mkv", crf=None))
    write_video(tmp_path / "result.mkv", uneven(67, 75), form(coding))
    with av.open(str(tmp_path / "result.mkv")) as container:
        frame = next(container.decode(video=0))
    # What ProRes 4444 holds is not told; it is read as 12 bits.
    depth = "12le" if (encoder, chroma) == ("prores", "444") else "10le" if bits == "10" else ""
    assert frame.format.name == f"yuv{chroma}p{depth}"
    assert (frame.width, frame.height) == {"420": (76, 68), "422": (76, 67), "444": (75, 67)}[chroma]
    found = pictures(tmp_path / "result.mkv")[:, :67, :75].astype(int)
    assert np.abs(found - np.stack([shown.picture for shown in uneven(67, 75)])).mean() < 1.5


@pytest.mark.parametrize(
    ("encoder", "suffix"),
    [("auto", ".mp4"), ("libx264", ".avi"), ("libx265", ".mp4"), ("ffv1", ".mkv"), ("ffv1", ".avi")],
)
def test_lossless_encoders_give_back_every_value_of_any_size(tmp_path: Path, encoder: str, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    noise = list(np.random.default_rng(1).integers(0, 256, (4, 67, 75, 3), np.uint8))
    coding = coding_of(options(encoder=encoder, format=suffix[1:], lossless=True))
    need_encoder(coding)
    shown = [Shown(picture, number, 1) for number, picture in enumerate(noise)]
    write_video(path, shown, VideoForm(coding, Fraction(1, 25), Fraction(25)))
    assert np.array_equal(pictures(path), np.stack(noise))


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1"])
def test_a_better_quality_takes_more_bytes(tmp_path: Path, encoder: str) -> None:
    sizes = []
    for crf in (10, 45):
        coding = coding_of(options(encoder=encoder, crf=crf))
        write_video(tmp_path / f"{crf}.mp4", uneven(96, 128), form(coding))
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 1.3 * sizes[1]


def test_every_choice_has_settings_for_every_speed() -> None:
    for name, speed in product(ENCODERS, ("fast", "medium", "slow")):
        suffix = ENCODERS[name].suffixes[0][1:]
        told = coding_of(options(encoder=name, format=suffix, speed=speed, bitrate=7)).options
        assert not any("{}" in value for value in told.values())
        if ENCODERS[name].bitrate:
            assert told["b"] == "7M"
        if ENCODERS[name].quality:
            told = coding_of(options(encoder=name, format=suffix, speed=speed, crf=31)).options
            assert "31" in told.values()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"encoder": "prores"}, "does not go into mp4"),
        ({"encoder": "libsvtav1", "format": "mov"}, "does not go into mov"),
        ({"encoder": "libsvtav1", "lossless": True}, "cannot keep every value"),
        ({"encoder": "libsvtav1", "chroma": "444"}, "takes no --chroma 444"),
        ({"encoder": "prores", "format": "mov", "bits": "8"}, "takes no --chroma auto --bits 8"),
        ({"encoder": "prores", "format": "mov", "crf": 20}, "knows no --crf"),
        ({"alpha": True}, "cannot keep an alpha channel"),
        ({"encoder": "prores", "format": "mov", "alpha": True, "lossless": True}, "cannot keep an alpha channel"),
    ],
)
def test_what_does_not_go_together_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        coding_of(options(**given))


def test_the_list_says_what_works_here(report: RecordingReport, capfd: pytest.CaptureFixture[str]) -> None:
    list_encoders(report)
    told = {line.partition(":")[0]: line for line in report.lines}
    assert list(told) == list(ENCODERS)
    assert not any("not here" in told[name] for name in (*SOFTWARE, "ffv1"))
    for name in told:
        if "not here" in told[name]:
            suffix = ENCODERS[name].suffixes[0][1:]
            with pytest.raises(UserError, match="cannot be used here") as caught:
                need_encoder(coding_of(options(encoder=name, format=suffix)))
            assert "libx264, libx265, libsvtav1, prores, ffv1" in caught.value.todo
    assert capfd.readouterr() == ("", "")


def test_an_encoder_whose_pictures_are_wrong_does_not_count() -> None:
    worst = Coding("libx264", "yuv420p", {"qp": "51", "nr": "100000", "bf": "0"})
    need_encoder(worst)  # a smooth ramp survives even this
    with pytest.raises(UserError, match="cannot be used here"):
        need_encoder(Coding("libx264", "bgr24", {}))
