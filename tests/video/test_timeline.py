"""Clips whose times begin anew, step back or jump: every frame comes once, in order, evenly, and the sound with it."""

import shutil
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dfl.video.clip import Clip, Reading
from dfl.video.read import decode, read_frames
from dfl.video.read_clip import open_clip, read_clip
from tests.video.conftest import ffmpeg
from tests.video.numbered import make_numbered, number_of, write_beeps

TWICE = [*range(50), *range(50)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made clips of two seconds, and joined ones."""
    folder = tmp_path_factory.mktemp("parts")
    whole = make_numbered(folder / "whole.mp4", 50)
    longer = make_numbered(folder / "longer.mp4", 50, seconds=2.09)

    def as_ts(name: str, source: Path, offset: float = 0) -> bytes:
        ffmpeg("-i", source, "-c", "copy", "-output_ts_offset", str(offset), "-f", "mpegts", folder / name)
        return (folder / name).read_bytes()

    first, second = as_ts("first.ts", whole), as_ts("second.ts", whole, 2)
    (folder / "anew.ts").write_bytes(first + first)
    (folder / "thrice.ts").write_bytes(first + first + first)
    (folder / "overlap.ts").write_bytes(as_ts("long.ts", longer) + second)
    (folder / "hour.ts").write_bytes(first + as_ts("late.ts", whole, 3600))
    (folder / "back.ts").write_bytes(as_ts("late.ts", whole, 3600) + first)
    (folder / "wraps.ts").write_bytes(as_ts("wrap.ts", whole, 95442.1))
    (folder / "wraps_then_anew.ts").write_bytes(as_ts("wrap.ts", whole, 95442.1) + first)
    ffmpeg("-i", whole, "-c:v", "mpeg2video", "-b:v", "3M", "-c:a", "mp2", "-f", "vob", folder / "title.vob")
    (folder / "anew.mpg").write_bytes((folder / "title.vob").read_bytes() * 2)
    return folder


def read(path: Path, reading: Reading | None = None) -> tuple[Clip, list[int], list[Fraction], list[str]]:
    """The clip, its frames' numbers and times, and what was said."""
    clip = read_clip(path, reading)
    told: list[str] = []
    frames = list(read_frames(clip, told.append))
    return clip, [number_of(frame.picture) for frame in frames], [frame.time for frame in frames], told


def sound_times(clip: Clip) -> list[tuple[float, float]]:
    """Start and end of every packet of sound, mended, in seconds from the clip's start."""
    with open_clip(clip.path) as container:
        begin = Fraction(container.start_time or 0, 1_000_000)
        packets = clip.timeline.mended(container.demux(container.streams.audio[0]))
        return [
            (float(p.pts * p.time_base - begin), float((p.pts + p.duration) * p.time_base - begin))
            for p in packets
            if p.pts is not None
        ]


@pytest.mark.parametrize(
    ("name", "numbers", "joins", "gaps"),
    [
        ("first.ts", list(range(50)), 0, 0),
        ("anew.ts", TWICE, 1, 0),
        ("thrice.ts", [*TWICE, *range(50)], 2, 0),
        ("overlap.ts", TWICE, 1, 0),
        ("hour.ts", TWICE, 0, 1),
        ("back.ts", TWICE, 0, 1),  # libav takes it for a clock that ran over: 25 hours forward
        ("wraps.ts", list(range(50)), 0, 0),
        ("wraps_then_anew.ts", TWICE, 1, 0),
        ("anew.mpg", TWICE, 1, 0),
    ],
)
def test_joined_recordings_give_all_frames_evenly_with_their_sound(
    parts: Path, name: str, numbers: list[int], joins: int, gaps: int
) -> None:
    clip, found, times, told = read(parts / name)
    assert found == numbers
    assert all(abs(later - earlier - Fraction(1, 25)) < Fraction(1, 1000) for earlier, later in pairwise(times))
    assert (len(clip.timeline.joins), len(clip.timeline.gaps)) == (joins, gaps)
    assert told == []
    assert clip.expected_frames == len(numbers)
    assert abs(float(clip.rate) - 25) < 0.01
    packets = sound_times(clip)
    assert all(
        later[0] - earlier[0] > 0 and -0.013 < later[0] - earlier[1] < 0.06 for earlier, later in pairwise(packets)
    )
    assert abs(packets[-1][1] - float(times[-1]) - 0.04) < 0.12


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_pause_of_an_hour_is_closed_unless_it_is_to_be_kept(parts: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pause{suffix}"
    late = "PTS+if(gte(T,1),3600/TB,0)"
    codecs = ("-c:v", "libx264", "-bf", "2", "-c:a", "aac")
    ffmpeg("-i", parts / "whole.mp4", "-vf", f"setpts='{late}'", "-af", f"asetpts='{late}'", *codecs, *PASS, path)
    clip, numbers, times, _ = read(path)
    assert numbers == list(range(50))
    assert all(abs(later - earlier - Fraction(1, 25)) <= Fraction(1, 500) for earlier, later in pairwise(times))
    (gap,) = clip.timeline.gaps
    assert gap.is_closed
    assert abs(gap.length - 3600) < 0.1
    assert abs(sound_times(clip)[-1][1] - 2) < 0.1
    kept, numbers, times, _ = read(path, Reading(gaps="keep"))
    assert numbers == list(range(50))
    assert abs(times[25] - times[24] - 3600) < 0.1
    assert not kept.timeline.gaps[0].is_closed


PASS = ("-fps_mode", "passthrough")


def test_a_picture_that_stands_while_sound_goes_on_is_kept(parts: Path, tmp_path: Path) -> None:
    write_beeps(tmp_path / "long.wav", 20)
    path = tmp_path / "still.mkv"
    late = "PTS+if(gte(T,1),15/TB,0)"
    maps = ("-map", "0:v", "-map", "1:a", "-vf", f"setpts='{late}'", *PASS)
    ffmpeg("-i", parts / "whole.mp4", "-i", tmp_path / "long.wav", *maps, path)
    clip, _, times, _ = read(path)
    assert abs(times[25] - times[24] - 15) < 0.1
    (gap,) = clip.timeline.gaps
    assert gap.has_sound
    assert not gap.is_closed
    closed, _, times, _ = read(path, Reading(gaps="close"))
    assert times[-1] < 2
    assert sound_times(closed)[-1][1] < 5.1
    assert closed.timeline.sounds[0].end < 5.1


def test_a_slide_show_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "slides.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=1/15:duration=120", "-pix_fmt", "yuv420p", path)
    clip = read_clip(path)
    assert clip.timeline.is_plain
    assert clip.timeline.gaps == ()
    assert abs(clip.timeline.seconds - 120) < 0.1


def change_times(content: bytes, stream: int, change: Callable[[int, float], float]) -> bytes:
    """A transport stream with other times of one stream (0xE0 pictures, 0xC0 sound).

    change gives the new display and decoding time for the number of a packet and its seconds.
    """
    data, number = bytearray(content), 0
    for start in range(0, len(data) - 187, 188):
        begin = data.find(bytes((0, 0, 1, stream)), start, start + 188 - 14)
        if not data[start + 1] & 0x40 or begin < 0 or data[begin + 6] >> 6 != 2:
            continue
        for place in [begin + 9, begin + 14][: {2: 1, 3: 2}.get(data[begin + 7] >> 6, 0)]:
            b = data[place : place + 5]
            ticks = (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1
            ticks = round(change(number, ticks / 90000) * 90000)
            head = b[0] & 0xF0 | (ticks >> 30 & 7) << 1 | 1
            low = (ticks >> 14 & 0xFE | 1, ticks >> 7 & 0xFF, ticks << 1 & 0xFE | 1)
            data[place : place + 5] = bytes((head, ticks >> 22 & 0xFF, *low))
        number += 1
    return bytes(data)


def test_sound_that_steps_back_alone_is_trimmed(parts: Path, tmp_path: Path) -> None:
    overlapping = tmp_path / "overlap.ts"
    # Sound of the second part begins 80 ms before that of the first ends; the pictures go on.
    ffmpeg("-i", parts / "whole.mp4", "-c", "copy", "-output_ts_offset", "2.04", "-f", "mpegts", tmp_path / "next.ts")
    overlapping.write_bytes((parts / "long.ts").read_bytes() + (tmp_path / "next.ts").read_bytes())
    clip, numbers, _, _ = read(overlapping)
    assert numbers == TWICE
    assert clip.timeline.joins == ()
    assert 0.01 < clip.timeline.sounds[0].trimmed < 0.2
    packets = sound_times(clip)
    assert all(-0.013 < later[0] - earlier[1] < 0.03 for earlier, later in pairwise(packets))


def test_sound_whose_clock_begins_anew_alone_goes_on_where_it_ended(parts: Path, tmp_path: Path) -> None:
    path = make_numbered(tmp_path / "own.ts", 100)
    path.write_bytes(change_times(path.read_bytes(), 0xC0, lambda _, time: time - 1.5 if time > 3.4 else time))
    clip, numbers, _, _ = read(path)
    assert numbers == list(range(100))
    assert clip.timeline.sounds[0].rejoined == 1
    packets = sound_times(clip)
    assert all(abs(later[0] - earlier[1]) < 0.03 for earlier, later in pairwise(packets))
    assert abs(packets[-1][1] - 4) < 0.1


def test_a_damaged_time_moves_nothing_else(parts: Path, tmp_path: Path) -> None:
    """One packet says that it is five hours later; the frames after it are where they were."""
    path = tmp_path / "stray.ts"
    content = (parts / "first.ts").read_bytes()
    path.write_bytes(change_times(content, 0xE0, lambda number, time: time + 18000 * (number == 20)))
    clip, numbers, times, _ = read(path)
    assert sorted(numbers) == list(range(50))
    assert abs(float(times[-1] - times[0]) - 1.96) < 0.01
    assert clip.timeline.joins == ()
    assert all(later > earlier for earlier, later in pairwise(times))
    assert abs(sound_times(clip)[-1][1] - 2) < 0.1


def test_a_damaged_time_beside_a_hole_moves_no_sound(parts: Path, tmp_path: Path) -> None:
    """Damage in an mkv: half a second is lost, and the picture before it says that it is half a minute later."""
    whole, path = make_numbered(tmp_path / "whole.mkv", 100), tmp_path / "damaged.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is None or 1.5 < packet.pts * packet.time_base < 2.9:
                continue
            if packet.stream.type == "video" and 1.4 < packet.pts * packet.time_base < 1.45:
                packet.pts += round(30 / packet.time_base)
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    clip, _, times, _ = read(path)
    assert abs(float(times[-1]) - 3.96) < 0.03
    assert clip.rate == 25
    before, after = sound_times(read_clip(whole)), sound_times(clip)
    assert abs(after[-1][1] - before[-1][1]) < 0.025


def test_plain_clips_are_handed_through(parts: Path) -> None:
    clip = read_clip(parts / "whole.mp4")
    assert clip.timeline.is_plain
    assert clip.timeline.packets == 50
    assert abs(clip.timeline.seconds - 2) < 0.001


def test_a_clip_is_read_again_when_it_has_changed(parts: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    shutil.copy(parts / "first.ts", path)
    assert read_clip(path).timeline.packets == 50
    shutil.copy(parts / "anew.ts", path)
    assert read_clip(path).timeline.packets == 100


def test_no_decoder_sees_a_time_twice(parts: Path) -> None:
    ticks = [frame.ticks for frame in decode(read_clip(parts / "anew.ts"), pytest.fail)]
    assert np.all(np.diff(ticks) > 0)


def test_pictures_whose_clock_jumps_alone_keep_their_sound(parts: Path, tmp_path: Path) -> None:
    path = tmp_path / "jump.mkv"
    late = "PTS+if(gte(T,1),3600/TB,0)"
    ffmpeg("-i", parts / "whole.mp4", "-vf", f"setpts='{late}'", "-c:v", "libx264", "-c:a", "aac", *PASS, path)
    clip, numbers, times, _ = read(path)
    assert numbers == list(range(50))
    assert times[-1] < 2
    assert abs(sound_times(clip)[-1][1] - 2) < 0.1
    assert sum(later[0] - earlier[1] > 0.03 for earlier, later in pairwise(sound_times(clip))) == 0
