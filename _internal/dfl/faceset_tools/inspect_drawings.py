"""Drawings of the page that `inspect` writes, as SVG text: a map of head poses, and histograms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from dfl.face_analysis.pose_coverage import PITCH_EDGES, PITCH_WORDS, YAW_EDGES, YAW_WORDS
from dfl.workspace import Side

COLOURS: dict[Side, str] = {"src": "#3b74b8", "dst": "#d9822b"}
LACKING = "#c62828"
_CELL_DEGREES = 3
_MAP_WIDTH = 860  # pixels
# The map shows at least so many degrees to each side, and more where faces need it.
_MIN_YAW, _MIN_PITCH = 36, 18
_MAX_YAW, _MAX_PITCH = 90, 60
_LEFT, _TOP = 70, 34  # room for words
_MIN_ROOM = 60
_BINS = 30


@dataclass(frozen=True)
class _Field:
    """What part of all directions the map shows: degrees to each side of straight ahead, a multiple of a cell's."""

    yaw: int
    pitch: int

    @property
    def cell(self) -> float:
        """Size of a cell, pixels."""
        return _MAP_WIDTH / (2 * self.yaw // _CELL_DEGREES)

    @property
    def height(self) -> float:
        return 2 * self.pitch // _CELL_DEGREES * self.cell

    def x(self, yaw: float) -> float:
        """What looks to the picture's left is left."""
        return _LEFT + (self.yaw - yaw) / _CELL_DEGREES * self.cell

    def y(self, pitch: float) -> float:
        """Up is up."""
        return _TOP + (self.pitch - pitch) / _CELL_DEGREES * self.cell


def pose_map(poses: Mapping[Side, NDArray[np.float64]], lacking: NDArray[np.bool_] | None) -> str:
    """A map of directions: src as blue squares, dst as circles, red where src lacks them.

    poses: (N, 2) pitch and yaw in radians of each side. lacking: for each face of dst, whether src lacks it.
    """
    # A few wild faces may lie on the border: they would make all others small.
    largest = np.degrees(np.max([np.percentile(np.abs(some), 99, axis=0) for some in poses.values()], axis=0))
    limits = np.clip(largest, (_MIN_PITCH, _MIN_YAW), (_MAX_PITCH, _MAX_YAW))
    pitch, yaw = (int(np.ceil(limit / _CELL_DEGREES)) * _CELL_DEGREES for limit in limits)
    field = _Field(yaw, pitch)
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_MAP_WIDTH}" height="{field.height:g}" class="ground"/>']
    if "src" in poses:
        parts += _squares(field, poses["src"])
    parts += _edges(field)
    if "dst" in poses:
        is_lacking = lacking if lacking is not None else np.zeros(len(poses["dst"]), np.bool_)
        parts += _circles(field, poses["dst"], is_lacking)
    size = f'viewBox="0 0 {_LEFT + _MAP_WIDTH + 4} {_TOP + field.height + 6:g}"'
    return f'<svg {size} class="map" role="img" aria-label="where faces look">{"".join(parts)}</svg>'


def histogram(values: Mapping[Side, NDArray[np.float64]], low: float, high: float) -> str:
    """A histogram of each side's values from `low` to `high`; what lies beyond counts in the first and last bin."""
    width, height = 300, 96
    edges = np.linspace(low, high, _BINS + 1)
    shares = {
        side: np.histogram(np.clip(some, low, high), edges)[0] / max(len(some), 1) for side, some in values.items()
    }
    highest = max(float(share.max()) for share in shares.values()) or 1.0
    parts = []
    for side, share in shares.items():
        steps = "".join(
            f"L{_short(bin * width / _BINS)},{_short(top)}H{_short((bin + 1) * width / _BINS)}"
            for bin, top in enumerate(height - share / highest * (height - 6))
        )
        parts.append(
            f'<path d="M0,{height}{steps}V{height}Z" fill="{COLOURS[side]}" fill-opacity=".25" '
            f'stroke="{COLOURS[side]}" stroke-width="1.5"/>'
        )
    parts.append(f'<path d="M0,{height}H{width}" class="axis"/>')
    for x, anchor, value in ((0, "start", low), (width / 2, "middle", (low + high) / 2), (width, "end", high)):
        parts.append(f'<text x="{_short(x)}" y="{height + 15}" text-anchor="{anchor}">{value:g}</text>')
    return f'<svg viewBox="-2 0 {width + 4} {height + 20}" class="spread" role="img">{"".join(parts)}</svg>'


