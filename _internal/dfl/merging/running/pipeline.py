"""Frames through the model: cutting out, predicting, blending and writing overlap, in bounded memory.

The networks run in the caller's thread, on batches of faces; everything else runs in threads. Threads and not
processes: OpenCV, zlib and NumPy let go of Python's lock where the time is spent, and no frame is copied between
processes. A frame whose masks or colours are smoothed over time waits until its neighbours were predicted.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Condition
from typing import Any, Protocol

import cv2

from dfl.base.memory import free_memory
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.settings import MAX_NEIGHBOURS
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.frame_processor import CroppedFrame, FileFailed, PredictedFaces, PredictedFrame
from dfl.merging.running.networks import FACES_PER_BATCH, ShownFace

# Bytes that the frames under way may take at most, and which part of the free memory.
_MEMORY, _SHARE_OF_FREE = 512 * 2**20, 8
_COPIES = 4  # of a frame while it is worked on: read, merged, and both coded
# What frames that are blended at this moment may take, and one of them at most: in floats, as a whole, several times,
# and as often again where its faces are cut out once more and changed.
_BLENDING_MEMORY = 2**30
_FLOATS, _FLOATS_OF_REWORKED = 20, 40


class Predictor(Protocol):
    """What answers for a batch of faces; called from one thread."""

    def predict(self, faces: Sequence[ShownFace], /) -> list[FacePrediction]: ...


class Work(Protocol):
    """What is done to a frame before and after the networks; in any thread. `finish` may give something back."""

    def cut(self, task: FrameTask, /) -> CroppedFrame: ...
    def look(self, cut: CroppedFrame, predictions: Sequence[FacePrediction], /) -> PredictedFrame: ...
    def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces], /) -> Any: ...


@dataclass(frozen=True, eq=False)
class FrameOutcome:
    """What became of one frame: what `finish` gave back, or in `error` why it could not be merged.

    refused: faces that do not belong to it and stay as they are: name, and why.
    """

    frame: FrameTask
    error: Exception | None = None
    made: Any = None
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class _Predicted:
    """A frame on its way from prediction to blending; both fail where it could not be cut.

    faces: what its neighbours need of it, without the picture.
    """

    task: FrameTask
    frame: "Future[PredictedFrame]"
    faces: "Future[PredictedFaces]"


def merge_frames(tasks: Iterable[FrameTask], work: Work, networks: Predictor, workers: int) -> Iterator[FrameOutcome]:
    """Merge frames and finish them; outcomes come in the frames' order, those that are not wanted left out.

    tasks: in the order of their places. A frame that cannot be read or blended is an outcome with its error. A file
    that cannot be written (a full disk) or a failing network ends the run: the error is raised, and what was under way
    is dropped.
    """
    run = _Run(iter(tasks), work, networks, workers)
    # Threads of OpenCV's own beside these would only wait for one another: a tenth more CPU time, and no faster.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield from run.outcomes()
    finally:
        run.pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


class _Run:
    """The frames under way, each in one of three queues: being cut, waiting for neighbours, being finished."""

    def __init__(self, tasks: Iterator[FrameTask], work: Work, networks: Predictor, workers: int) -> None:
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="merge")
        self._tasks, self._work, self._networks, self._workers = tasks, work, networks, workers
        self._cutting: deque[tuple[FrameTask, Future[CroppedFrame]]] = deque()
        self._predicted: deque[_Predicted] = deque()
        self._finishing: deque[tuple[FrameTask, Future[Any]]] = deque()
        self._recent: deque[tuple[int, Future[PredictedFaces]]] = deque()  # by place: all that may be neighbours
        self._largest = 1
        free = free_memory()
        self._memory, self._blending_memory = min(_MEMORY, free // _SHARE_OF_FREE), min(_BLENDING_MEMORY, free // 4)
        self._room, self._blending = Condition(), 0  # frames that are being blended, and who waits to be

    def outcomes(self) -> Iterator[FrameOutcome]:
        while True:
            most = _frames_at_once(self._workers, self._largest, self._memory)
            for task in islice(self._tasks, max(most - len(self._cutting) - len(self._finishing), 0)):
                self._cutting.append((task, self.pool.submit(self._work.cut, task)))
            if not self._cutting and not self._predicted and not self._finishing:
                return
            is_last = not self._cutting
            self._predict_batch()
            self._hand_on(is_last)
            # Make room for the next batch; with nothing left to predict, wait for everything.
            most_left = most - min(FACES_PER_BATCH, most // 2)
            while self._finishing and (
                self._finishing[0][1].done() or len(self._cutting) + len(self._finishing) > most_left or is_last
            ):
                task, future = self._finishing.popleft()
                outcome = _outcome(task, future)
                if task.is_wanted:
                    yield outcome

    def _predict_batch(self) -> None:
        """Wait for the next frames, as many as fill a batch, and let the networks answer for their faces."""
        ready: list[CroppedFrame] = []
        done: list[tuple[FrameTask, CroppedFrame | Exception]] = []
        while self._cutting and sum(len(cut.faces) for cut in ready) < FACES_PER_BATCH:
            task, future = self._cutting.popleft()
            try:
                cut = future.result()
            except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
                done.append((task, error))
                continue
            self._largest = max(self._largest, cut.size)
            ready.append(cut)
            done.append((task, cut))
        answers = iter(self._networks.predict([face for cut in ready for face in cut.faces]) if ready else [])
        for task, result in done:
            faces: Future[PredictedFaces] = Future()
            if isinstance(result, Exception):
                frame: Future[PredictedFrame] = Future()
                frame.set_exception(result)
                faces.set_exception(result)
            else:
                predictions = list(islice(answers, len(result.faces)))
                frame = self.pool.submit(self._look, result, predictions, faces)
            self._predicted.append(_Predicted(task, frame, faces))
            self._recent.append((task.place, faces))

    def _hand_on(self, is_last: bool) -> None:
        """Let those frames be finished whose neighbours are predicted, in order."""
        while self._predicted:
            task, frame = self._predicted[0].task, self._predicted[0].frame
            if not is_last and task.reach and self._recent[-1][0] < task.place + task.reach:
                return
            self._predicted.popleft()
            around = [faces for place, faces in self._recent if 0 < abs(place - task.place) <= task.reach]
            if task.is_wanted:
                self._finishing.append((task, self.pool.submit(self._finish, frame, around)))
            while self._recent and self._recent[0][0] < task.place - MAX_NEIGHBOURS:
                self._recent.popleft()

    def _look(
        self, cut: CroppedFrame, predictions: Sequence[FacePrediction], faces: "Future[PredictedFaces]"
    ) -> PredictedFrame:
        try:
            frame = self._work.look(cut, predictions)
        except BaseException as error:
            faces.set_exception(error)
            raise
        faces.set_result(frame.seen)
        return frame

    def _finish(
        self, frame: "Future[PredictedFrame]", around: list["Future[PredictedFaces]"]
    ) -> tuple[Any, tuple[tuple[str, str], ...]]:
        # The pool begins what it is given in order, so all of these have begun: waiting cannot last for ever.
        seen, near = frame.result(), [faces.result() for faces in around if faces.exception() is None]
        is_reworked = any(face.settings.reworks_face for face in seen.cut.task.faces)
        floats = _FLOATS_OF_REWORKED if is_reworked else _FLOATS
        most = max(1, self._blending_memory // (seen.cut.size * floats))
        with self._room:
            self._room.wait_for(lambda: self._blending < most)
            self._blending += 1
        try:
            return self._work.finish(seen, near), seen.cut.refused
        finally:
            with self._room:
                self._blending -= 1
                self._room.notify()


def _frames_at_once(workers: int, frame_bytes: int, memory: int) -> int:
    """How many frames may be under way: enough for two batches, fewer when frames are large."""
    return max(2, min(2 * (workers + FACES_PER_BATCH), memory // (frame_bytes * _COPIES)))


def _outcome(task: FrameTask, future: "Future[Any]") -> FrameOutcome:
    try:
        made, refused = future.result()
    except FileFailed as failed:
        raise failed.reason from failed
    except Exception as error:  # noqa: BLE001 - this frame's failure; the rest goes on
        return FrameOutcome(task, error)
    return FrameOutcome(task, made=made, refused=refused)
