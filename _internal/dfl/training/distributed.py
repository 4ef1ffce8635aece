"""Several processes that train one model together, on one machine or more: torch.distributed, started by torchrun.

The leader (rank 0) holds the model's folder, saves, shows and decides; it broadcasts every step to the followers. Each
process takes its share of the joint batch; gradients are summed up over all, so that every process makes the same
update. A process that ends closes its connections, which ends the others.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.models.engine import start_engine

# A peer that ends is noticed at once; this is for networks that fall silent. Saves and previews must fit in.
_LONGEST_WAIT = timedelta(minutes=30)
_LOST_PEER_TEXTS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")


class ProcessGroup:
    """All processes of one training. The engine must be torch, and started."""

    def __init__(self) -> None:
        """Join the others; waits for them."""
        import torch
        import torch.distributed as dist

        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_LONGEST_WAIT)
        # Messages go between processors, whatever gradients go between.
        self._messages = dist.new_group(backend="gloo", timeout=_LONGEST_WAIT)
        self.rank, self.count = dist.get_rank(), dist.get_world_size()

    @property
    def is_leader(self) -> bool:
        return bool(self.rank == 0)

    def broadcast(self, value: Any) -> None:
        """Send JSON values from the leader to all followers, who must call receive()."""
        self._exchange(json.dumps(value))

    def receive(self) -> Any:
        """The leader's next message."""
        return json.loads(self._exchange(""))

    def _exchange(self, text: str) -> str:
        import torch.distributed as dist

        box = [text]
        dist.broadcast_object_list(box, src=0, group=self._messages)
        return box[0]

    def share_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The leader's arrays, in every process; all must call it with arrays of the same names and shapes."""
        import torch
        import torch.distributed as dist

        shared = {}
        for name in sorted(arrays):
            tensor = torch.from_numpy(np.array(arrays[name]))
            dist.broadcast(tensor, src=0, group=self._messages)
            shared[name] = tensor.numpy()
        return shared

    def leave(self) -> None:
        """Close the connections."""
        import torch.distributed as dist

        dist.destroy_process_group()


@contextmanager
def process_group_of(engine: str | None) -> Iterator[ProcessGroup | None]:
    """The processes that torchrun has started; None for a single one. Starts torch.

    UserError for another engine, and when one of them ends or cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield None
        return
    if engine == "tensorflow":
        raise UserError("Several processes train together with torch only.", "Use --engine torch.")
    start_engine("torch")
    group = ProcessGroup()
    try:
        yield group
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise UserError(
            "Another training process ended, or cannot be reached.",
            "Look at its messages, then start all of them again: training continues from the last checkpoint.",
        ) from error
    group.leave()


def _is_lost(error: RuntimeError) -> bool:
    return type(error).__name__.startswith("Dist") or any(text in str(error) for text in _LOST_PEER_TEXTS)


def check_shares(batch_size: int, count: int) -> None:
    """UserError for a batch that cannot be shared out evenly."""
    if batch_size % count:
        lower = max(count, batch_size // count * count)
        raise UserError(
            f"A batch of {batch_size} cannot be shared out evenly among {count}.",
            f"Use --batch-size {lower}{f' or {lower + count}' if lower < batch_size else ''}.",
        )
