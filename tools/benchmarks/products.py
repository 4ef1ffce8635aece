"""A training step's convolutions and matrix products, each alone at the rate of this machine.

They are read from the TensorFlow graph of the losses and their gradients, with their exact shapes. Each is timed in
TensorFlow and, where it is installed, in torch; the faster one counts.
"""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dfl.bench.cpu_time import cpu_of, least_in_turn
from dfl.models.options import SaehdOptions
from dfl.nets.layers import Precision
from dfl.training.losses.terms import Tensor

PRODUCTS = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MatMul")
_BRIEF = 0.02  # CPU seconds that a measurement of one of the many products lasts at least


@dataclass(frozen=True)
class Product:
    """One convolution or matrix product of the graph.

    kind: its TensorFlow name. inputs: shapes of its two tensors. size: the shape that a backward product makes.
    """

    kind: str
    inputs: tuple[tuple[int, ...], tuple[int, ...]]
    size: tuple[int, ...]
    stride: int
    padding: str
    transposed: tuple[bool, bool]

    def flops(self) -> float:
        """Twice the multiply-adds."""
        first, second = self.inputs
        if self.kind == "MatMul":
            return 2.0 * np.prod(first) * (second[0] if self.transposed[1] else second[1])
        kernel = {"Conv2D": second, "Conv2DBackpropInput": first, "Conv2DBackpropFilter": self.size}[self.kind]
        output = self.size if self.kind == "Conv2D" else second
        return 2.0 * np.prod(kernel) * output[0] * output[1] * output[2]


def products_of(losses: Callable[..., Any], variables: list[Any], options: SaehdOptions) -> Counter[Product]:
    """Every convolution and matrix product of losses and gradients, with how often it occurs."""
    import tensorflow as tf

    def gradients(*batch: Tensor) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(list(losses(*batch).values()))
        return tape.gradient(total, variables)

    side = options.resolution
    shapes = [tf.TensorSpec((options.batch_size, side, side, channels)) for channels in (3, 3, 1, 3, 3, 1)]
    graph = tf.function(gradients, autograph=False).get_concrete_function(*shapes).graph
    found: Counter[Product] = Counter()
    for node in _needed(graph):
        if node.type in PRODUCTS:
            found[_product(node)] += 1
    return found


def _needed(graph: Any) -> list[Any]:
    """The graph's nodes that its outputs need; the others (the input picture's gradient) are never computed."""
    waiting = [tensor.op for tensor in graph.outputs]
    seen = {id(node) for node in waiting}
    needed = []
    while waiting:
        node = waiting.pop()
        needed.append(node)
        for tensor in node.inputs:
            if id(tensor.op) not in seen:
                seen.add(id(tensor.op))
                waiting.append(tensor.op)
    return needed


def _product(node: Any) -> Product:
    is_matrix = node.type == "MatMul"
    # The two backward products list (sizes, kernel or input, gradient).
    tensors = list(node.inputs)
    pair = {"Conv2DBackpropInput": tensors[1:], "Conv2DBackpropFilter": [tensors[0], tensors[-1]]}.get(
        node.type, tensors
    )
    return Product(
        node.type,
        (tuple(pair[0].shape), tuple(pair[1].shape)),
        tuple(node.outputs[0].shape),
        1 if is_matrix else int(node.get_attr("strides")[1]),
        "" if is_matrix else node.get_attr("padding").decode(),
        (node.get_attr("transpose_a"), node.get_attr("transpose_b")) if is_matrix else (False, False),
    )


@dataclass(frozen=True)
class TimedProduct:
    """A product alone: CPU seconds in the faster library, and the call."""

    product: Product
    seconds: float
    call: Callable[[], Any]

    def rate(self) -> float:
        """FLOPs a second."""
        return self.product.flops() / self.seconds


def timed_alone(products: Iterable[Product], rounds: int, precision: Precision) -> list[TimedProduct]:
    """Each product in the faster library; all of them in turn. Matrix products are float32 in any precision."""
    libraries = [_in_tensorflow] + ([_in_torch] if importlib.util.find_spec("torch") else [])
    calls = [
        (product, library(product, "float32" if product.kind == "MatMul" else precision))
        for product in products
        for library in libraries
    ]
    least = least_in_turn([partial(cpu_of, call, _BRIEF) for _, call in calls], rounds)
    timed = [TimedProduct(product, seconds, call) for (product, call), seconds in zip(calls, least, strict=True)]
    count = len(libraries)
    return [min(timed[at : at + count], key=lambda one: one.seconds) for at in range(0, len(timed), count)]


def _in_tensorflow(product: Product, precision: Precision) -> Callable[[], Any]:
    import tensorflow as tf

    random = np.random.default_rng(0)
    arrays = (random.standard_normal(shape, np.float32) for shape in product.inputs)
    first, second = (tf.cast(tf.constant(array), precision) for array in arrays)
    strides = [1, product.stride, product.stride, 1]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(a: Tensor, b: Tensor) -> Tensor:
        if product.kind == "MatMul":
            return tf.matmul(a, b, transpose_a=product.transposed[0], transpose_b=product.transposed[1])
        if product.kind == "Conv2D":
            return tf.nn.conv2d(a, b, strides, product.padding)
        raw = getattr(tf.raw_ops, product.kind)
        if product.kind == "Conv2DBackpropInput":
            return raw(input_sizes=product.size, filter=a, out_backprop=b, strides=strides, padding=product.padding)
        return raw(input=a, filter_sizes=product.size, out_backprop=b, strides=strides, padding=product.padding)

    return lambda: run(first, second)


def _in_torch(product: Product, precision: Precision) -> Callable[[], Any]:
    import torch

    dtype = getattr(torch, precision)

    def maps(shape: tuple[int, ...]) -> Any:
        """A map (N, H, W, C) as torch has it: channels first in name, last in memory."""
        return torch.randn(shape).to(dtype).permute(0, 3, 1, 2)

    def kernel(shape: tuple[int, ...]) -> Any:
        random = torch.randn(shape[3], shape[2], shape[0], shape[1]).to(dtype)
        return random.contiguous(memory_format=torch.channels_last)

    first, second = product.inputs
    if product.kind == "MatMul":
        a, b = torch.randn(first), torch.randn(second)
        a, b = (a.T if product.transposed[0] else a), (b.T if product.transposed[1] else b)
        return lambda: a @ b
    kernel_shape = {"Conv2D": second, "Conv2DBackpropInput": first, "Conv2DBackpropFilter": product.size}[product.kind]
    half = kernel_shape[0] // 2 if product.padding == "SAME" else 0
    if product.kind == "Conv2D":
        x, w = maps(first), kernel(second)
        return lambda: torch.nn.functional.conv2d(x, w, None, product.stride, half)
    is_input = product.kind == "Conv2DBackpropInput"
    x, w, gradient = maps(product.size if is_input else first), kernel(kernel_shape), maps(second)
    mask = [is_input, not is_input, False]
    arguments = (None, [product.stride] * 2, [half] * 2, [1, 1], False, [0, 0], 1, mask)
    return lambda: torch.ops.aten.convolution_backward(gradient, x, w, *arguments)
