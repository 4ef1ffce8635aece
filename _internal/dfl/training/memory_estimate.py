"""How much memory training needs, estimated from the options: before anything is built.

Fixed: parameters, gradients, optimizer state. Per sample: activations, kept until the backward pass. Both are counted
by building the model's objective from shapes alone (nets.size_count); what an engine adds to them was measured.
"""

from dataclasses import dataclass

from dfl.base.disk_space import size_in_words
from dfl.base.errors import UserError
from dfl.base.memory import free_memory
from dfl.models.kinds import kind_with
from dfl.models.options import ModelOptions
from dfl.training.presets import Device

_MB = 2**20
# Share of the memory that stays free for the system and for other programs.
_RESERVE = 0.1
# `--batch-size auto` goes no higher: more is slower without a card, and seldom better with one.
_MAX_ON_PROCESSOR, _MAX_ON_CARD = 8, 32
# A largest batch so many times the one that anybody uses is not worth a word.
_WANTED = 4
# Measured (docs/benchmarks.md), in copies of a layer's output: before and after its activation, as a gradient, and a
# little more; what a norm and the activation after it add.
_COPIES = 3.2
_COPIES_IF_RECOMPUTED = 2.3
_COPIES_OF_NORM = 3.1
# Of activations in two bytes, on a card; a processor that emulates short numbers keeps four.
_SHORT = 0.6
# Weight, gradient, and one or two arrays of the optimizer, of 4 bytes each, and some of the update's own.
_BYTES_A_WEIGHT = {"RMSprop": 13.5, "AdaBelief": 17.5}
_BYTES_OF_DROPOUT = 11  # a weight, for the random mask of learning-rate dropout
# Graphs, compiled code and samples, above an engine that has just started; networks with norms took more, where was
# not found.
_PROGRAM, _PROGRAM_WITH_NORMS = 360 * _MB, 1230 * _MB
# Words of the engines' messages where the class of the exception says nothing.
_SIGNS = ("out of memory", "Out of memory", "not enough memory", "OOM when allocating", "bad_alloc", "can't allocate")


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes: `fixed` for any batch, `each` for one face of each side."""

    fixed: int
    each: int

    def of(self, batch_size: int) -> int:
        """Bytes with that batch."""
        return self.fixed + batch_size * self.each

    def largest_batch(self, available: float) -> int:
        """The largest batch that fits, 0 if none does."""
        return max(0, int((available * (1 - _RESERVE) - self.fixed) // self.each))


def estimate_memory(options: ModelOptions, device: Device) -> MemoryNeed:
    """What training a model with these options needs, above an engine that has just started. It must be started."""
    import keras

    from dfl.nets.size_count import counting
    from dfl.training.training_config import TRAINING

    kind = kind_with(options)
    training = TRAINING[kind.name]
    config = training.config(options)
    batch = {name: keras.KerasTensor(shape) for name, shape in config.batch_shapes().items()}
    with counting() as count:
        training.objective(kind.build(options), options, config, 0).losses(batch)
    bytes_a_weight = _BYTES_A_WEIGHT["AdaBelief" if config.optimizer["is_adabelief"] else "RMSprop"]
    if config.optimizer["keep_prob"] < 1:
        bytes_a_weight += _BYTES_OF_DROPOUT
    # What recomputing saves between norms was not measured: nothing is taken off for it.
    in_blocks = _COPIES_IF_RECOMPUTED if options.recompute and not count.norm_outputs else _COPIES
    values = in_blocks * count.block_outputs + _COPIES * (count.outputs - count.block_outputs)
    values += _COPIES_OF_NORM * count.norm_outputs
    short = _SHORT if options.precision != "float32" and device.card_bytes else 1.0
    program = _PROGRAM_WITH_NORMS if count.norm_outputs else _PROGRAM
    return MemoryNeed(program + int(count.weights * bytes_a_weight), int(4 * short * values))


def available_bytes(device: Device) -> float:
    """Memory for training: what is free of the card's, else what this process may still take."""
    return (device.free_bytes or device.card_bytes) if device.card_bytes else free_memory()


def fitting_batch(options: ModelOptions, device: Device) -> int:
    """What `--batch-size auto` stands for: the largest batch that fits, within reason, at least 1."""
    most = _MAX_ON_CARD if device.card_bytes else _MAX_ON_PROCESSOR
    return min(most, max(1, estimate_memory(options, device).largest_batch(available_bytes(device))))


def memory_summary(options: ModelOptions, device: Device) -> str:
    """One line: what is needed, what there is, and the largest batch that fits where that says anything.

    UserError for what a processor's memory is too small for; a card's engine reports that by itself.
    """
    needed, available = estimate_memory(options, device), available_bytes(device)
    largest = needed.largest_batch(available)
    fits = f" Largest batch that fits: {largest}." if largest else " No batch fits."
    have = f"about {size_in_words(needed.of(options.batch_size))} of memory, {size_in_words(available)} are there"
    # There the system, or a library, would end the program without a word.
    if not device.card_bytes and needed.of(options.batch_size) > available:
        raise UserError(f"Training these options needs {have}.{fits}", memory_advice(options, max(largest, 1)))
    wanted = _WANTED * (_MAX_ON_CARD if device.card_bytes else _MAX_ON_PROCESSOR)
    return f"Needs {have}.{fits if largest < max(wanted, options.batch_size) else ''}"


def memory_advice(options: ModelOptions, batch_size: int) -> str:
    """What the user can do when memory does not suffice."""
    ways = [] if batch_size >= options.batch_size else [f"--batch-size {batch_size}"]
    ways += [] if options.recompute else ["--recompute"]
    return f"Use {' or '.join([*ways, 'a smaller model'])}, or close other programs."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine, or Python, has failed for want of memory."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
        or any(sign in text for sign in _SIGNS)
    )
