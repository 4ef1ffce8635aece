"""Re-encoding of HDR video (PQ, HLG) as HDR: ten bits all the way, never through pictures of eight."""

import struct
from collections.abc import Iterator
from typing import Any

import av

from dfl.video.clip import Clip, Turn
from dfl.video.colours import MATRICES, ColourTags
from dfl.video.encoders import X265_QUIET, Coding
from dfl.video.read import CodedFrame

_PIXELS = "yuv420p10le"
_EXACT = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_Kind = av.sidedata.sidedata.Type


def hdr_coding(first: CodedFrame, megabits: int) -> Coding:
    """HEVC of ten bits with the light that the frame says its video was graded for."""
    side_data = {part.type: bytes(part) for part in first.content.side_data}
    params = [X265_QUIET, "open-gop=0", "repeat-headers=1"]
    if _Kind.MASTERING_DISPLAY_METADATA in side_data:
        params += _mastering_display(side_data[_Kind.MASTERING_DISPLAY_METADATA])
    if _Kind.CONTENT_LIGHT_LEVEL in side_data:
        most, mean = struct.unpack("=2I", side_data[_Kind.CONTENT_LIGHT_LEVEL][:8])
        params.append(f"max-cll={most},{mean}")
    options = {"b": f"{megabits}M", "preset": "veryfast", "bf": "0", "x265-params": ":".join(params)}
    return Coding("libx265", _PIXELS, options)


def _mastering_display(content: bytes) -> list[str]:
    """x265's option of libav's AVMasteringDisplayMetadata: red, green, blue, white (x, y), least and most light."""
    numbers = struct.unpack("=20i2i", content[:88])
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return []
    values = [top / bottom for top, bottom in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    red, green, blue, white = (
        tuple(round(value * 50000) for value in values[index : index + 2]) for index in (0, 2, 4, 6)
    )
    least, most = (round(value * 10000) for value in values[8:10])
    return [f"master-display=G{green}B{blue}R{red}WP{white}L({most},{least})".replace(" ", "")]


def hdr_colours(clip: Clip) -> ColourTags:
    """The clip's own colours, which are not mapped."""
    return ColourTags(clip.matrix, clip.primaries, clip.transfer, clip.is_full_range)


def upright(frames: Iterator[CodedFrame], clip: Clip) -> Iterator[tuple[CodedFrame, Any]]:
    """Frames with their content (av.VideoFrame) turned as they are displayed, in the coding's form and of even size."""
    graph: Any = None
    form: tuple[Any, ...] = ()
    for frame in frames:
        content = frame.content
        now = (content.width, content.height, content.format.name)
        if now != form:
            graph, form = _graph(content, clip), now
        graph.push(content)
        made = graph.pull()
        for kind in ("color_primaries", "color_trc", "colorspace", "color_range"):
            setattr(made, kind, getattr(content, kind))
        yield frame, made


def _graph(content: Any, clip: Clip) -> Any:
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(width=content.width, height=content.height, format=content.format, time_base=content.time_base)
    ]
    turn, reach = clip.turn, "pc" if clip.is_full_range else "tv"
    matrix = MATRICES.get(clip.matrix, "bt2020")
    # Given for input and output: with only one of them tagged, `scale` would convert.
    same = f"in_color_matrix={matrix}:out_color_matrix={matrix}:in_range={reach}:out_range={reach}:{_EXACT}"
    width, height = (clip.height, clip.width) if turn.is_swapped else (clip.width, clip.height)
    nodes.append(graph.add("scale", f"{width}:{height}:{same}:in_chroma_loc=left"))
    if turn != Turn():
        # At full resolution: turned colours of half the resolution would lie where decoders do not look for them.
        nodes.append(graph.add("format", "yuv444p10le"))
        turns = (("transpose", "cclock_flip", turn.is_swapped), ("hflip", "", turn.is_mirrored))
        nodes += [graph.add(name, how) for name, how, is_done in (*turns, ("vflip", "", turn.is_flipped)) if is_done]
        nodes.append(graph.add("scale", f"{same}:out_chroma_loc=left"))
    nodes += [graph.add("format", _PIXELS), graph.add("pad", "ceil(iw/2)*2:ceil(ih/2)*2")]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph
