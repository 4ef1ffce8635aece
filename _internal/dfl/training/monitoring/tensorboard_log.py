"""Logs for TensorBoard in `tensorboard/` of a model's folder: losses with their terms, speed, previews.

TensorBoard's own event writer is used; it needs neither TensorFlow nor torch, and is installed wherever the logs are
looked at. Logs are no reason to end training: what goes wrong with them is told once, and ends them.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, encode_picture

_EVERY = 10  # iterations of which one point is written, their mean
_FLUSH_SECONDS = 30
_CLOSE_SECONDS = 30.0  # that the last points may take


class TensorBoardLog:
    """Writes events in a thread of TensorBoard's writer. Call close() at the end."""

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda _: None) -> None:
        """folder: of the model. UserError when TensorBoard is not installed, or the folder cannot be made."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise UserError(
                f"--tensorboard needs the package tensorboard ({error}).",
                'Install it (pip install "dfl[tensorboard]"), or leave --tensorboard out.',
            ) from error
        self._event, self._summary = Event, Summary
        self._warn, self._is_broken = warn, False
        try:
            self._writer = EventFileWriter(str(folder / "tensorboard"), flush_secs=_FLUSH_SECONDS)
        except Exception as error:  # as in _write
            raise UserError(
                f"The logs for TensorBoard cannot be written to {folder / 'tensorboard'}: {error}",
                "Check the disk and the folder, or leave --tensorboard out.",
            ) from error
        self._steps: list[Mapping[str, float]] = []

    def step(self, iteration: int, values: Mapping[str, float]) -> None:
        """Values of one iteration, by name; the mean of ten becomes a point. A name may be missing now and then."""
        self._steps.append(values)
        if len(self._steps) == _EVERY:
            found: dict[str, list[float]] = {}
            for step in self._steps:
                for name, value in step.items():
                    found.setdefault(name, []).append(value)
            self.point(iteration, {name: sum(values) / len(values) for name, values in found.items()})
            self._steps.clear()

    def point(self, iteration: int, values: Mapping[str, float]) -> None:
        """Values by name, as they are."""
        self._write(iteration, [self._summary.Value(tag=name, simple_value=value) for name, value in values.items()])

    def pages(self, iteration: int, pages: Mapping[str, Picture]) -> None:
        """Preview pages by name."""
        self._write(iteration, [self._summary.Value(tag=name, image=self._image(page)) for name, page in pages.items()])

    def _image(self, page: Picture) -> Any:
        content = encode_picture(page, ".jpg")
        return self._summary.Image(
            height=page.shape[0], width=page.shape[1], colorspace=3, encoded_image_string=content
        )

    def close(self) -> None:
        """Write what is waiting."""
        if self._is_broken:  # its writer's thread has ended, and closing would wait for that thread
            return
        closing = threading.Thread(target=self._safely, args=(self._writer.close,), daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _write(self, iteration: int, values: list[Any]) -> None:
        event = self._event(wall_time=time.time(), step=iteration, summary=self._summary(value=values))
        if not self._is_broken:
            self._safely(lambda: self._writer.add_event(event))

    def _safely(self, action: Callable[[], None]) -> None:
        """Do it; on an error say so and write no more."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - beside TensorFlow a full disk is an error of TensorFlow's
            self._is_broken = True
            reason = (str(error) or type(error).__name__).rstrip(".")
            self._warn(f"The logs for TensorBoard end here: {reason}. Training goes on.")
