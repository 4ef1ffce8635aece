"""The demo's clips: a head that turns, blinks and talks, made on the spot from one picture, with sound."""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from dfl.base.files import replacing
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.demo.head import Head
from dfl.demo.motion import pose_at
from dfl.demo.portraits import Portrait, still
from dfl.demo.sound import tones, write_sound
from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video

SIZE = 480  # pixels, both sides
MARGIN = 48  # pixels more in the still, for the camera's drift
RATE = 25  # frames a second
COMMENT = "Synthetic test clip, made from one picture"


def clip_frames(person: Portrait, count: int) -> Iterator[Picture]:
    """The first `count` frames of a person's clip: (SIZE, SIZE, 3) uint8 BGR. The same every time."""
    head = Head(*still(person, SIZE + MARGIN))
    for number in range(count):
        yield head.frame(pose_at(number / RATE, person.beat), SIZE)


def make_clip(person: Portrait, path: Path, seconds: float, report: Report) -> None:
    """Write a person's clip to `path` (.mp4) with sound; the tag `comment` says that it is synthetic."""
    count = round(seconds * RATE)
    form = VideoForm(
        coding_of(EncodingOptions(bitrate=4)), time_base=Fraction(1, RATE), rate=Fraction(RATE), comment=COMMENT
    )
    frames = report.track(clip_frames(person, count), f"Clip of {person.name}", count)
    shown = (Shown(frame, number, 1) for number, frame in enumerate(frames))
    with replacing(path) as part, tempfile.TemporaryDirectory(prefix="dfl-demo-") as folder:
        sound = Path(folder) / "tones.mp4"
        write_sound(sound, tones(count / RATE, person.lowest_hertz))
        write_video(part, shown, form, sound)
