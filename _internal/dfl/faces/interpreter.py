"""Inference of one small MediaPipe network (a .tflite file) with LiteRT, on one thread."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray


class TfliteNetwork:
    """A network with one picture as input.

    One thread only: frames are distributed over processes, and more threads in each would compete for the cores.
    `outputs` are the names of the wanted output tensors, in the order in which a call returns them.
    """

    def __init__(self, file: Path, outputs: Sequence[str]) -> None:
        # The content and not the path: LiteRT cannot open paths with letters outside the code page on Windows.
        content = file.read_bytes()
        with _silent():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        source = self._interpreter.get_input_details()[0]
        self._input: int = source["index"]
        self.size = int(source["shape"][1])
        found = {details["name"]: details["index"] for details in self._interpreter.get_output_details()}
        self._outputs: list[int] = [found[name] for name in outputs]

    def __call__(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run it. picture: (size, size, 3) float32 RGB in the network's own range. Returns the outputs, flat."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index).ravel() for index in self._outputs]


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress the line that LiteRT's C++ code writes to stderr when the first network is created."""
    try:
        stderr = os.dup(2)
    except OSError:  # a program without an error output
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)
