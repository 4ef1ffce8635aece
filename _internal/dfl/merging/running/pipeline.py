"""The pipeline of a merge: cropping, prediction, blending and writing overlap, in bounded memory.

The networks run in the caller's thread, on batches of faces; everything else runs in threads. Threads and not
processes: OpenCV, zlib and NumPy release the GIL where the time is spent, and no frame is copied between processes. A
frame with temporal smoothing waits until its neighbours are predicted.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Condition
from typing import Any

import cv2

from dfl.base.memory import free_memory
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.face_measures import FaceMeasures
from dfl.merging.planning.settings import MAX_NEIGHBOURS
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.frame_processor import CroppedFrame, FileFailed, FrameProcessor, PredictedFrame
from dfl.merging.running.networks import FACES_PER_BATCH

# Limit of the memory of frames in the pipeline: bytes, and the divisor of the free memory.
_MEMORY, _SHARE_OF_FREE = 512 * 2**20, 8
_COPIES = 4  # of a frame in the pipeline: read, merged, and both encoded
# Memory of the frames being blended at a time, and of one of them as a multiple of its bytes: it is processed in floats
# and copied several times; twice as often where its faces are reworked (see reworks_face).
_BLENDING_MEMORY = 2**30
_FLOATS, _FLOATS_OF_REWORKED = 20, 40
Measures = tuple[FaceMeasures, ...]  # of a frame's faces
Refused = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The result of one frame: what the processor's `write` returned, or in `error` why it could not be merged.

    refused: faces from another frame, which are not swapped: name and reason.
    """

    task: FrameTask
    error: Exception | None = None
    output: Any = None
    refused: Refused = ()


@dataclass(frozen=True, eq=False)
class _Predicted:
    """A frame between prediction and blending; both futures fail if it could not be cropped.

    measures: of its faces, which its neighbours need; without the picture.
    """

    task: FrameTask
    frame: "Future[PredictedFrame]"
    measures: "Future[Measures]"


def merge_frames(tasks: Iterable[FrameTask], processor: FrameProcessor, workers: int) -> Iterator[FrameResult]:
    """Merge and write frames; yields results in the frames' order, except for tasks that are not `is_wanted`.

    tasks: by rising index. A frame that cannot be read or blended yields a result with its error. A file that cannot be
    written (a full disk) or a failing network ends the run: the error is raised, and unfinished frames are dropped.
    """
    run = _Run(iter(tasks), processor, workers)
    # OpenCV's own threads would compete with these: a tenth more CPU time, and no faster.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield from run.results()
    finally:
        run.pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


