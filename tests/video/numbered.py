"""Made clips whose frames carry their number and whose sound beeps at every full second, and what reads both back."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.video.conftest import ffmpeg

WIDTH, HEIGHT, BITS = 192, 64, 12
BLOCK = WIDTH // BITS


def numbered_picture(number: int) -> NDArray[np.uint8]:
    """A grey ramp with the number as black and white blocks along its upper half, bit 0 at the left."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = np.linspace(40, 200, WIDTH).astype(np.uint8)[None, :, None]
    for bit in range(BITS):
        picture[: HEIGHT // 2, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number in a picture, whatever its size."""
    height, width = picture.shape[:2]
    upper = picture[height // 8 : height * 3 // 8].mean((0, 2))
    middles = [upper[width * (4 * bit + 1) // (4 * BITS) : width * (4 * bit + 3) // (4 * BITS)] for bit in range(BITS)]
    return sum(int(middle.mean() > 120) << bit for bit, middle in enumerate(middles))


def make_numbered(path: Path, count: int, *arguments: str, seconds: float | None = None, first: int = 0) -> Path:
    """A clip of `count` frames, 25 a second, with beeps for `seconds` (as long as the pictures if not given)."""
    raw, sound = path.with_suffix(".raw"), path.with_suffix(".wav")
    raw.write_bytes(b"".join(numbered_picture(first + number).tobytes() for number in range(count)))
    write_beeps(sound, count / 25 if seconds is None else seconds)
    video = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25", "-i", raw)
    given = arguments or ("-c:v", "libx264", "-bf", "2", "-g", "25", "-c:a", "aac")
    ffmpeg(*video, "-i", sound, "-crf", "12", "-pix_fmt", "yuv420p", *given, path)
    raw.unlink()
    return path


def write_beeps(path: Path, seconds: float, rate: int = 48000) -> None:
    """Sound of two channels: 50 ms of 1 kHz at every full second."""
    times = np.arange(round(seconds * rate)) / rate
    tone = np.where(times % 1.0 < 0.05, np.sin(2000 * np.pi * times) * 0.6, 0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat((tone * 32767).astype("<i2")[:, None], 2, 1).tobytes())


def shown(path: Path) -> list[tuple[int, float]]:
    """Number and time in seconds of every frame, as libav reads them."""
    with av.open(str(path)) as container:
        return [
            (number_of(frame.to_ndarray(format="bgr24")), float(frame.pts * frame.time_base))
            for frame in container.decode(video=0)
        ]


def beeps(path: Path, track: int = 0) -> list[float]:
    """When it beeps, in seconds, by the times of the decoded sound."""
    found: list[float] = []
    last = -9.0
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        mono = av.AudioResampler(format="flt", layout="mono")
        for frame in container.decode(stream):
            assert frame.pts is not None
            assert frame.time_base is not None
            start, rate = frame.pts * Fraction(frame.time_base), frame.sample_rate
            samples = np.concatenate([part.to_ndarray()[0] for part in mono.resample(frame)] or [np.zeros(0)])
            for place in np.flatnonzero(np.abs(samples) > 0.1).tolist():
                time = float(start) + place / rate
                if time - last > 0.5:
                    found.append(round(time, 3))
                last = time
    return found
