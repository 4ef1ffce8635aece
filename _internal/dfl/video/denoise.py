"""Take noise out of consecutive pictures with the filter hqdn3d (spatial and over time) of the ffmpeg program.

The filter is under the GPL and not in PyAV's libraries, so the program of the package imageio-ffmpeg does it, through
pipes.
"""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import IO, Any

import numpy as np

from dfl.base.errors import UserError
from dfl.base.pictures import Picture

# 16 bits: to YUV and back then changes no value; the original's 8 bits change most of them by one or two.
_FORMAT = "yuv444p16le"
_TEMPORAL = 5  # strength over time, the original's
_ACCURATE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


def denoised(pictures: Iterator[Picture], factor: int) -> Iterator[Picture]:
    """The pictures, (H, W, 3) uint8 BGR, without noise. `factor`: spatial strength, 1 weak to 20 strong.

    A picture of another size starts anew. Memory holds a few pictures. UserError when the program fails.
    """
    first = next(pictures, None)
    while first is not None:
        rest: list[Picture] = []
        yield from _denoised_alike(_alike(chain([first], pictures), first.shape, rest), first.shape, factor)
        first = rest[0] if rest else None


def _alike(pictures: Iterator[Picture], shape: tuple[int, ...], rest: list[Picture]) -> Iterator[Picture]:
    """The pictures up to the first one of another shape, which goes into `rest`."""
    for picture in pictures:
        if picture.shape != shape:
            rest.append(picture)
            return
        yield picture


def _denoised_alike(pictures: Iterator[Picture], shape: tuple[int, ...], factor: int) -> Iterator[Picture]:
    height, width = shape[:2]
    fed: list[Exception] = []
    with _program(width, height, factor) as (process, log):

        def feed() -> None:
            try:
                for picture in pictures:
                    process.stdin.write(np.ascontiguousarray(picture).data)
            except (BrokenPipeError, OSError, ValueError):
                return  # the program ended, or was ended; its log says why
            except Exception as error:  # noqa: BLE001 - raised where the result is read
                fed.append(error)
            finally:
                with suppress(OSError):
                    process.stdin.close()

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        size = height * width * 3
        while len(content := process.stdout.read(size)) == size:
            yield np.frombuffer(content, np.uint8).reshape(height, width, 3)
        feeder.join()
        if fed:
            raise fed[0]
        if process.wait() != 0 or content:
            log.seek(0)
            reason = log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise UserError(f"The ffmpeg program failed: {reason[0]}.", "`dfl doctor` tells whether it works.")


@contextmanager
def _program(width: int, height: int, factor: int) -> Iterator[tuple[Any, IO[bytes]]]:
    """The running program and what it says; ended when the block ends."""
    import ffmpeg
    import imageio_ffmpeg

    stream = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="bgr24", s=f"{width}x{height}", r=25)
    stream = stream.filter("scale", flags=_ACCURATE, out_range="tv").filter("format", _FORMAT)
    stream = stream.filter(
        "hqdn3d", luma_spatial=factor, chroma_spatial=factor, luma_tmp=_TEMPORAL, chroma_tmp=_TEMPORAL
    )
    stream = stream.filter("scale", flags=_ACCURATE, sws_dither="none").filter("format", "bgr24")
    stream = stream.output("pipe:", format="rawvideo", pix_fmt="bgr24").global_args("-nostdin", "-v", "error")
    with tempfile.TemporaryFile() as log:
        try:
            command = ffmpeg.compile(stream, cmd=imageio_ffmpeg.get_ffmpeg_exe())
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        except (OSError, RuntimeError) as error:
            raise UserError(f"The ffmpeg program cannot be started: {error}.", "`dfl doctor` tells why.") from error
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(OSError):
                        pipe.close()
