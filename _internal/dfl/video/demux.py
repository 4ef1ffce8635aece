"""The packets of a file, one by one."""

from collections.abc import Iterator
from typing import Any


def read_packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets (av.Packet) of some streams in the order of the file, an empty one for each at the end."""
    try:
        yield from container.demux(*streams)
    except IndexError:
        # PyAV fails at the end of a damaged file in which libav found streams that were not there at its start.
        return
