"""How much memory training needs, reckoned from the options alone: before anything is built.

Needed whatever the batch: weights, their gradients, and the optimizer's arrays. Needed for every face: the maps of
all layers, kept until the backward pass. Both are counted from the layers' shapes; what an engine adds was measured.
"""

from dataclasses import dataclass

from dfl.base.disk_space import size_in_words
from dfl.base.errors import UserError
from dfl.base.memory import free_memory
from dfl.models.options import (
    QUICK96,
    AmpOptions,
    ModelOptions,
    Quick96Options,
    SaehdOptions,
    TrainedSwapOptions,
    XsegOptions,
)
from dfl.nets.patch_size import patch_strides
from dfl.training.presets import Device

_MB = 2**20
# What stays free for the system and for what else runs.
_RESERVE = 0.1
# `--batch-size auto` goes no higher: more is slower without a card, and seldom better with one.
_MAX_ON_PROCESSOR, _MAX_ON_CARD = 8, 32
# A figure so many times as large as that helps nobody: it is not told.
_WANTED = 4
# Measured (docs/benchmarks.md): a map is there before and after its activation, once more as a gradient, and a little.
_COPIES = 3.2
_COPIES_IF_RECOMPUTED = 2.3
# Of maps in two bytes, on a card; a processor that imitates short numbers keeps maps of four.
_SHORT = 0.6
# Weight, gradient, and one or two arrays of the optimizer, of 4 bytes each, and some of the update's own.
_BYTES_A_WEIGHT = {"RMSprop": 13.5, "AdaBelief": 17.5}
_BYTES_OF_DROPOUT = 11  # a weight, for the draw that decides which ones move
# XSeg's norms and thresholds keep as much again as its convolutions; what else it takes was not found.
_XSEG_COPIES, _XSEG_PROGRAM = 6.3, 1230 * _MB
# What engines say of it where the kind of error says nothing.
_SIGNS = ("out of memory", "Out of memory", "not enough memory", "OOM when allocating", "bad_alloc", "can't allocate")
_PROGRAM = 360 * _MB  # graphs, compiled code and samples, above an engine that has just started


