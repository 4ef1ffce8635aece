"""Clips as users have them through all five steps, by the command line: what comes out has all frames, in time."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from dfl import cli
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.demo.clips import clip_frames
from dfl.demo.demo import PEOPLE
from dfl.models.engine import start_engine
from dfl.video.facts import read_facts
from dfl.workspace import Workspace
from tests.models.compiled_functions import not_compiled
from tests.training.drawn_faces import make_faceset
from tests.video.conftest import ffmpeg
from tests.video.numbered import beeps, write_beeps

pytestmark = pytest.mark.slow
BITS = 12
SIZE = 320  # pixels of a frame, both sides
CONTAINERS = ("mp4", "mov", "mkv", "avi")
X264 = ("-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", "-c:a", "aac")


def with_number(frame: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """The frame with its number as black and white blocks along its upper edge, far from the face."""
    height, width = frame.shape[0] // 12, frame.shape[1] // BITS
    made = frame.copy()
    for bit in range(BITS):
        made[:height, bit * width : (bit + 1) * width] = 235 if number >> bit & 1 else 16
    return made


def number_in(picture: NDArray[np.uint8]) -> int:
    height, width = picture.shape[0] // 12, picture.shape[1] // BITS
    means = [
        picture[height // 4 : height * 3 // 4, bit * width + width // 4 : (bit + 1) * width - width // 4].mean()
        for bit in range(BITS)
    ]
    return sum(int(mean > 120) << bit for bit, mean in enumerate(means))


@pytest.fixture(scope="module")
def heads() -> list[NDArray[np.uint8]]:
    """A second of a talking head, to and fro: (SIZE, SIZE, 3)."""
    some = [cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for frame in clip_frames(PEOPLE["dst"], 25)]
    return some + some[::-1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model of one iteration on drawn faces, which shows another face than the clip's."""
    made = Workspace(tmp_path_factory.mktemp("trained") / "workspace")
    made.create()
    for side, colour in (("src", (90, 140, 220)), ("dst", (200, 180, 120))):
        make_faceset(made.aligned(side), colour, 2)
    sizes = ("--resolution=64", "--archi=df-u", "--ae-dims=32", "--e-dims=16", "--d-dims=16", "--d-mask-dims=16")
    start_engine("tensorflow")
    with not_compiled():
        dfl(made, "train", *sizes, "--batch-size=2", "--target-iter=1", "--seed=1", "--engine=tensorflow")
    return made


def raw(
    heads: Sequence[NDArray[np.uint8]], count: int, folder: Path, rate: int = 25, first: int = 0
) -> list[str | Path]:
    """Input arguments for `count` numbered frames with a beep at every full second of the whole."""
    pictures, sound = folder / f"raw{first}.bgr", folder / f"beeps{first}.wav"
    pictures.write_bytes(b"".join(with_number(heads[n % len(heads)], n).tobytes() for n in range(first, first + count)))
    write_beeps(sound, count / rate)
    form = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{SIZE}x{SIZE}", "-r", str(rate))
    return [*form, "-i", pictures, "-i", sound]


def hls_segments(heads: Sequence[NDArray[np.uint8]], folder: Path) -> Path:
    """Segments of a stream, put one behind the other as download programs do."""
    hls = ("-g", "25", "-bf", "2", "-f", "hls", "-hls_time", "1", "-hls_segment_filename", folder / "part%03d.ts")
    ffmpeg(*raw(heads, 60, folder), *X264, *hls, folder / "list.m3u8")
    path = folder / "data_dst.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in sorted(folder.glob("part*.ts"))))
    return path


def interlaced_dv(heads: Sequence[NDArray[np.uint8]], folder: Path) -> Path:
    """A camera's tape: 50 moments a second in 25 frames, the lower lines first."""
    filters = "scale=720:576,interlace=scan=bff:lowpass=off,setfield=bff"
    sound = ("-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2", "-shortest")
    path = folder / "data_dst.dv"
    ffmpeg(*raw(heads, 100, folder, rate=50), "-vf", filters, "-c:v", "dvvideo", "-pix_fmt", "yuv420p", *sound, path)
    return path


def phone_hdr(heads: Sequence[NDArray[np.uint8]], folder: Path) -> Path:
    """A phone held upright: HLG in HEVC of 10 bits, stored on its side."""
    to_hlg = "zscale=tin=bt709:min=bt709:pin=bt709:t=arib-std-b67:m=bt2020nc:p=bt2020:npl=203,format=yuv420p10le"
    tags = "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=arib-std-b67"
    filters = (
        f"scale=out_color_matrix=bt709,setparams=color_primaries=bt709:color_trc=bt709,{to_hlg},transpose=cclock,{tags}"
    )
    flat, path = folder / "flat.mov", folder / "data_dst.mov"
    x265 = ("-c:v", "libx265", "-crf", "12", "-x265-params", "log-level=none", "-tag:v", "hvc1", "-c:a", "aac")
    ffmpeg(*raw(heads, 50, folder), "-vf", filters, *x265, flat)
    ffmpeg("-display_rotation", "-90", "-i", flat, "-c", "copy", path)
    return path


