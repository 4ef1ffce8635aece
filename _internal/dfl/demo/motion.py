"""What the head of a demo clip does from moment to moment: turns, nods, blinks, talks. Deterministic."""

import math

from dfl.demo.head import Pose

BLINK_SECONDS = 0.36


def pose_at(seconds: float, beat: float) -> Pose:
    """The pose at a moment of a clip. `beat` sets the pace: clips with different beats move differently."""

    def wave(period: float, phase: float = 0.0) -> float:
        """-1..1, once to and fro in `period` seconds."""
        return math.sin(2 * math.pi * (seconds * beat / period + phase))

    opened = _talk(seconds * beat)
    return Pose(
        yaw=math.radians(22) * wave(3.9),
        pitch=math.radians(9) * wave(2.6, 0.2) + math.radians(2),
        roll=math.radians(6) * wave(5.3, 0.1),
        shift=(0.10 * wave(4.7, 0.3), 0.04 * wave(3.1)),
        closed=_blink(seconds * beat),
        opened=opened,
        smile=0.025 * wave(3.3, 0.6) - 0.25 * opened,
        brows=0.025 * max(0.0, wave(4.1, 0.55)),
        light=(wave(3.7, 0.15), 0.6 * wave(2.9, 0.4)),
        camera=(9 * wave(6.1), 7 * wave(5.1, 0.25), 0.985 + 0.025 * wave(6.7, 0.7)),
    )


def _blink(time: float) -> float:
    """0 open, 1 shut: a blink every 1.3 beats, and every fourth time the eyes stay shut for a while."""
    number, since = divmod(time + 0.4, 1.3)
    length = BLINK_SECONDS * (2.0 if number % 4 == 2 else 1.0)
    return math.sqrt(math.sin(math.pi * since / length)) if since < length else 0.0


def _talk(time: float) -> float:
    """How far the lower lip is down, in face widths: words of some two syllables a beat, with pauses."""
    word = max(0.0, math.sin(2 * math.pi * time / 2.3 + 0.5))
    syllable = 0.5 - 0.5 * math.cos(2 * math.pi * 2.1 * time)
    return 0.1 * math.sqrt(word) * syllable