@dataclass(frozen=True)
class Layer:
    """A convolution (kernel k) or dense layer (k = 1, side = 1) with its bias; side: of the map that it makes."""

    kernel: int
    inputs: int
    outputs: int
    side: int

    @property
    def weights(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs + self.outputs

    @property
    def values(self) -> int:
        return self.side**2 * self.outputs


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


def need(options: ModelOptions, device: Device) -> MemoryNeed:
    """What training a model with these options needs, above an engine that has just started."""
    parts = _parts(options)
    weights = sum(layer.weights for layers, _ in parts for layer in layers)
    values = sum(times * layer.values for layers, times in parts for layer in layers)
    is_adabelief = isinstance(options, AmpOptions) or (isinstance(options, SaehdOptions) and options.adabelief)
    bytes_a_weight = _BYTES_A_WEIGHT["AdaBelief" if is_adabelief else "RMSprop"]
    if not isinstance(options, TrainedSwapOptions) or options.lr_dropout != "n":
        bytes_a_weight += _BYTES_OF_DROPOUT
    short = _SHORT if options.precision != "float32" and device.card_bytes else 1.0
    copies = (_COPIES_IF_RECOMPUTED if options.recompute else _COPIES) * short
    program = _PROGRAM
    if isinstance(options, XsegOptions):
        copies, program = _XSEG_COPIES * short, _XSEG_PROGRAM
    each = 4 * copies * values
    judge = _judge(options)
    each += 4 * _COPIES * sum(layer.values for layer in judge)
    weights += sum(layer.weights for layer in judge)
    return MemoryNeed(program + int(weights * bytes_a_weight), int(each))


def available_bytes(device: Device) -> float:
    """Memory for training: what is free of the card's, else what this process may still take."""
    return (device.free_bytes or device.card_bytes) if device.card_bytes else free_memory()


def fitting_batch(options: ModelOptions, device: Device) -> int:
    """What `--batch-size auto` stands for: the largest batch that fits, within reason, at least 1."""
    most = _MAX_ON_CARD if device.card_bytes else _MAX_ON_PROCESSOR
    return min(most, max(1, need(options, device).largest_batch(available_bytes(device))))


def told(options: ModelOptions, device: Device) -> str:
    """One line: what is needed, what there is, and the largest batch that fits where that says anything.

    UserError for what a processor's memory is too small for; a card says so by itself.
    """
    needed, available = need(options, device), available_bytes(device)
    largest = needed.largest_batch(available)
    fits = f" Largest batch that fits: {largest}." if largest else " No batch fits."
    have = f"about {size_in_words(needed.of(options.batch_size))} of memory, {size_in_words(available)} are there"
    # There the system, or a library, would end the program without a word.
    if not device.card_bytes and needed.of(options.batch_size) > available:
        raise UserError(f"Training these options needs {have}.{fits}", way_out(options, max(largest, 1)))
    wanted = _WANTED * (_MAX_ON_CARD if device.card_bytes else _MAX_ON_PROCESSOR)
    return f"Needs {have}.{fits if largest < max(wanted, options.batch_size) else ''}"


def way_out(options: ModelOptions, batch_size: int) -> str:
    """What to do when memory does not suffice."""
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


def _parts(options: ModelOptions) -> list[tuple[list[Layer], float]]:
    """Layers of each network, and how many faces pass it for one face of each side."""
    if isinstance(options, XsegOptions):
        return [(_xseg(), 1.0)]
    if isinstance(options, AmpOptions):
        return _amp(options)
    if isinstance(options, Quick96Options):
        options = SaehdOptions(**(options.model_dump() | QUICK96))
    assert isinstance(options, SaehdOptions)
    return _saehd(options)


def _saehd(options: SaehdOptions) -> list[tuple[list[Layer], float]]:
    kind, _, letters = options.archi.lower().partition("-")
    side, ae = options.resolution, options.ae_dims
    encoder = _encoder(side, options.e_dims, "t" in letters)
    length, inner = encoder[-1].values, side // (32 if "d" in letters else 16)
    # The style terms look at the swap as well: one more face through the decoder for each.
    swaps = bool(options.face_style_power) + bool(options.bg_style_power)

    def inter(outputs: int) -> list[Layer]:
        layers = [Layer(1, length, ae, 1), Layer(1, ae, inner * inner * outputs, 1)]
        return layers if "t" in letters else [*layers, Layer(3, outputs, 4 * outputs, inner)]

    start = inner if "t" in letters else 2 * inner
    dims = options.d_dims, options.d_mask_dims, letters
    if kind == "df":
        return [(encoder, 2), (inter(ae), 2), (_decoder(ae, start, *dims), 1 + swaps), (_decoder(ae, start, *dims), 1)]
    return [(encoder, 2), (inter(2 * ae), 2), (inter(2 * ae), 1), (_decoder(4 * ae, start, *dims), 2 + swaps)]


def _amp(options: AmpOptions) -> list[tuple[list[Layer], float]]:
    side, ae = options.resolution, options.ae_dims
    encoder, inner = _encoder(side, options.e_dims, is_deep=True), side // 32
    encoder.append(Layer(1, encoder[-1].values, ae, 1))
    inter = [Layer(1, ae, inner * inner * options.inter_dims, 1)]
    decoder = _decoder(options.inter_dims, inner, options.d_dims, options.d_mask_dims, "udt")
    return [(encoder, 2), (inter, 1), (inter, 2), (decoder, 2)]


def _encoder(side: int, e: int, is_deep: bool) -> list[Layer]:
    widths = [e, 2 * e, 4 * e, 8 * e]
    if not is_deep:
        return [
            Layer(5, before, after, side >> level)
            for level, (before, after) in enumerate(zip([3, *widths], widths, strict=False), 1)
        ]
    downs = [
        Layer(5, before, after, side >> level)
        for level, (before, after) in enumerate(zip([3, *widths], [*widths, 8 * e], strict=True), 1)
    ]
    return [downs[0], *[Layer(3, e, e, side // 2)] * 2, *downs[1:], *[Layer(3, 8 * e, 8 * e, side // 32)] * 2]


def _decoder(inputs: int, side: int, d: int, d_mask: int, letters: str) -> list[Layer]:
    """side: of the map that it is given."""
    widths = [8, 8, 4, 2] if "t" in letters else [8, 4, 2]
    layers, before, mask_before = [], inputs, inputs
    for width in widths:
        layers.append(Layer(3, before, 4 * width * d, side))
        layers.append(Layer(3, mask_before, 4 * width * d_mask, side))
        before, mask_before, side = width * d, width * d_mask, 2 * side
        layers += [Layer(3, before, before, side)] * 2
    layers.append(Layer(1, before, 3, side))
    if "d" in letters:
        layers += [Layer(3, before, 3, side)] * 3
        layers.append(Layer(3, mask_before, 4 * d_mask, side))
        mask_before, side = d_mask, 2 * side
    return [*layers, Layer(1, mask_before, 1, side)]


def _judge(options: ModelOptions) -> list[Layer]:
    """GAN's network, empty without; that of true face is small."""
    if not isinstance(options, SaehdOptions | AmpOptions) or not options.gan_power:
        return []
    side, before, layers = options.resolution, options.gan_dims, []
    layers.append(Layer(1, 3, before, side))
    for stride in patch_strides(options.gan_patch_size):
        after = min(2 * before, 512)
        layers.append(Layer(3, before, after, side // stride))
        layers.append(Layer(3, 2 * after, before, side))
        before, side = after, side // stride
    return layers


def _xseg() -> list[Layer]:
    """Three or two convolutions a level, down and up again, and the dense layers between."""
    base, levels = 32, [(256, 1, 2), (128, 2, 2), (64, 4, 2), (32, 8, 3), (16, 8, 3), (8, 8, 3)]
    layers, before = [], 3
    for side, width, count in levels:
        for _ in range(count):
            layers.append(Layer(3, before, width * base, side))
            before = width * base
    length = 8 * base * 4 * 4
    layers += [Layer(1, length, 512, 1), Layer(1, 512, length, 1)]
    for side, width, count in reversed(levels):
        up = min(width, 4) * base
        layers.append(Layer(3, before, up, side))
        before = up + width * base
        for _ in range(count):
            layers.append(Layer(3, before, width * base, side))
            before = width * base
    return [*layers, Layer(3, base, 1, 256)]
