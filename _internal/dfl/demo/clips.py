"""The demo's clips: a head that turns, blinks and talks, made on the spot from one picture, with sound."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from dfl.base.files import replacing
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.demo.head import Head
from dfl.demo.motion import pose_at
from dfl.demo.people import Person, still
from dfl.demo.sound import tones

SIZE = 480  # pixels, both sides
MARGIN = 48  # pixels more in the still, for the camera's drift
RATE = 25  # frames a second


def clip_frames(person: Person, count: int) -> Iterator[Picture]:
    """The first `count` frames of a person's clip: (SIZE, SIZE, 3) uint8 BGR. The same every time."""
    head = Head(*still(person, SIZE + MARGIN))
    for number in range(count):
        yield head.frame(pose_at(number / RATE, person.beat), SIZE)


def make_clip(person: Person, path: Path, seconds: float, report: Report) -> None:
    """Write a person's clip to `path` (.mp4): H.264 with AAC sound, said in a tag to be synthetic."""
    count = round(seconds * RATE)
    with replacing(path) as part, tempfile.TemporaryDirectory(prefix="dfl-demo-") as folder:
        sound = Path(folder) / "sound.wav"
        sound.write_bytes(tones(count / RATE, person.lowest_hertz))
        frames = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", video_size=(SIZE, SIZE), framerate=RATE)
        output = ffmpeg.output(
            frames,
            ffmpeg.input(str(sound)),
            str(part),
            vcodec="libx264",
            preset="fast",
            crf=15,
            pix_fmt="yuv420p",
            acodec="aac",
            loglevel="error",
            metadata="comment=Synthetic test clip made from one picture",
        )
        process = output.run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True)
        try:
            for frame in report.track(clip_frames(person, count), f"Clip of {person.name}", count):
                process.stdin.write(frame.tobytes())
        finally:
            process.stdin.close()
            failed = process.wait()
        if failed:
            raise OSError(f"ffmpeg ended with code {failed}")
