"""Previews of the way a model has gone: `history/<page>/<7-digit iteration>.jpg` in its folder.

Pictures are coded and written in a thread; a step never waits for it. When the disk does not keep up, a moment is left
out and counted.
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

_WAITING = 2  # moments in memory
_END_SECONDS = 60.0  # that what is waiting may take when training ends
LAST = "_last.jpg"


def history_folder(folder: Path) -> Path:
    """Where a model's preview history is."""
    return folder / "history"


def history_interval(resolution: int) -> int:
    """Iterations from one moment to the next, as in the original: 10 up to 127 pixels, then more."""
    return 10 * max(1, resolution // 64)


class PreviewHistory:
    """Writes the pages of a moment, each with the loss graph on top. Call close() at the end."""

    def __init__(self, folder: Path) -> None:
        """folder: of the model."""
        self._folder = history_folder(folder)
        self._waiting: queue.Queue[tuple[dict[str, Picture], NDArray[np.float32], int] | None] = queue.Queue(_WAITING)
        self.left_out = 0
        self.problem = ""  # what went wrong last
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, pages: dict[str, Picture], history: NDArray[np.float32], iteration: int) -> None:
        """Write a moment when there is time for it. history: (n, losses), not changed afterwards."""
        try:
            self._waiting.put_nowait((pages, history, iteration))
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """Write what is waiting, then end; a disk that does not answer is not waited for."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_END_SECONDS)
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self.left_out += self._waiting.qsize()
            self.problem = self.problem or "the disk did not answer"

    def _work(self) -> None:
        while (moment := self._waiting.get()) is not None:
            try:
                self._write(*moment)
            except Exception as error:  # noqa: BLE001 - one moment; without this thread nothing would empty the queue
                self.left_out += 1
                self.problem = error.what if isinstance(error, UserError) else str(error) or type(error).__name__

    def _write(self, pages: dict[str, Picture], history: NDArray[np.float32], iteration: int) -> None:
        for name, page in pages.items():
            picture = with_graph(page, history, iteration)
            (self._folder / name).mkdir(parents=True, exist_ok=True)
            for file in (f"{iteration:07d}.jpg", LAST):
                write_picture(self._folder / name / file, picture)
