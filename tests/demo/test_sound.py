"""The sound is soft, as long as the clip, and starts anew every half second."""

import numpy as np

from dfl.demo.sound import LOUDNESS, SAMPLE_RATE, tones


def test_tones_are_soft_and_as_long_as_asked() -> None:
    sound = tones(1.25, 220.0)
    assert len(sound) == round(1.25 * SAMPLE_RATE)
    assert np.abs(sound).max() == np.float32(LOUDNESS)
    assert np.abs(sound[:10]).max() < 0.01  # no click at the start


def test_first_note_has_the_lowest_frequency() -> None:
    sound = tones(0.5, 220.0)
    spectrum = np.abs(np.fft.rfft(sound))
    assert abs(np.argmax(spectrum) / 0.5 - 220.0) < 3
