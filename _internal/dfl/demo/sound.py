"""A soft sequence of tones, so that a demo clip has sound of its own."""

import io
import wave

import numpy as np

SAMPLE_RATE = 44100
# Steps above the lowest note, in semitones of a pentatonic scale: any order of them sounds well.
PENTATONIC = (0, 2, 4, 7, 9, 12)
NOTE_SECONDS = 0.5


def tones(seconds: float, lowest_hertz: float) -> bytes:
    """A WAV file, 16 bit mono, of soft notes that begin every half second, up and down the scale."""
    count = round(seconds * SAMPLE_RATE)
    sound = np.zeros(count)
    for number in range(int(np.ceil(seconds / NOTE_SECONDS))):
        step = PENTATONIC[number * 5 % len(PENTATONIC)] if number % 3 else PENTATONIC[number % len(PENTATONIC)]
        start = round(number * NOTE_SECONDS * SAMPLE_RATE)
        time = np.arange(count - start) / SAMPLE_RATE
        hertz = lowest_hertz * 2 ** (step / 12)
        swell = np.minimum(time / 0.02, 1.0) * np.exp(-time / 0.35)
        sound[start:] += swell * (np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(4 * np.pi * hertz * time))
    samples = np.round(sound / np.abs(sound).max() * 0.35 * 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return content.getvalue()