def _squares(field: _Field, poses: NDArray[np.float64]) -> list[str]:
    counts = _counts(field, poses)
    deepest = np.log1p(counts.max())
    return [
        f'<rect x="{_LEFT + column * field.cell:.1f}" y="{_TOP + row * field.cell:.1f}" width="{field.cell:.1f}" '
        f'height="{field.cell:.1f}" fill="{COLOURS["src"]}" '
        f'fill-opacity="{0.18 + 0.62 * np.log1p(counts[row, column]) / deepest:.2f}">'
        f"<title>{counts[row, column]} of src</title></rect>"
        for row, column in np.argwhere(counts)
    ]


def _circles(field: _Field, poses: NDArray[np.float64], lacking: NDArray[np.bool_]) -> list[str]:
    counts, lacked = _counts(field, poses), _counts(field, poses[lacking])
    largest = np.sqrt(counts.max())
    parts = []
    for row, column in np.argwhere(counts):
        colour = LACKING if lacked[row, column] else COLOURS["dst"]
        radius = field.cell * (0.14 + 0.26 * np.sqrt(counts[row, column]) / largest)
        missing = f", {lacked[row, column]} of them where src lacks faces" if lacked[row, column] else ""
        parts.append(
            f'<circle cx="{_LEFT + (column + 0.5) * field.cell:.1f}" cy="{_TOP + (row + 0.5) * field.cell:.1f}" '
            f'r="{radius:.1f}" fill="{colour}"><title>{counts[row, column]} of dst{missing}</title></circle>'
        )
    return parts


def _counts(field: _Field, poses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Faces in each cell of the map; what lies beyond it is in the cells of its border."""
    pitch, yaw = np.degrees(poses).T
    rows = np.floor((field.pitch - pitch) / _CELL_DEGREES)
    columns = np.floor((field.yaw - yaw) / _CELL_DEGREES)
    counts = np.zeros((2 * field.pitch // _CELL_DEGREES, 2 * field.yaw // _CELL_DEGREES), np.int64)
    rows, columns = (np.clip(some, 0, most - 1) for some, most in zip((rows, columns), counts.shape, strict=True))
    np.add.at(counts, (rows.astype(np.int64), columns.astype(np.int64)), 1)
    return counts


def _edges(field: _Field) -> list[str]:
    """Lines between the words, and the words, as far as there is room for them."""
    parts = []
    for word, low, high in _stretches(YAW_WORDS, YAW_EDGES, field.yaw):
        middle = field.x((low + high) / 2)
        parts.append(f'<path d="M{field.x(high):.1f},{_TOP}v{field.height:g}" class="line"/>')
        if field.x(low) - field.x(high) > _MIN_ROOM:
            parts.append(f'<text x="{middle:.1f}" y="{_TOP - 10}" text-anchor="middle">{escape(word)}</text>')
    for word, low, high in _stretches(PITCH_WORDS, PITCH_EDGES, field.pitch):
        middle = field.y((low + high) / 2) + 4
        parts.append(f'<path d="M{_LEFT},{field.y(high):.1f}h{_MAP_WIDTH}" class="line"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(word)}</text>')
    return parts


def _stretches(words: Sequence[str], edges: Sequence[int], limit: int) -> Iterator[tuple[str, int, int]]:
    """Each word with the degrees between which it holds, as far as the map shows them."""
    for word, low, high in zip(words, (-limit, *edges), (*edges, limit), strict=True):
        low, high = max(low, -limit), min(high, limit)
        if low < high:
            yield word, low, high


def _short(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
