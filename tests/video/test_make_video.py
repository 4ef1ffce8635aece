"""The stage make-video, as a user meets it."""

import json
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.video import extract_frames
from dfl.video.credentials import make_signer
from dfl.video.make_video import run
from dfl.video.marking import read_marks
from dfl.video.options import ExtractFramesOptions, MakeVideoOptions
from dfl.video.read_clip import read_clip
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker, ffmpeg, pictures, sound_packets, times

ODD = ("-vf", "format=bgr0,crop=61:47:1:1:exact=1", "-c:v", "ffv1")  # the test card itself has even sizes
# Dies as by kill -9 when half of the frames are written.
KILLED = """
import os, signal, sys
from pathlib import Path
from dfl.base.report import Report
from dfl.video import make_video
from dfl.video.options import MakeVideoOptions
from dfl.workspace import Workspace
class Dying(Report):
    def track(self, items, label, total):
        for number, item in enumerate(items):
            if number == total // 2:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            yield item
make_video.run(Workspace(Path(sys.argv[1])), MakeVideoOptions(), Dying())
"""


def merge_untouched(workspace: Workspace, clip: Path, **options: Any) -> None:
    """Extract a clip and take its frames as merged, with a white square as mask."""
    shutil.copy(clip, workspace.root / f"data_dst{clip.suffix}")
    extract_frames.run(workspace, ExtractFramesOptions(**{"side": "dst"} | options), RecordingReport())
    merge_frames(workspace)


