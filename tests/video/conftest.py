"""Small clips made on the spot by the ffmpeg program (another build than the libav under test), and a quiet report."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.recording_report import RecordingReport

ClipMaker = Callable[..., Path]
PICTURE = "testsrc2=size={size}:rate={rate}:duration={seconds}"
TONE = "sine=frequency=440:sample_rate=44100:duration={seconds}"


def ffmpeg(*arguments: str | Path) -> bytes:
    """Run the program; its output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    """make_clip("name.mp4", "-c:v", ..., size="64x48", rate="25", seconds=1, sound=False): a made clip."""
    folder = tmp_path_factory.mktemp("clips")

    def make(
        name: str, *arguments: str, size: str = "64x48", rate: str = "25", seconds: float = 1, sound: bool = False
    ) -> Path:
        path = folder / name
        if not path.exists():
            inputs = ["-f", "lavfi", "-i", PICTURE.format(size=size, rate=rate, seconds=seconds)]
            if sound:
                inputs += ["-f", "lavfi", "-i", TONE.format(seconds=seconds)]
            ffmpeg(*inputs, *(arguments or ("-pix_fmt", "yuv420p")), path)
        return path

    return make


@pytest.fixture(scope="session")
def vfr_clip(make_clip: ClipMaker) -> Path:
    """20 frames of 25 a second, those from 8 to 12 dropped: a gap of six frames' time."""
    return make_clip("vfr.mp4", "-vf", r"select=not(between(n\,8\,12))", "-fps_mode", "vfr", "-pix_fmt", "yuv420p")


@pytest.fixture
def report() -> RecordingReport:
    return RecordingReport()


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of the test's own, so that no test signs with the user's key."""
    folder = tmp_path / "config"
    monkeypatch.setenv("DFL_CONFIG", str(folder))
    return folder


def times(path: Path) -> list[Fraction]:
    """The time of every frame in seconds, as libav reads it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]


def pictures(path: Path, *, chroma: str = "left") -> NDArray[np.uint8]:
    """All frames (N, H, W, 3) BGR by the ffmpeg program, converted accurately; `chroma` is where H.264 has it."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    turned = frame.rotation % 180 != 0
    height, width = (frame.width, frame.height) if turned else (frame.height, frame.width)
    exact = f"scale=in_chroma_loc={chroma}:flags=bicubic+accurate_rnd+full_chroma_int,format=bgr24"
    raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-vf", exact, "-f", "rawvideo", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def sound_packets(path: Path) -> list[bytes]:
    """The coded sound."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]
