"""A soft sequence of tones, so that a demo clip has sound of its own."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44100
# Steps above the lowest note, in semitones of a pentatonic scale: any order of them sounds well.
PENTATONIC = (0, 2, 4, 7, 9, 12)
NOTE_SECONDS = 0.5
LOUDNESS = 0.35  # of full scale


def tones(seconds: float, lowest_hertz: float) -> NDArray[np.float32]:
    """Soft notes that begin every half second, up and down the scale: (N,) float32, -1..1, one channel."""
    count = round(seconds * SAMPLE_RATE)
    sound = np.zeros(count)
    for number in range(int(np.ceil(seconds / NOTE_SECONDS))):
        step = PENTATONIC[number * 5 % len(PENTATONIC)] if number % 3 else PENTATONIC[number % len(PENTATONIC)]
        start = round(number * NOTE_SECONDS * SAMPLE_RATE)
        time = np.arange(count - start) / SAMPLE_RATE
        hertz = lowest_hertz * 2 ** (step / 12)
        swell = np.minimum(time / 0.02, 1.0) * np.exp(-time / 0.35)
        sound[start:] += swell * (np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(4 * np.pi * hertz * time))
    return np.asarray(sound / np.abs(sound).max() * LOUDNESS, np.float32)


def write_sound(path: Path, sound: NDArray[np.float32]) -> None:
    """Write one channel of sound, (N,) float32, as AAC to `path` (.mp4), a container that write_video takes."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
