"""From clip to result without pictures: the same pixels, exact times, and it goes on after a kill."""

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.merging.merge import run, run_merge_to_video
from dfl.merging.options import MergeOptions
from dfl.merging.running import video_source
from dfl.merging.running.frame_processor import FrameProcessor
from dfl.merging.running.open_models import GivenModels
from dfl.merging.running.video_source import open_video_source
from dfl.video import extract_frames
from dfl.video.encoders import coding_of
from dfl.video.facts import read_facts
from dfl.video.marking import read_marks
from dfl.video.options import EncodingOptions, ExtractFramesOptions
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, add_face, as_the_original_starts, face_at, waves
from tests.recording_report import RecordingReport

REPOSITORY = Path(__file__).parents[3]
TICK = Fraction(1, 12800)
STEP = 512  # 25 frames a second
# Merges to video in parts of five frames and dies as by kill -9 after some.
KILLED = """
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from tests.merging import conftest
from tests.recording_report import RecordingReport
from dfl.merging import merge
from dfl.merging.running import video_source
from dfl.merging.running.open_models import GivenModels
from dfl.merging.options import MergeOptions
from dfl.workspace import Workspace
video_source.PART_FRAMES = 5
class Dying(RecordingReport):
    left = int(sys.argv[2])
    @contextmanager
    def progress(self, label, total):
        yield self
    def advance(self, count=1):
        self.left -= count * (self.left > 0)
        if self.left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
workspace, options = Workspace(Path(sys.argv[1])), MergeOptions(**json.loads(sys.argv[3]))
source = video_source.open_video_source(workspace, options, RecordingReport())
merge.run_merge_to_video(workspace, options, GivenModels(conftest.FakeModel()), Dying(), source)
"""

Clip = Callable[..., Path]


@pytest.fixture
def video(workspace: Workspace) -> Clip:
    """Put a clip of waves with faces into the workspace: `video(count, without_face=(3,), ticks=[...])`."""

    def make(count: int, without_face: tuple[int, ...] = (), ticks: list[int] | None = None) -> Path:
        starts = ticks or [STEP * number for number in range(count)]
        ends = [*starts[1:], starts[-1] + STEP]
        frames = [
            Shown(waves(number), start, end - start)
            for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
        ]
        path = workspace.root / "data_dst.mp4"
        write_video(path, frames, VideoForm(coding_of(EncodingOptions(bitrate=20)), TICK, Fraction(25)))
        for number in range(1, count + 1):
            if number not in without_face:
                add_face(workspace, f"{number:05d}.png", face_at(60 + 3 * number, 90, 50))
        return path

    return make


@pytest.fixture
def to_video(workspace: Workspace) -> Callable[..., RecordingReport]:
    """Merge to video with the made-up model; options by name, or `model`."""

    def do(model: FakeModel | None = None, **options: Any) -> RecordingReport:
        report, chosen = (
            RecordingReport(),
            MergeOptions(**{"to_video": True} | as_the_original_starts(workspace, options)),
        )
        source = open_video_source(workspace, chosen, report)
        run_merge_to_video(workspace, chosen, GivenModels(model or FakeModel()), report, source)
        return report

    return do


def pictures(path: Path) -> NDArray[np.uint8]:
    return np.stack([frame.picture for frame in read_frames(read_clip(path), pytest.fail)])


def times(path: Path) -> list[Fraction]:
    return [frame.time for frame in read_frames(read_clip(path), pytest.fail)]


