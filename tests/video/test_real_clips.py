"""Results of real clips of awkward kinds: frames are taken out, called merged, and made a video again."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dfl.video import extract_frames, make_video
from dfl.video.colours import ColourTags
from dfl.video.marking import read_marks
from dfl.video.options import ExtractFramesOptions, MakeVideoOptions
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import sound_packets, times

CLIPS = {
    "vfr.mp4": {"crf": 18},
    "odd_427x241.mp4": {"chroma": "444", "encoder": "libx265", "crf": 18},
    "hevc_10bit.mp4": {"encoder": "libx265", "bits": "10", "crf": 18},
    "vp9_opus.webm": {"encoder": "libsvtav1", "crf": 25, "format": "mkv"},
    "one_frame.mp4": {},
    "truncated_half.mp4": {"crf": 18},
    "имя с пробелами 顔 é.mp4": {"format": "avi", "crf": 18},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_pictures_times_sound_and_tags_are_those_of_the_clip(
    shared: Path, workspace: Workspace, report: RecordingReport, name: str
) -> None:
    options = MakeVideoOptions.model_validate(CLIPS[name] | {"mask": False})
    source = shared / "hard" / name
    clip = workspace.root / f"data_dst{source.suffix}"
    shutil.copy(source, clip)
    extract_frames.run(workspace, ExtractFramesOptions(side="dst", format="png"), report)
    shutil.copytree(workspace.frames("dst"), workspace.merged)
    make_video.run(workspace, options, report)
    result = workspace.result(f".{options.format}")
    wanted, found = read_clip(clip), read_clip(result)
    assert ColourTags.of(found) == ColourTags.of(wanted)
    assert found.turn.clockwise_degrees == 0
    before = {frame.time: frame.picture for frame in read_frames(wanted, report.warn)}
    tolerance = Fraction(1, 1000) if options.format == "mkv" else Fraction(1, 90000)
    assert all(abs(a - b) <= tolerance for a, b in zip(times(result), before, strict=True))
    pairs = zip(read_frames(found, pytest.fail), before.values(), strict=True)
    errors = []
    for frame, picture in pairs:
        height, width = picture.shape[:2]
        assert frame.picture.shape[:2] in ((height, width), (height + height % 2, width + width % 2))
        error = frame.picture[:height, :width].astype(np.int16) - picture
        errors.append([np.abs(error).mean(), *error.mean((0, 1))])
    mean, *shift = np.mean(errors, axis=0)
    assert mean < 2
    assert np.abs(shift).max() < 0.5  # by libx264's quantiser; what goes in is exact
    assert "XMP" in read_marks(result).layers or options.format in ("mkv", "avi")
    with av.open(str(clip)) as container:
        has_sound = bool(container.streams.audio)
    if has_sound and name != "truncated_half.mp4":
        assert sound_packets(result) == sound_packets(clip)