def paused_recording(heads: Sequence[NDArray[np.uint8]], folder: Path) -> Path:
    """A recorder that went on an hour later, in the same file."""
    for number, first in enumerate((0, 25)):
        later = ("-output_ts_offset", str(3600 * number))
        ffmpeg(*raw(heads, 25, folder, first=first), *X264, "-bf", "2", *later, folder / f"part{number}.ts")
    path = folder / "data_dst.ts"
    path.write_bytes(b"".join((folder / f"part{number}.ts").read_bytes() for number in (0, 1)))
    return path


def dfl(workspace: Workspace, *arguments: str) -> str:
    """Run a command; all in this process, so that the engine is loaded once."""
    done = CliRunner().invoke(cli.dfl, [*arguments, "--workspace", str(workspace.root), "--yes"])
    assert done.exit_code == 0, f"{arguments}: {done.output[-3000:]}\n{done.exception!r}"
    return done.output


def shown_numbers(path: Path) -> list[tuple[int, float]]:
    with av.open(str(path)) as container:
        return [
            (number_in(frame.to_ndarray(format="bgr24")), float(frame.pts * frame.time_base))  # type: ignore[operator]
            for frame in container.decode(video=0)
        ]


def road(workspace: Workspace, trained: Workspace) -> None:
    """From frames of dst to merged ones, with the model that is there."""
    shutil.copytree(trained.model, workspace.model, dirs_exist_ok=True)
    dfl(workspace, "extract-faces", "dst")
    dfl(workspace, "merge")


def check_results(workspace: Workspace, count: int, wanted_beeps: list[float], per_frame: int = 1) -> None:
    """All containers: every frame once and in order, at most a frame off its time, sound within 25 ms."""
    facts = read_facts(workspace.clip_facts("dst"))
    times = [ticks * facts.time_base for ticks in facts.times] if facts else [number / 25 for number in range(count)]
    for suffix in CONTAINERS:
        dfl(workspace, "make-video", "--format", suffix)
        found = shown_numbers(workspace.result(f".{suffix}"))
        assert [number // per_frame for number, _ in found] == list(range(count)), suffix
        assert max(abs(time - float(wanted)) for (_, time), wanted in zip(found, times, strict=True)) < 0.041, suffix
        # The clip beeps when the first frame is shown, which may be a little behind its start.
        heard = [time - float(times[0]) for time in beeps(workspace.result(f".{suffix}"))] if wanted_beeps else []
        assert len(heard) == len(wanted_beeps), (suffix, heard)
        assert all(abs(time - wanted) <= 0.025 for time, wanted in zip(heard, wanted_beeps, strict=True)), (
            suffix,
            heard,
        )


def changed(workspace: Workspace) -> float:
    """By how much merging changed the middle of the frames."""
    before = [read_picture(path) for path in list_pictures(workspace.frames("dst"))[:5]]
    after = [read_picture(path) for path in list_pictures(workspace.merged)[:5]]
    height, width = before[0].shape[:2]
    middle = np.s_[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3]
    return float(
        np.mean([np.abs(a[middle].astype(int) - b[middle]).mean() for a, b in zip(before, after, strict=True)])
    )


Maker = Callable[[Sequence[NDArray[np.uint8]], Path], Path]


@pytest.mark.parametrize(
    ("make", "count", "wanted_beeps", "per_frame"),
    [
        (hls_segments, 60, [0, 1, 2], 1),
        (interlaced_dv, 50, [0, 1], 2),
        (phone_hdr, 50, [0, 1], 1),
        (paused_recording, 50, [0, 1], 1),
    ],
)
def test_a_clip_goes_all_the_way(
    workspace: Workspace,
    tmp_path: Path,
    heads: list[NDArray[np.uint8]],
    trained: Workspace,
    make: Maker,
    count: int,
    wanted_beeps: list[float],
    per_frame: int,
) -> None:
    clip = make(heads, tmp_path)
    clip.rename(workspace.root / clip.name)
    said = dfl(workspace, "extract-frames", "dst")
    frames = [read_picture(path) for path in list_pictures(workspace.frames("dst"))]
    assert [number_in(frame) // per_frame for frame in frames] == list(range(count)), said
    road(workspace, trained)
    assert changed(workspace) > 1
    check_results(workspace, count, wanted_beeps, per_frame)
    dfl(workspace, "merge", "--to-video")
    assert [number // per_frame for number, _ in shown_numbers(workspace.result(".mp4"))] == list(range(count))


def test_frames_of_another_program_go_all_the_way(
    workspace: Workspace, heads: list[NDArray[np.uint8]], trained: Workspace
) -> None:
    """Numbered without zeros, as JPEG, and no clip."""
    for number in range(12):
        write_picture(workspace.frames("dst") / f"img{number + 1}.jpg", with_number(heads[number], number), 95)
    dfl(workspace, "extract-frames", "dst")
    road(workspace, trained)
    assert changed(workspace) > 1
    check_results(workspace, 12, [])