UNSMOOTHED = {"steady_mask": 0, "steady_landmarks": False}
LOSSLESS = {"lossless": True, "format": "mp4"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [LOSSLESS, {"encoder": "ffv1", "format": "mkv"}])
@pytest.mark.parametrize("settings", [{}, {"mode": "seamless", "colour_transfer": "sot-m", "motion_blur": 50}])
def test_the_same_pixels_as_through_pictures(
    workspace: Workspace, video: Clip, to_video: Any, merged: Any, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    video(12, without_face=(4, 5))
    report = to_video(**options, **settings)
    assert report.counts["frames"] == 12
    assert not workspace.merged.exists()
    assert not list_pictures(workspace.frames("dst"))
    suffix = f".{options['format']}"
    assert sorted(path.name for path in workspace.root.glob("result*")) == [f"result{suffix}", f"result_mask{suffix}"]
    assert not (workspace.frames("dst") / "merged_video").exists()
    extract_frames.run(workspace, ExtractFramesOptions(side="dst"), RecordingReport())
    merged(**settings)
    made = (workspace.result(suffix), workspace.merged), (workspace.result_mask(suffix), workspace.merged_mask)
    for result, folder in made:
        wanted = np.stack([read_picture(path) for path in list_pictures(folder)])
        assert np.array_equal(pictures(result), wanted)
    assert read_marks(workspace.result(suffix)).layers[0] == "tag"


@pytest.mark.parametrize("has_frames", [False, True])
def test_uneven_times_and_frames_that_were_left_out(
    workspace: Workspace, video: Clip, to_video: Any, has_frames: bool
) -> None:
    starts = [0, 512, 1000, 1536, 4096, 4608, 5120, 5632]
    clip = video(8, ticks=starts)
    kept = starts
    if has_frames:
        extract_frames.run(workspace, ExtractFramesOptions(side="dst", fps=10), RecordingReport())
        facts = read_facts(workspace.clip_facts("dst"))
        assert facts is not None
        kept = facts.times
        assert 2 < len(kept) < 7
    to_video(**LOSSLESS, mark=False, mask=False)
    assert times(workspace.result(".mp4")) == [start * TICK for start in kept]
    assert read_clip(workspace.result(".mp4")).duration == read_clip(clip).duration


def test_an_avi_repeats_frames(workspace: Workspace, video: Clip, to_video: Any) -> None:
    video(6, ticks=[0, 512, 1024, 2560, 3072, 3584])
    report = to_video(format="avi", encoder="ffv1", mark=False)
    assert times(workspace.result(".avi")) == [Fraction(number, 25) for number in range(8)]
    assert "2 frames are repeated" in report.text
    shown = pictures(workspace.result(".avi"))
    assert np.array_equal(shown[2], shown[4])
    assert len(pictures(workspace.result_mask(".avi"))) == 8


@pytest.mark.slow
def test_the_sound_and_the_label_come_along(workspace: Workspace, video: Clip, to_video: Any) -> None:
    clip = video(10)
    silent = clip.rename(clip.with_name("silent.mp4"))
    with av.open(str(silent)) as source, av.open(str(clip), "w") as output:
        picture, sound = output.add_stream_from_template(source.streams.video[0]), output.add_stream("aac", rate=44100)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = picture
                output.mux(packet)
        noise = np.random.default_rng(1).normal(0, 0.2, (1, 17640)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
        frame.rate, frame.pts = 44100, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    to_video(**LOSSLESS, mark=False)
    plain = pictures(workspace.result(".mp4"))
    with av.open(str(clip)) as before, av.open(str(workspace.result(".mp4"))) as after:
        sounds = [[bytes(packet) for packet in each.demux(audio=0) if packet.size] for each in (before, after)]
    assert sounds[0] == sounds[1] != []
    to_video(**LOSSLESS, label="corner")
    assert (pictures(workspace.result(".mp4")) != plain).any((2, 3))[:, 160:].any(1).all()


@pytest.mark.slow
def test_the_mask_as_alpha_channel(workspace: Workspace, video: Clip, to_video: Any) -> None:
    video(5)
    to_video(encoder="ffv1", format="mkv", mark=False)
    wanted = [pictures(path) for path in (workspace.result(".mkv"), workspace.result_mask(".mkv"))]
    workspace.result_mask(".mkv").unlink()
    to_video(encoder="ffv1", format="mkv", mark=False, alpha=True)
    with av.open(str(workspace.result(".mkv"))) as container:
        found = np.stack([frame.to_ndarray(format="bgra") for frame in container.decode(video=0)])
    assert np.array_equal(found[..., :3], wanted[0])
    assert np.array_equal(found[..., 3], wanted[1][..., 0])
    assert not workspace.result_mask(".mkv").exists()


@pytest.mark.slow
def test_what_is_for_pictures_alone_is_told(workspace: Workspace, video: Clip, to_video: Any) -> None:
    video(4)
    text = to_video(frames="2-3", crops=True, erode=20).text
    assert "the result has all frames of the clip" in text
    assert "--crops and --output-format are for pictures" in text
    assert len(times(workspace.result(".mp4"))) == 4
    assert not (workspace.frames("dst") / "merged_crops").exists()


@pytest.mark.slow
def test_killed_it_goes_on_and_the_old_result_stays(
    workspace: Workspace, video: Clip, to_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_source, "PART_FRAMES", 5)
    video(23, without_face=(7, 8))
    options = LOSSLESS | {"steady_mask": 3}  # reaches over the ends of parts
    to_video(**options)
    wanted, masks = pictures(workspace.result(".mp4")), pictures(workspace.result_mask(".mp4"))
    old = workspace.result(".mp4").read_bytes()
    folder = workspace.frames("dst") / "merged_video"
    killed = [sys.executable, "-c", KILLED, str(workspace.root)]
    for frames, finished in ((12, 2), (6, 3)):
        died = subprocess.run(
            [*killed, str(frames), json.dumps(options)], cwd=REPOSITORY, capture_output=True, check=False
        )
        assert died.returncode != 0, died.stderr
        assert workspace.result(".mp4").read_bytes() == old
        assert len(list(folder.glob("*.json"))) == finished, died.stderr
    report = to_video(**options)
    assert "15 of 23 frames are merged already" in report.text
    assert np.array_equal(pictures(workspace.result(".mp4")), wanted)
    assert np.array_equal(pictures(workspace.result_mask(".mp4")), masks)
    assert not folder.exists()


def test_what_cannot_be_deleted_beside_the_parts_is_told_and_the_result_is_whole(
    workspace: Workspace, video: Clip, to_video: Any
) -> None:
    video(3)
    folder = workspace.frames("dst") / "merged_video"
    (folder / "00007.mp4").mkdir(parents=True)  # stands for a part that is open in a player on Windows
    (folder / ".DS_Store").write_bytes(b"x")
    report = to_video()
    assert "00007.mp4 cannot be deleted: the result is whole" in report.text
    assert "3 frames" in report.text
    assert sorted(path.name for path in folder.iterdir()) == [".DS_Store", "00007.mp4"]
    assert len(times(workspace.result(".mp4"))) == 3


def test_only_what_changed_is_made_again(
    workspace: Workspace, video: Clip, to_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_source, "PART_FRAMES", 5)
    video(15)
    shown: list[int] = []

    class Watching(FakeModel):
        def predict(self, faces: Any) -> Any:
            shown.append(len(faces))
            return super().predict(faces)

    class Interrupted(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("dfl.merging.running.to_video.join_parts", stop)
        for options in (UNSMOOTHED, {"erode": 5}, {"erode": 5}):
            shown.clear()
            with pytest.raises(Interrupted):
                to_video(Watching(), **options)
            if options:
                assert sum(shown) in (15, 0)
        assert shown == []
        (workspace.aligned("dst") / "00008_0.jpg").unlink()
        add_face(workspace, "00008.png", face_at(150, 80, 40))
        with pytest.raises(Interrupted):
            to_video(Watching(), erode=5)
    assert sum(shown) == 5
    assert to_video(Watching(), erode=5).counts["frames"] == 15
    assert sum(shown) == 5


def test_a_frame_that_fails_shows_the_one_before_and_never_the_face_that_was_there(
    workspace: Workspace, video: Clip, to_video: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video(8)
    to_video(**LOSSLESS)
    whole = pictures(workspace.result(".mp4"))
    blend = FrameProcessor.blend

    def failing(self: Any, frame: Any, around: Any) -> Any:
        if frame.cropped.task.stem in ("00001", "00005", "00006"):
            raise ValueError("no")
        return blend(self, frame, around)

    monkeypatch.setattr(FrameProcessor, "blend", failing)
    report = to_video(**LOSSLESS)
    assert np.array_equal(pictures(workspace.result(".mp4")), whole[[1, 1, 2, 3, 3, 3, 6, 7]])
    assert "00005.png was not merged" in report.text
    assert "3 frames failed, such as 00001" in report.text
    monkeypatch.setattr(FrameProcessor, "blend", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        to_video(**LOSSLESS)


def test_denoised_and_deleted_pictures_are_told_of(workspace: Workspace, video: Clip, to_video: Any) -> None:
    video(4)
    extract_frames.run(workspace, ExtractFramesOptions(side="dst"), RecordingReport())
    (workspace.frames("dst") / "00002.png").unlink()
    (workspace.frames("dst") / "denoise.json").write_text("{}")
    report = to_video()
    assert "such as 00002: --to-video takes all of the clip" in report.text
    assert "were denoised" in report.text
    assert len(times(workspace.result(".mp4"))) == 4


@pytest.mark.parametrize(
    ("prepare", "options", "said"),
    [
        (lambda root: (root / "data_dst.mp4").unlink(), {}, "No data_dst video"),
        (lambda root: None, {"encoder": "prores"}, "does not go into mp4"),
        (lambda root: [path.unlink() for path in (root / "data_dst" / "aligned").glob("*")], {}, "no faces"),
    ],
)
def test_what_is_missing_is_said_before_the_model_is_opened(
    workspace: Workspace, video: Clip, prepare: Any, options: dict[str, Any], said: str
) -> None:
    video(2)
    prepare(workspace.root)
    with pytest.raises(UserError, match=said):
        run(workspace, MergeOptions(to_video=True, **options), RecordingReport())


def test_encoding_is_asked_for_only_with_to_video(workspace: Workspace) -> None:
    assert {"format", "bitrate", "lossless"} <= MergeOptions.pointless_questions(workspace.root, {})
    assert "format" not in MergeOptions.pointless_questions(workspace.root, {"to_video": True})
