"""A model's preview history: `history/<page>/<7-digit iteration>.jpg` in its folder.

Pictures are encoded and written in a thread that training never waits for. When the disk is too slow, the pages of an
iteration are dropped and counted.
"""

import queue
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, write_picture
from dfl.training.preview.loss_graph import with_graph

_WAITING = 2  # iterations whose pages are in memory
_END_SECONDS = 60.0  # for writing the queue when training ends
LAST = "_last.jpg"


def history_folder(folder: Path) -> Path:
    """Where a model's preview history is."""
    return folder / "history"


def history_interval(resolution: int) -> int:
    """Iterations between two entries of the history, as in the original: 10 up to 127 pixels, then more."""
    return 10 * max(1, resolution // 64)


class PreviewHistory:
    """Writes preview pages, each with the loss graph on top. Call close() at the end."""

    def __init__(self, folder: Path) -> None:
        """folder: the model's."""
        self._folder = history_folder(folder)
        self._waiting: queue.Queue[tuple[dict[str, Picture], NDArray[np.float32], int] | None] = queue.Queue(_WAITING)
        self.left_out = 0  # iterations whose pages were not written
        self.problem = ""  # the last error's message
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, pages: dict[str, Picture], history: NDArray[np.float32], iteration: int) -> None:
        """Queue the pages of an iteration for writing. history: (n, losses), not changed afterwards."""
        try:
            self._waiting.put_nowait((pages, history, iteration))
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """Write the queue, then end the thread; gives up on a disk that does not respond."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_END_SECONDS)
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self.left_out += self._waiting.qsize()
            self.problem = self.problem or "the disk did not respond"

    def _work(self) -> None:
        while (entry := self._waiting.get()) is not None:
            try:
                self._write(*entry)
            except Exception as error:  # noqa: BLE001 - loses one entry; the thread must go on emptying the queue
                self.left_out += 1
                self.problem = error.what if isinstance(error, UserError) else str(error) or type(error).__name__

    def _write(self, pages: dict[str, Picture], history: NDArray[np.float32], iteration: int) -> None:
        for name, page in pages.items():
            picture = with_graph(page, history, iteration)
            (self._folder / name).mkdir(parents=True, exist_ok=True)
            for file in (f"{iteration:07d}.jpg", LAST):
                write_picture(self._folder / name / file, picture)