def merge_frames(workspace: Workspace) -> None:
    for path in list_pictures(workspace.frames("dst")):
        workspace.merged.mkdir(exist_ok=True)
        workspace.merged_mask.mkdir(exist_ok=True)
        picture = read_picture(path)
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.circle(mask, (mask.shape[1] // 2, mask.shape[0] // 2), 12, 255, -1)
        write_picture(workspace.merged / f"{path.stem}.png", picture)
        write_picture(workspace.merged_mask / f"{path.stem}.png", mask)


def make(workspace: Workspace, report: RecordingReport, **options: Any) -> Path:
    run(workspace, MakeVideoOptions(**options), report)
    return workspace.result(f".{options.get('format', 'mp4')}")


def test_the_result_is_the_clip_again(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    clip = make_clip("ntsc_loud.mp4", "-pix_fmt", "yuv420p", size="320x240", rate="30000/1001", sound=True)
    merge_untouched(workspace, clip)
    result = make(workspace, report)
    assert times(result) == times(clip)
    assert sound_packets(result) == sound_packets(clip)
    with av.open(str(clip)) as before, av.open(str(result)) as after:
        assert after.streams.video[0].average_rate == Fraction(30000, 1001)
        assert after.duration == before.duration
        assert after.metadata["comment"] == "Contains AI-altered faces"
    difference = pictures(result).astype(int) - pictures(clip)
    assert np.abs(difference).mean() < 2  # hard edges of pure colours; footage stays under 0.5
    assert np.abs(difference.mean((0, 1, 2))).max() < 0.4  # pure colours are clipped; footage stays under 0.02
    masks = pictures(workspace.result_mask(".mp4"))
    assert len(masks) == 30
    assert masks[3, 120, 160].min() > 250 > 5 > masks[3, 2, 2].max()
    assert report.warnings == []
    assert report.lines[-2].startswith("result.mp4 is marked: tag, XMP")
    assert "30 frames" in report.lines[-1]
    assert "with sound" in report.lines[-1]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_uneven_times_are_kept(workspace: Workspace, vfr_clip: Path, report: RecordingReport, suffix: str) -> None:
    merge_untouched(workspace, vfr_clip)
    result = make(workspace, report, format=suffix, mark=False)
    assert times(result) == times(vfr_clip)
    with av.open(str(result)) as container:
        assert container.duration == 1_000_000


def test_an_avi_repeats_frames_instead(workspace: Workspace, vfr_clip: Path, report: RecordingReport) -> None:
    merge_untouched(workspace, vfr_clip)
    result = make(workspace, report, format="avi")
    assert times(result) == [Fraction(number, 25) for number in range(25)]
    assert "An avi has one constant rate" in report.warnings[0]


def test_frames_left_out_at_extraction_keep_the_length(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    clip = make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True)
    merge_untouched(workspace, clip, fps=5)
    result = make(workspace, report)
    assert times(result) == [Fraction(number, 5) for number in range(5)]
    assert sound_packets(result) == sound_packets(clip)
    with av.open(str(result)) as container:
        assert Fraction(container.streams.video[0].duration * container.streams.video[0].time_base) == 1


def test_lossless_is_lossless(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("odd.mkv", *ODD))
    result = make(workspace, report, lossless=True, format="mov")
    assert np.array_equal(pictures(result), pictures(workspace.clip("dst")))
    masks = np.stack([read_picture(path) for path in list_pictures(workspace.merged_mask)])
    assert np.array_equal(pictures(workspace.result_mask(".mov")), masks)


def test_odd_sizes_are_told(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("odd.mkv", *ODD))
    assert pictures(make(workspace, report)).shape == (25, 48, 62, 3)
    assert any(line.startswith("61 x 47 became 62 x 48") for line in report.lines)


@pytest.mark.parametrize("options", [{"encoder": "ffv1", "format": "mkv"}, {"encoder": "libx265", "format": "mkv"}])
def test_pixels_that_are_not_square_stay_so_or_it_is_told(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, options: dict[str, Any]
) -> None:
    merge_untouched(workspace, make_clip("wide.mp4", "-vf", "setsar=4/3", "-pix_fmt", "yuv420p", size="96x80"))
    with av.open(str(make(workspace, report, mask=False, **options))) as container:
        kept = container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert kept != any("not square, which this encoder" in warning for warning in report.warnings)
    assert kept == (options["encoder"] == "libx265")


def test_a_turned_clip_gives_an_upright_result(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "-90", "-i", make_clip("plain.mp4"), "-c", "copy", path)
    merge_untouched(workspace, path)
    assert pictures(make(workspace, report)).shape == pictures(path).shape == (25, 64, 48, 3)


def test_killed_and_started_again(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    first = make(workspace, report, mask=False, bitrate=1).read_bytes()
    died = subprocess.run([sys.executable, "-c", KILLED, str(workspace.root)], capture_output=True, check=False)
    assert died.returncode != 0, died.stderr
    assert list(workspace.root.glob("result.part-*.mp4"))
    assert workspace.result(".mp4").read_bytes() == first, "the old result is whole"
    make(workspace, report)
    assert len(times(workspace.result(".mp4"))) == 25
    assert sorted(path.name for path in workspace.root.glob("result*")) == ["result.mp4", "result_mask.mp4"]


def test_an_earlier_result_is_kept_with_its_mask(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    first = make(workspace, report).read_bytes()
    assert not any("The earlier" in line for line in report.lines)
    second = make(workspace, report, label="corner", mask=False).read_bytes()
    assert workspace.result(".mp4").with_stem("earlier_result").read_bytes() == first
    assert not workspace.result_mask(".mp4").exists(), "it would not fit the new result"
    make(workspace, report)
    assert workspace.result(".mp4").with_stem("earlier_result_2").read_bytes() == second
    assert any("The earlier result.mp4 is earlier_result_2.mp4 now" in line for line in report.lines)


def test_a_result_that_is_open_in_a_player_costs_no_work(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    workspace.result(".mp4").mkdir()  # stands for a file that Windows lets nobody rename
    make(workspace, report)
    assert read_clip(workspace.result(".mp4").with_stem("result_2")).codec == "h264"
    assert "result_2.mp4 and result_mask.mp4" in report.lines[-1]
    assert "is open in another program: the new one is result_2.mp4" in report.warnings[-1]


def test_nothing_swapped_makes_no_video(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    (workspace.merged / "merge.json").write_text(json.dumps({"swapped": 0, "frames": 25}))
    with pytest.raises(UserError, match="No face was swapped"):
        make(workspace, report)
    assert not list(workspace.root.glob("result*"))


def test_frames_that_are_not_merged_yet(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    for number in (7, 9):
        (workspace.merged / f"{number:05d}.png").unlink()
    with pytest.raises(UserError, match=r"23 merged frames of 25; the first that is missing is 00007\.png") as caught:
        make(workspace, report)
    assert "Run merge" in caught.value.todo
    (workspace.merged_mask / "00008.png").unlink()
    (workspace.merged / "merge.json").write_text(json.dumps({"swapped": 23, "failed": {"00007": "", "00009": ""}}))
    with pytest.raises(UserError, match="lacks 1 of 23 masks"):
        make(workspace, report)
    shutil.rmtree(workspace.merged)
    with pytest.raises(UserError, match="0 merged frames of 25"):
        make(workspace, report)


@pytest.mark.parametrize(("encoder", "suffix", "error"), [("prores", "mov", 3), ("ffv1", "mkv", 0), ("ffv1", "avi", 0)])
def test_the_mask_as_alpha_channel(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, encoder: str, suffix: str, error: int
) -> None:
    merge_untouched(workspace, make_clip("odd.mkv", *ODD))
    result = make(workspace, report, encoder=encoder, format=suffix, alpha=True, label="corner")
    assert not workspace.result_mask(f".{suffix}").exists()
    raw = ffmpeg("-i", result, "-f", "rawvideo", "-vf", "scale=flags=accurate_rnd+full_chroma_int,format=bgra", "-")
    found = np.frombuffer(raw, np.uint8).reshape(25, 47, 61, 4).astype(int)
    masks = np.stack([read_picture(path) for path in list_pictures(workspace.merged_mask)])[..., 0]
    clip = pictures(workspace.clip("dst")).astype(int)
    assert np.abs(found[:, :30, :, 3] - masks[:, :30]).max() <= error  # above the label
    assert np.abs(found[:, :30, :, :3] - clip[:, :30]).mean() <= error
    assert (found[:, 40:, :, 3] > masks[:, 40:]).any()
    shutil.rmtree(workspace.merged_mask)
    with pytest.raises(UserError, match="needs the masks"):
        make(workspace, report, encoder=encoder, format=suffix, alpha=True)


def test_pictures_of_other_types_are_told_of(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    write_picture(workspace.merged / "00003.jpg", np.zeros((48, 64, 3), np.uint8))
    assert len(times(make(workspace, report, mask=False))) == 25
    assert "1 pictures in" in report.warnings[0]
    assert "left out: 00003.jpg" in report.warnings[0]
    for path in list_pictures(workspace.merged):
        path.rename(path.with_suffix(".jpg"))
    with pytest.raises(UserError, match=r"25 pictures are of another type: 00001\.jpg, 00002\.jpg") as caught:
        make(workspace, report)
    assert "convert" in caught.value.todo


def test_frames_that_failed_or_were_taken_out_leave_the_one_before(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    (workspace.merged / "00005.png").unlink()
    (workspace.merged / "merge.json").write_text(json.dumps({"swapped": 24, "failed": {"00005": "broken"}}))
    (workspace.merged / "00010.png").unlink()
    (workspace.frames("dst") / "00010.png").unlink()
    result = make(workspace, report)
    assert times(result) == [Fraction(number, 25) for number in range(25) if number not in (4, 9)]
    assert "1 frames failed in merge (00005)" in report.warnings[0]
    assert "1 frames were taken out" in report.warnings[1]


def test_a_broken_picture_is_named_and_does_not_end_the_run(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    (workspace.merged / "00006.png").write_bytes(b"no picture")
    result = pictures(make(workspace, report)).astype(int)
    assert len(result) == 25
    assert np.abs(result[5] - result[4]).mean() < 2
    assert "00006.png" in report.warnings[0]


def test_frames_of_mixed_sizes_are_told_before_the_work_and_fitted_when_asked(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    for number in (6, 7):  # twice as wide
        write_picture(workspace.merged / f"0000{number}.png", np.full((48, 128, 3), 255, np.uint8))
    with pytest.raises(UserError) as caught:
        make(workspace, report)
    assert "2 sizes: 23 of 64 x 48 (such as 00001.png), 2 of 128 x 48 (such as 00006.png)" in caught.value.what
    assert "--scale" in caught.value.todo
    assert not list(workspace.root.glob("result*"))
    result = pictures(make(workspace, report, scale=True, lossless=True))
    assert result.shape == (25, 48, 64, 3)
    assert result[5, 12:36].min() == 255
    assert not result[5, :12].any()
    assert not result[5, 36:].any()
    assert "They are scaled" in report.warnings[-1]
    assert len(pictures(workspace.result_mask(".mp4"))) == 25


def test_frames_wider_than_the_encoder_takes(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    clip = make_clip("wide.avi", "-c:v", "ffv1", size="16400x64", seconds=0.08)
    merge_untouched(workspace, clip)
    with pytest.raises(UserError, match="libx264 takes no pictures of 16400 x 64 pixels") as caught:
        make(workspace, report)
    assert "--encoder libx265 --format mp4" in caught.value.todo
    result = make(workspace, report, encoder="libx265")
    assert pictures(result).shape == pictures(workspace.result_mask(".mp4")).shape == (2, 64, 16400, 3)
    assert np.array_equal(pictures(workspace.result_mask(".mp4"))[0, 32, 8200], [255, 255, 255])


def test_masks_are_fitted_to_frames_that_were_enlarged(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    for path in list_pictures(workspace.merged):
        write_picture(path, cv2.resize(read_picture(path), (128, 96)))
    make(workspace, report)
    masks = pictures(workspace.result_mask(".mp4"))
    assert masks.shape == (25, 96, 128, 3)
    assert masks[:, 48, 64].min() > 250


def test_another_clip_than_that_of_the_frames(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    shutil.copy(make_clip("shorter.mp4", "-pix_fmt", "yuv420p", seconds=0.4), workspace.clip("dst"))
    with pytest.raises(UserError, match="is not the clip that the frames were taken from"):
        make(workspace, report)


def test_without_the_clip_there_is_no_sound(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    clip = make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True)
    merge_untouched(workspace, clip)
    workspace.clip("dst").unlink()
    assert times(make(workspace, report)) == times(clip)
    assert "no sound" in report.warnings[0]


@pytest.mark.parametrize("has_clip", [True, False])
def test_frames_of_the_original_program(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, has_clip: bool
) -> None:
    """Frames without clip.json: the rate of data_dst's clip, or of --fps."""
    merge_untouched(workspace, make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True))
    workspace.clip_facts("dst").unlink()
    if not has_clip:
        workspace.clip("dst").unlink()
    rate = 25 if has_clip else 10
    assert times(make(workspace, report, fps=10)) == [Fraction(number, rate) for number in range(25)]
    assert f"shown evenly, {rate} a second" in report.warnings[-1]
    assert ("as in data_dst.mp4" if has_clip else "the right rate with --fps") in report.warnings[-1]


def test_no_masks_no_mask_video(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    shutil.rmtree(workspace.merged_mask)
    make(workspace, report)
    assert "holds no masks" in report.warnings[0]
    assert not workspace.result_mask(".mp4").exists()


def test_no_mark(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    merge_untouched(workspace, make_clip("plain.mp4"))
    assert read_marks(make(workspace, report, mark=False)).layers == []
    assert "NOT marked" in report.warnings[0]


@pytest.mark.parametrize(("label", "seconds"), [("corner", 4), ("start", 3)])
def test_the_label(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, label: str, seconds: int
) -> None:
    merge_untouched(
        workspace, make_clip("slow.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", size="320x96", rate="5", seconds=4)
    )
    result = pictures(make(workspace, report, label=label, lossless=True, format="mkv")).astype(int)
    changed = np.abs(result - pictures(workspace.clip("dst"))).max((2, 3)) > 60
    assert changed[: 5 * seconds, 70:].any(axis=1).all()
    assert not changed[:, :60].any()
    assert not changed[5 * seconds :].any()


def test_a_certificate_of_ones_own(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, tmp_path: Path
) -> None:
    c2pa = pytest.importorskip("c2pa")
    merge_untouched(workspace, make_clip("plain.mp4"))
    own, chain, key = make_signer(), tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(own.chain)
    key.write_bytes(own.key)
    result = make(workspace, report, certificate=chain, key=key)
    assert read_marks(result).credentials == "valid"
    assert not (tmp_path / "config").exists(), "no key of our own was made"
    with result.open("rb") as stream:
        assert c2pa.Reader("mp4", stream).get_active_manifest()["signature_info"]["issuer"] == "dfl"
    with pytest.raises(UserError, match="go together"):
        make(workspace, report, key=key)
    with pytest.raises(UserError, match=r"other\.pem cannot be read"):
        make(workspace, report, certificate=tmp_path / "other.pem", key=key)
    key.write_bytes(make_signer().key)
    with pytest.raises(UserError, match=r"key\.pem cannot sign: the key is not that of"):
        make(workspace, report, certificate=chain, key=key)


def test_an_empty_workspace(tmp_path: Path, workspace: Workspace, report: RecordingReport) -> None:
    with pytest.raises(UserError, match="0 merged frames"):
        make(workspace, report)
    with pytest.raises(UserError, match="is not there"):
        make(Workspace(tmp_path / "none"), report)
