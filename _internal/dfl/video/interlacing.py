"""Interlaced clips, whose frames hold two fields of different times: detection and deinterlacing.

A file's interlacing flag is often wrong: progressive frames flagged as interlaced (DV and broadcast at 25 frames a
second), interlaced ones re-encoded as progressive. So a sample of frames is measured, and the flag decides only where
nothing moves. The filter bwdif outputs the first field's time of each frame: frames, times and numbers stay. Telecined
film (30 frames a second by repeated fields) is restored by matching fields (filter fieldmatch); its repeated frames
stay as well.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

from dfl.video.demux import read_packets

if TYPE_CHECKING:
    from dfl.video.read import CodedFrame

# How a clip's frames are deinterlaced: not at all, by their first field (top, bottom, or by each frame's flag), or as
# film by matching fields (inverse telecine).
Fields = Literal["", "tff", "bff", "flagged", "film-tff", "film-bff"]
Deinterlace = Literal["auto", "on", "off", "tff", "bff", "flagged", "film-tff", "film-bff"]
CONTEXT = 3  # frames before and after a frame that its deinterlaced picture may depend on
_SAMPLES, _SAMPLE_FRAMES = 4, 25  # number of samples of a clip, and consecutive frames in each
_MAX_HEIGHT, _MAX_RATE = 1152, 31  # no interlaced video is larger or faster
_MIN_EDGE = 16  # pixels: minimum size for the filters
_COLUMNS = 180  # of a frame that are measured; more do not help
# Combed share of a frame: progressive frames have 0.0003 (footage) to 0.001 (test pictures), interlaced ones >= 0.002.
_COMBED = 0.002
_REPEATED = 3  # a field that changed this many times less than the other one is repeated from the frame before


class _Graph:
    """One chain of libav filters for frames of one size and format."""

    def __init__(self, frame: Any, *filters: tuple[str, str]) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        nodes = [self._graph.add(name, arguments) for name, arguments in filters]
        self._graph.link_nodes(source, *nodes, self._graph.add("buffersink")).configure()

    def push(self, frame: Any) -> Iterator[Any]:
        """Push a frame, None to flush; yields the output frames."""
        self._graph.push(frame)
        while True:
            try:
                yield self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return


def fields_of(container: Any, stream: Any, first: Any, asked: Deinterlace, is_seekable: bool) -> Fields:
    """How a stream is to be deinterlaced. asked: by the user, or as stored when the frames were extracted.

    container: opened for this alone. first: its first decoded frame.
    """
    if asked == "off":
        return ""
    if asked != "auto" and asked != "on":
        return asked
    is_flagged = bool(first.interlaced_frame)
    if min(first.width, first.height) < _MIN_EDGE:
        return ""
    if asked == "auto" and not is_flagged and (first.height > _MAX_HEIGHT or (stream.average_rate or 0) > _MAX_RATE):
        return ""
    statistics = _FieldStatistics()
    for frames in _samples(container, stream, is_seekable):
        statistics.add(frames)
    return statistics.fields(is_flagged, asked == "on")


class _FieldStatistics:
    """Counts of frame kinds: `whole` (progressive), `tff` or `bff` (interlaced, top or bottom field first)."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        # For each sample and field: positions in the cycle of five frames at which the field is repeated.
        self._repeats: list[tuple[Counter[int], Counter[int]]] = []
        self._count = 0
        self._combs = 0.0

    def add(self, frames: Iterable[Any]) -> None:
        """Count consecutive frames."""
        before: NDArray[np.int16] | None = None
        repeats: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        for number, frame in enumerate(frames):
            now = _columns(frame)
            if before is not None and before.shape == now.shape:
                self._kinds[_kind(now, before)] += 1
                moved = [float(np.abs(now[line::2] - before[line::2]).mean()) for line in (0, 1)]
                for line in (0, 1):
                    repeats[line][number % 5] += moved[line] * _REPEATED < moved[1 - line]
                self._count += 1
                self._combs += _combs(now)
            before = now
        self._repeats.append(repeats)

    def fields(self, is_flagged: bool, is_wanted: bool) -> Fields:
        """The decision. is_flagged: the file says interlaced. is_wanted: deinterlace also in doubt."""
        top, bottom, whole = (self._kinds[kind] for kind in ("tff", "bff", "whole"))
        combed, other = max(top, bottom), min(top, bottom)
        is_clear = combed >= 3 and combed >= 8 * other
        if is_clear and self._is_film():
            return "film-tff" if top > bottom else "film-bff"
        # The file's flag decides where nothing moves, or where frames are combed.
        is_by_flag = is_flagged and (combed + whole < 8 or self._combs > _COMBED * self._count)
        is_enough = combed * (25 if is_flagged else 6) >= combed + whole and (is_flagged or combed >= 6)
        if (is_clear and is_enough) or is_by_flag or is_wanted:
            return ("tff" if top > bottom else "bff") if is_clear else "flagged"
        return ""

    def _is_film(self) -> bool:
        """Whether fields are repeated as in 3:2 pulldown: once in five frames the upper one, two frames later the lower
        one, or the other way round."""
        repeats = sum(sum(upper.values()) + sum(lower.values()) for upper, lower in self._repeats)
        regular = 0
        for upper, lower in self._repeats:
            pairs = [(upper[index], lower[(index + step) % 5]) for index in range(5) for step in (2, 3)]
            regular += max(sum(pair) if min(pair) else 0 for pair in pairs)
        return regular >= 4 and regular * 20 >= self._count and regular * 5 >= 3 * repeats


