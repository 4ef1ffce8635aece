"""A convolution whose gradients are products of large matrices, for processors without AVX-512.

There the libraries' own gradients run at 30 to 70 % of the rate of their forward convolution: that of the weights most
slowly. Here the gradient of the input is a forward convolution, and that of the weights a product of matrices for every
row of the kernel. Elsewhere the libraries know better.
"""

from typing import Any

from keras import ops

Tensor = Any


@ops.custom_gradient  # type: ignore[untyped-decorator]
def convolve(x: Tensor, weight: Tensor) -> Any:
    """Cross-correlation with zero padding, stride 1: (N, H, W, in), (k, k, in, out), k odd -> (N, H, W, out)."""

    def gradients(*given: Tensor, upstream: Tensor = None) -> tuple[Tensor, Tensor]:
        """Of x and weight. Engines pass the gradient of the result by position or by keyword."""
        change = given[0] if upstream is None else upstream
        return _of_input(change, weight), _of_weight(x, change, weight.shape[0])

    return ops.conv(x, weight, padding="same"), gradients


def _of_input(change: Tensor, weight: Tensor) -> Tensor:
    """Every pixel gets from its neighbours what it gave them: a convolution with the kernel turned by 180 degrees."""
    turned = ops.transpose(ops.flip(weight, axis=(0, 1)), (0, 1, 3, 2))
    return ops.conv(change, turned, padding="same")


def _of_weight(x: Tensor, change: Tensor, kernel: int) -> Tensor:
    """Sums over all pixels of input times gradient, a matrix (out, k * in) for each row of the kernel.

    All pictures lie below each other in one list of pixels, with rows of zeros between them: there, going up a row is
    going on by a width, and an engine need copy nothing for it.
    """
    (_, _, width, inputs), outputs, half = x.shape, change.shape[-1], kernel // 2
    padded = ops.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    columns = ops.concatenate([padded[:, :, left : left + width] for left in range(kernel)], axis=-1)
    columns = ops.reshape(columns, (-1, kernel * inputs))  # (N (H + k - 1) W, k in)
    change = ops.pad(change, ((0, 0), (0, kernel - 1), (0, 0), (0, 0)))
    change = ops.reshape(change, (-1, outputs))  # (N (H + k - 1) W, out)
    rows = [ops.matmul(ops.transpose(change[: -top * width or None]), columns[top * width :]) for top in range(kernel)]
    taps = ops.reshape(ops.stack(rows), (kernel, outputs, kernel, inputs))
    return ops.transpose(taps, (0, 2, 3, 1))
