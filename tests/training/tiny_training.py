"""A objective of one number and batches without pictures: the loop, saves and previews in milliseconds."""

from typing import Any

import keras
import numpy as np
from keras import ops

from dfl.training.trainer import Trainer

STORED = {"target_iter": 0, "autobackup_hour": 0, "write_preview_history": False, "resolution": 64}


class TinyNetwork:
    def __init__(self) -> None:
        self.number = keras.Variable(np.array([1.0], np.float32))

    def weights(self) -> dict[str, Any]:
        return {"encoder/number": self.number}

    def trained_weights(self) -> dict[str, Any]:
        return self.weights()


class TinyObjective:
    """Learns to be the mean of what it is given."""

    loss_names = ("src", "dst")
    discriminators = ()

    def __init__(self) -> None:
        self.network = TinyNetwork()

    def losses(self, batch: dict[str, Any]) -> dict[str, Any]:
        loss = ops.square(batch["src"] - self.network.number.value)
        return {"src/mse": loss, "dst/mse": loss / 4, "dst/mask": loss / 4}

    def preview_pages(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {name: np.full((32, 100, 3), int(batch["src"][0]), np.uint8) for name in ("preview", "preview_masked")}


class TinyBatchSource:
    problems: tuple[str, ...] = ()
    waited_seconds = 0.0

    def __init__(self, values: Any = lambda iteration: 0.0) -> None:
        self.values = values
        self.asked: list[int] = []

    def next_batch(self, iteration: int) -> dict[str, Any]:
        self.asked.append(iteration)
        return {"src": np.full(2, self.values(iteration), np.float32)}

    def preview_batch(self, draw: int = 0) -> dict[str, Any]:
        return {"src": np.full(2, 100 + draw, np.float32)}

    def report_losses(self, losses: Any) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


def tiny_trainer(folder: Any, saved: Any, values: Any = lambda iteration: 0.0) -> Trainer:
    settings = {"is_adabelief": False, "learning_rate": 1e-2}
    return Trainer(folder, saved, TinyObjective(), TinyBatchSource(values), settings, seed=1)