def _columns(frame: Any) -> NDArray[np.int16]:
    """The brightness of some columns of a frame, an even number of lines."""
    grey = frame.reformat(format="gray").to_ndarray()[: frame.height // 2 * 2, :: max(1, frame.width // _COLUMNS)]
    found: NDArray[np.int16] = grey.astype(np.int16)
    return found


def _kind(now: NDArray[np.int16], before: NDArray[np.int16]) -> str:
    """Classify a frame by how well its two fields fit each other and those of the frame before.

    In a progressive frame its own fields fit best. With top field first, the upper field is one field time away from
    the lower fields of its own frame and of the frame before, and the lower field three from the upper one before.
    """
    upper, lower = now[::2], now[1::2]
    own = _misfit(upper, lower)
    upper_first, lower_first = _misfit(upper, before[1::2]), _misfit(before[::2], lower)
    least, most = min(upper_first, lower_first), max(upper_first, lower_first)
    if least > 1.3 * own:
        return "whole"
    if most > 1.1 * least and own > 0.95 * least:
        return "tff" if upper_first < lower_first else "bff"
    return "unclear"


def _combs(now: NDArray[np.int16]) -> float:
    """Combed share of a frame: pixels that differ much from the lines next to them and little from the next but one."""
    upper, lower = now[::2], now[1::2]
    below = np.abs(2 * lower[:-1] - upper[:-1] - upper[1:])
    above = np.abs(2 * upper[1:] - lower[:-1] - lower[1:])
    is_even = (4 * np.abs(upper[:-1] - upper[1:]) < below) & (4 * np.abs(lower[:-1] - lower[1:]) < above)
    return float((is_even & (below > 60) & (above > 60)).mean())


def _misfit(upper: NDArray[np.int16], lower: NDArray[np.int16]) -> float:
    """Mean difference of lines from the average of those above and below them, times 2, both fields added."""
    below = np.abs(2 * lower[:-1] - upper[:-1] - upper[1:]).mean()
    return float(below + np.abs(2 * upper[1:] - lower[:-1] - lower[1:]).mean())


def _samples(container: Any, stream: Any, is_seekable: bool) -> Iterator[Iterator[Any]]:
    """Samples of consecutive frames spread over a clip, or its start if it is short or not seekable."""
    start, length = int(container.start_time or 0), int(container.duration or 0)
    if not is_seekable or length * (stream.average_rate or 25) < 3 * _SAMPLES * _SAMPLE_FRAMES * 1_000_000:
        yield islice(_frames(container, stream), _SAMPLES * _SAMPLE_FRAMES)
        return
    for index in range(_SAMPLES):
        try:
            container.seek(start + length * index // _SAMPLES)
        except av.FFmpegError:
            return
        yield islice(_frames(container, stream), _SAMPLE_FRAMES)


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames from the current position on; damaged parts are left out."""
    packets = read_packets(container, stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            continue


def deinterlaced(frames: Iterator["CodedFrame"], fields: Fields) -> Iterator["CodedFrame"]:
    """The same frames at the same times, deinterlaced; unchanged where `fields` is empty."""
    if not fields:
        yield from frames
        return
    graph: _Graph | None = None
    form: tuple[Any, ...] = ()
    waiting: deque[CodedFrame] = deque()

    def paired(contents: Iterator[Any]) -> Iterator["CodedFrame"]:
        for content in contents:
            yield replace(waiting.popleft(), content=content)

    for number, frame in enumerate(frames):
        content = frame.content
        now = (content.width, content.height, content.format.name)
        if graph and now != form:
            yield from paired(graph.push(None))
            graph = None
        content.pts = number  # the filters pair frames by it; `frame` has the real time
        graph, form = graph or _Graph(content, *_FILTERS[fields]), now
        waiting.append(frame)
        yield from paired(graph.push(content))
    if graph:
        yield from paired(graph.push(None))


def _bwdif(parity: str, which: str = "all") -> tuple[str, str]:
    return "bwdif", f"mode=send_frame:parity={parity}:deint={which}"


_FILTERS: dict[str, tuple[tuple[str, str], ...]] = {
    "tff": (_bwdif("tff"),),
    "bff": (_bwdif("bff"),),
    "flagged": (_bwdif("auto"),),
    "film-tff": (("fieldmatch", "order=tff:combmatch=full"), _bwdif("tff", "interlaced")),
    "film-bff": (("fieldmatch", "order=bff:combmatch=full"), _bwdif("bff", "interlaced")),
}
