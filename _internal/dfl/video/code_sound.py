"""Re-encoding of sound at its own times, with silence in gaps."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

# A decoded frame so many seconds off the end of the one before does not follow it; less is rounding of times.
TOLERANCE = Fraction(12, 1000)


class SoundCoder:
    """Decodes one stream's packets and codes their sound into another stream, from time 0 on without a gap.

    What is missing becomes silence, what overlaps or lies before time 0 is left out, and a stream that changes its
    rate, format or channels goes on in the first one's.
    """

    def __init__(self, stream: Any) -> None:
        """stream: the output's, which coding is set for."""
        self._stream = stream
        self._context = stream.codec_context
        self._form: tuple[str, str, int] | None = None  # of the pieces that the resampler takes
        self._resampler: Any = None
        self._next = 0  # samples that were given to the encoder
        self._skipped = 0  # samples to leave out
        self._expected = Fraction(0)  # seconds: where the next piece begins if it follows

    def take(self, packet: Any) -> Iterator[Any]:
        """Code a packet, whose times count from the result's start; yields coded packets. Damaged sound is silence."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return
        for frame in frames:
            yield from self._take(self._with_layout(frame))

    def finish(self) -> Iterator[Any]:
        """Yields the last coded packets."""
        yield from self._drain()
        yield from self._stream.encode(None)

    def _take(self, frame: Any) -> Iterator[Any]:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        time = self._expected if frame.pts is None else frame.pts * Fraction(frame.time_base)
        if form != self._form or abs(time - self._expected) > TOLERANCE:
            yield from self._drain()
            yield from self._go_to(round(time * self._context.sample_rate))
            self._form, self._expected = form, time
            self._resampler = av.AudioResampler(self._context.format, self._context.layout, self._context.sample_rate)
        self._expected += Fraction(frame.samples, frame.sample_rate)
        frame.pts = None
        for piece in self._resampler.resample(frame):
            yield from self._code(piece)

    def _with_layout(self, frame: Any) -> Any:
        """Keep the channels of a frame that has as many as the output: a guessed layout would mix them."""
        layout = self._context.layout
        if frame.layout.name == layout.name or len(frame.layout.channels) != len(layout.channels):
            return frame
        made = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, layout.name)
        made.sample_rate, made.pts, made.time_base = frame.sample_rate, frame.pts, frame.time_base
        return made

    def _drain(self) -> Iterator[Any]:
        """What the resampler still holds."""
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                yield from self._code(piece)
        self._resampler = None

    def _go_to(self, sample: int) -> Iterator[Any]:
        """Insert silence up to a sample; where that lies back, skip as many of the next samples."""
        self._skipped = max(0, self._next - sample)
        while self._next < sample:
            yield from self._code(self._silence(min(sample - self._next, self._context.sample_rate)))

    def _silence(self, samples: int) -> Any:
        context = self._context
        piece = av.AudioFrame(context.format.name, context.layout.name, samples)
        piece.sample_rate = context.sample_rate
        for plane in piece.planes:
            plane.update((b"\x80" if context.format.name.startswith("u8") else b"\0") * plane.buffer_size)
        return piece

    def _code(self, piece: Any) -> Iterator[Any]:
        if self._skipped:
            count = min(self._skipped, piece.samples)
            self._skipped -= count
            if count == piece.samples:
                return
            content = piece.to_ndarray()
            is_planar = piece.format.is_planar
            content = content[:, count:] if is_planar else content[:, count * len(piece.layout.channels) :]
            rate = piece.sample_rate
            piece = av.AudioFrame.from_ndarray(content.copy(), piece.format.name, piece.layout.name)
            piece.sample_rate = rate
        piece.pts, piece.time_base = self._next, Fraction(1, self._context.sample_rate)
        self._next += piece.samples
        yield from self._stream.encode(piece)