class _Run:
    """The frames in the pipeline, in three queues: being cropped, waiting for neighbours, being finished."""

    def __init__(self, tasks: Iterator[FrameTask], processor: FrameProcessor, workers: int) -> None:
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="merge")
        self._tasks, self._processor, self._workers = tasks, processor, workers
        self._cropping: deque[tuple[FrameTask, Future[CroppedFrame]]] = deque()
        self._predicted: deque[_Predicted] = deque()
        self._finishing: deque[tuple[FrameTask, Future[Any]]] = deque()
        self._recent: deque[tuple[int, Future[Measures]]] = deque()  # by index: all possible neighbours
        self._largest = 1  # bytes of the largest frame so far
        free = free_memory()
        self._memory, self._blending_memory = min(_MEMORY, free // _SHARE_OF_FREE), min(_BLENDING_MEMORY, free // 4)
        self._room, self._blending = Condition(), 0  # number of frames being blended

    def results(self) -> Iterator[FrameResult]:
        while True:
            most = _frames_at_once(self._workers, self._largest, self._memory)
            for task in islice(self._tasks, max(most - len(self._cropping) - len(self._finishing), 0)):
                self._cropping.append((task, self.pool.submit(self._processor.crop, task)))
            if not self._cropping and not self._predicted and not self._finishing:
                return
            is_last = not self._cropping
            self._predict_batch()
            self._start_finishing(is_last)
            # Make room for the next batch; with nothing left to predict, wait for everything.
            most_left = most - min(FACES_PER_BATCH, most // 2)
            while self._finishing and (
                self._finishing[0][1].done() or len(self._cropping) + len(self._finishing) > most_left or is_last
            ):
                task, future = self._finishing.popleft()
                result = _result(task, future)
                if task.is_wanted:
                    yield result

    def _predict_batch(self) -> None:
        """Wait for the next frames, as many as fill a batch, and predict their faces."""
        ready: list[CroppedFrame] = []
        done: list[tuple[FrameTask, CroppedFrame | Exception]] = []
        while self._cropping and sum(len(cropped.crops) for cropped in ready) < FACES_PER_BATCH:
            task, future = self._cropping.popleft()
            try:
                cropped = future.result()
            except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
                done.append((task, error))
                continue
            self._largest = max(self._largest, cropped.nbytes)
            ready.append(cropped)
            done.append((task, cropped))
        predictions = iter(self._processor.predict(ready) if ready else [])
        for task, result in done:
            measures: Future[Measures] = Future()
            if isinstance(result, Exception):
                frame: Future[PredictedFrame] = Future()
                frame.set_exception(result)
                measures.set_exception(result)
            else:
                frame = self.pool.submit(self._measure, result, next(predictions), measures)
            self._predicted.append(_Predicted(task, frame, measures))
            self._recent.append((task.index, measures))

    def _start_finishing(self, is_last: bool) -> None:
        """Submit those frames for blending whose neighbours are predicted, in order."""
        while self._predicted:
            task, frame = self._predicted[0].task, self._predicted[0].frame
            if not is_last and task.neighbours and self._recent[-1][0] < task.index + task.neighbours:
                return
            self._predicted.popleft()
            near = [measures for index, measures in self._recent if 0 < abs(index - task.index) <= task.neighbours]
            if task.is_wanted:
                self._finishing.append((task, self.pool.submit(self._finish, frame, near)))
            while self._recent and self._recent[0][0] < task.index - MAX_NEIGHBOURS:
                self._recent.popleft()

    def _measure(
        self, cropped: CroppedFrame, predictions: Sequence[FacePrediction], measures: "Future[Measures]"
    ) -> PredictedFrame:
        try:
            frame = self._processor.measure(cropped, predictions)
        except BaseException as error:
            measures.set_exception(error)
            raise
        measures.set_result(frame.measures)
        return frame

    def _finish(self, frame: "Future[PredictedFrame]", near: list["Future[Measures]"]) -> tuple[Any, Refused]:
        # The pool starts jobs in order, so all of these have been started: waiting cannot deadlock.
        predicted = frame.result()
        neighbours = [face for measures in near if measures.exception() is None for face in measures.result()]
        is_reworked = any(face.settings.reworks_face for face in predicted.cropped.task.faces)
        floats = _FLOATS_OF_REWORKED if is_reworked else _FLOATS
        most = max(1, self._blending_memory // (predicted.cropped.nbytes * floats))
        with self._room:
            self._room.wait_for(lambda: self._blending < most)
            self._blending += 1
        try:
            return self._processor.finish(predicted, neighbours), predicted.cropped.refused
        finally:
            with self._room:
                self._blending -= 1
                self._room.notify()


def _frames_at_once(workers: int, frame_bytes: int, memory: int) -> int:
    """Number of frames in the pipeline: enough for two batches, fewer when frames are large."""
    return max(2, min(2 * (workers + FACES_PER_BATCH), memory // (frame_bytes * _COPIES)))


def _result(task: FrameTask, future: "Future[tuple[Any, Refused]]") -> FrameResult:
    try:
        output, refused = future.result()
    except FileFailed as failed:
        raise failed.reason from failed
    except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
        return FrameResult(task, error)
    return FrameResult(task, output=output, refused=refused)
