"""Frames through the model: cutting out, predicting, blending and writing overlap, in bounded memory.

The model runs in the caller's thread, on batches of faces; everything else runs in threads. Threads and not processes:
OpenCV, zlib and NumPy let go of Python's lock where the time is spent, and no frame is copied between processes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType
from dfl.merging.faces_of_clip import ClipFrame
from dfl.merging.frame import CutFrame
from dfl.merging.masks import FacePrediction
from dfl.merging.xseg_masks import XsegMasks
from dfl.models.prediction import Prediction

FACES_PER_BATCH = 8
_MEMORY = 512 * 2**20  # bytes that the frames under way may take
_COPIES = 4  # of a frame while it is worked on: read, merged, and both coded

Predict = Callable[[NDArray[np.float32]], Prediction]


class SwapModel(Protocol):
    """A trained model as merging sees it. predict: (N, R, R, 3) float32 BGR 0..1, any N; called from one thread.

    settings: what else decides its pictures (AMP's morph factor), JSON values.
    """

    @property
    def name(self) -> str: ...
    @property
    def iteration(self) -> int: ...
    @property
    def resolution(self) -> int: ...
    @property
    def face_type(self) -> FaceType: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def predict(self, faces: NDArray[np.float32], /) -> Prediction: ...


class Work(Protocol):
    """What is done to a frame before and after the model; in any thread. `finish` may give something back."""

    def cut(self, frame: ClipFrame, /) -> CutFrame: ...
    def finish(self, cut: CutFrame, predictions: Sequence[FacePrediction], /) -> Any: ...


@dataclass(frozen=True)
class FrameOutcome:
    """What became of one frame: what `finish` gave back, or in `error` why it could not be merged."""

    frame: ClipFrame
    error: Exception | None = None
    made: Any = None


def merge_frames(
    frames: Iterable[ClipFrame], work: Work, predict: Predict, workers: int, xseg: XsegMasks | None = None
) -> Iterator[FrameOutcome]:
    """Merge frames and finish them; outcomes come as they are known, not quite in the frames' order.

    xseg: the same that `work` has, if any.
    A frame that cannot be read or blended is an outcome with its error. A file that cannot be written (a full disk) or
    a failing model ends the run: the error is raised, and what was under way is dropped.
    """
    waiting = iter(frames)
    cutting: deque[tuple[ClipFrame, Future[CutFrame]]] = deque()
    finishing: deque[tuple[ClipFrame, Future[Any]]] = deque()
    largest = 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="merge")
    try:
        while True:
            most = _frames_at_once(workers, largest)
            for frame in islice(waiting, max(most - len(cutting) - len(finishing), 0)):
                cutting.append((frame, pool.submit(work.cut, frame)))
            if not cutting and not finishing:
                return
            ready, failed = _next_batch(cutting)
            yield from failed
            for cut, predictions in zip(ready, _predicted(ready, predict, xseg), strict=True):
                largest = max(largest, cut.size)
                finishing.append((cut.frame, pool.submit(work.finish, cut, predictions)))
            # Make room for the next batch; with nothing left to predict, wait for everything.
            most_left = most - min(FACES_PER_BATCH, most // 2)
            while finishing and (finishing[0][1].done() or len(cutting) + len(finishing) > most_left or not ready):
                yield _outcome(*finishing.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _frames_at_once(workers: int, frame_bytes: int) -> int:
    """How many frames may be under way: enough for two batches, fewer when frames are large."""
    return max(2, min(2 * (workers + FACES_PER_BATCH), _MEMORY // (frame_bytes * _COPIES)))


def _next_batch(cutting: "deque[tuple[ClipFrame, Future[CutFrame]]]") -> tuple[list[CutFrame], list[FrameOutcome]]:
    """Wait for the next frames, as many as fill a batch, and take them; and those among them that failed."""
    ready: list[CutFrame] = []
    failed: list[FrameOutcome] = []
    while cutting and sum(len(cut.crops) for cut in ready) < FACES_PER_BATCH:
        frame, future = cutting.popleft()
        try:
            ready.append(future.result())
        except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
            failed.append(FrameOutcome(frame, error))
    return ready, failed


def _predicted(cut_frames: Sequence[CutFrame], predict: Predict, xseg: XsegMasks | None) -> list[list[FacePrediction]]:
    """Predictions of all faces, grouped by frame; never more than FACES_PER_BATCH faces at once."""
    all_crops = [crop for cut in cut_frames for crop in cut.crops]
    single: list[FacePrediction] = []
    for start in range(0, len(all_crops), FACES_PER_BATCH):
        crops = all_crops[start : start + FACES_PER_BATCH]
        answer = predict(np.stack([crop.picture for crop in crops]))
        if not all(np.isfinite(part).all() for part in (answer.face, answer.face_mask, answer.dst_mask)):
            raise UserError(
                "The model answers with values that are no numbers: its training has collapsed.",
                "Put back an older save or a backup of the model, then merge again.",
            )
        predictions = [
            FacePrediction(face, face_mask[:, :, 0], dst_mask[:, :, 0])
            for face, face_mask, dst_mask in zip(answer.face, answer.face_mask, answer.dst_mask, strict=True)
        ]
        single += xseg.draw(crops, predictions) if xseg else predictions
    rest = iter(single)
    return [list(islice(rest, len(cut.crops))) for cut in cut_frames]


def _outcome(frame: ClipFrame, future: "Future[Any]") -> FrameOutcome:
    try:
        made = future.result()
    except UserError:
        raise  # a file could not be written: the next ones cannot either
    except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
        return FrameOutcome(frame, error)
    return FrameOutcome(frame, made=made)
