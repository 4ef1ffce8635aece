"""Which engine computes, on which device, and why: reported in one line at the start of training and merging."""

import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dfl.base.errors import UserError
from dfl.base.nvidia import visible_cards
from dfl.base.processor import BFLOAT16_FLAGS, processor_flags
from dfl.shared_options import EngineName

# Compute capabilities from which NVIDIA cards have these numbers.
_BFLOAT16_CARD, _FLOAT16_CARD = (8, 0), (7, 0)


@dataclass(frozen=True)
class Engine:
    """The engine in use. reduced_precision: bfloat16 or float16 if the device computes faster with them, else empty.

    card: name of the (first) graphics card. memory: bytes free and in all on it, where the engine reports it.
    """

    name: EngineName
    device: str
    is_gpu: bool
    why: str
    reduced_precision: Literal["", "bfloat16", "float16"] = ""
    devices: tuple[str, ...] = ()  # TensorFlow's names of those that share the work, empty for one
    card: str = ""
    memory: tuple[int, int] = (0, 0)
    matmul_gradients: bool = False  # whether products of matrices beat the library's own gradients of convolutions

    def emulates(self, precision: str) -> bool:
        """Whether the device lacks this number format: then float32 is computed and rounded to it."""
        return not self.is_gpu and precision not in ("float32", self.reduced_precision)

    def __str__(self) -> str:
        return f"Engine: {self.name} on {self.device} ({self.why})."


def nvidia_card() -> str:
    """Name of the first NVIDIA card that this process may use, empty without one."""
    return next((card.name for card in visible_cards()), "")


def choose_engine(wanted: str | None) -> tuple[EngineName, str]:
    """Name of the engine to use and the reason, without importing it.

    TensorFlow is the default. On native Windows it has no GPU since 2.11, so there an NVIDIA card means torch when
    torch is installed.
    """
    if wanted in ("tensorflow", "torch"):
        _need(wanted)
        return ("torch" if wanted == "torch" else "tensorflow"), "you chose it"
    if platform.system() == "Windows" and importlib.util.find_spec("torch") and nvidia_card():
        return "torch", "TensorFlow has no GPU on Windows"
    if importlib.util.find_spec("tensorflow"):
        return "tensorflow", "the default"
    _need("torch")
    return "torch", "TensorFlow is not installed"


def start_engine(wanted: str | None = None, devices: int = 1) -> Engine:
    """Choose, load and set up the engine for this process; a second call must want the same one.

    devices: how many of this machine share the work (`scope_of`); without graphics cards the processor is split.
    Must run before anything imports keras: Keras reads its engine once. UserError for more devices than there are.
    """
    name, why = choose_engine(wanted)
    running = sys.modules["keras"].config.backend() if "keras" in sys.modules else None
    if running and wanted and running != name:
        raise UserError(f"This process already computes with {running}.", f"Start a new one for {name}.")
    os.environ["KERAS_BACKEND"] = running or name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By itself TensorFlow uses it on the newest processors only; older ones gain more (1.27 times on AVX2).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if (running or name) == "tensorflow":
        return _start_tensorflow(why, devices)
    if devices > 1:
        raise UserError(
            "With torch, several devices are several processes.",
            f"Start them with torchrun: torchrun --nproc-per-node {devices} -m dfl train --engine torch ...",
        )
    return _start_torch(why)


@contextmanager
def scope_of(engine: Engine) -> Iterator[None]:
    """Where networks and optimizers must be made, and used, so that an engine's devices share the work."""
    if not engine.devices:
        yield
        return
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(list(engine.devices)).scope():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what C++ libraries write to the error stream; it is shown when they fail."""
    with tempfile.TemporaryFile() as held_back:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            held_back.seek(0)
            os.write(2, held_back.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


def _start_tensorflow(why: str, devices: int) -> Engine:
    with _quiet():
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
        for card in cards:
            tf.config.experimental.set_memory_growth(card, True)
        if not cards and devices > 1:
            whole = tf.config.list_physical_devices("CPU")[0]
            parts = [tf.config.LogicalDeviceConfiguration()] * devices
            tf.config.set_logical_device_configuration(whole, parts)
        if not cards:
            # Training that goes on must give the same numbers. On a CPU this costs nothing that could be measured.
            tf.config.experimental.enable_op_determinism()
        # This rewrite of graphs fails on our gradients with an error message, and gains nothing (measured).
        tf.config.optimizer.set_experimental_options({"remapping": False})
        tf.constant(0)
    kind = "GPU" if cards else "CPU"
    there = [device.name for device in tf.config.list_logical_devices(kind)]
    if devices > len(there):
        raise UserError(f"There are {len(there)} graphics cards here, not {devices}.", f"Use --devices {len(there)}.")
    shared = tuple(there[:devices]) if devices > 1 else ()
    if cards:
        details = tf.config.experimental.get_device_details(cards[0])
        name, capability = details.get("device_name", cards[0].name), details.get("compute_capability", (0, 0))
        shown = f"{devices} of {name}" if shared else str(name)
        return Engine("tensorflow", shown, True, why, _of_card(capability), shared, str(name))
    why = f"{why}; {_no_gpu_reason('tensorflow')}"
    split = f", split in {devices}, which does not pay" if shared else ""
    name = f"CPU, {os.cpu_count()} cores{split}"
    return Engine("tensorflow", name, False, why, _of_processor(), shared, matmul_gradients=_gains_by_products())


def _start_torch(why: str) -> Engine:
    with _quiet():
        import keras  # noqa: F401 - imports TensorFlow too where it is installed, which talks
        import torch

    if torch.cuda.is_available():
        name, short = torch.cuda.get_device_name(0), _of_card(torch.cuda.get_device_capability(0))
        return Engine("torch", name, True, why, short, (), name, torch.cuda.mem_get_info(0))
    why = f"{why}; {_no_gpu_reason('torch')}"
    return Engine(
        "torch",
        f"CPU, {torch.get_num_threads()} threads",
        False,
        why,
        _of_processor(),
        matmul_gradients=_gains_by_products(),
    )


def _of_card(capability: tuple[int, int]) -> Literal["", "bfloat16", "float16"]:
    """Short numbers that a card of this compute capability is fast with."""
    return "bfloat16" if capability >= _BFLOAT16_CARD else "float16" if capability >= _FLOAT16_CARD else ""


def _of_processor() -> Literal["", "bfloat16"]:
    """As _of_card; none where the system does not report it (Windows)."""
    return "bfloat16" if BFLOAT16_FLAGS & set(processor_flags() or []) else ""


def _gains_by_products() -> bool:
    """With AVX-512 the libraries' gradients run at the rate of their forward convolutions; with AVX2 they do not."""
    return "avx512f" not in (processor_flags() or [])


def _no_gpu_reason(name: str) -> str:
    card = nvidia_card()
    if not card and os.environ.get("CUDA_VISIBLE_DEVICES") == "-1":
        return "no graphics card is to be used"
    if not card:
        return "no NVIDIA card found"
    if name == "tensorflow" and platform.system() == "Windows":
        return f"TensorFlow cannot use the {card} on Windows: install the extra `torch`"
    return f"{name} was installed without support for the {card}: see `dfl doctor`"


def _need(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise UserError(f"The engine {name} is not installed.", f'Install it: pip install "dfl[{name}]"')
