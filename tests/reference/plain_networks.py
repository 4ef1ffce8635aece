"""Layers in plain numpy, written a second time from the description: what the networks are held against.

Maps are (N, H, W, C) float64; weights are looked up by the names of the original's files.
"""

import numpy as np


class Weights:
    """Random arrays of given names and shapes, sized so that signals neither die nor explode."""

    def __init__(self, shapes, seed):
        random = np.random.default_rng(seed)
        self.arrays = {}
        for name, shape in shapes.items():
            kind = name.rpartition("/")[2]
            fan = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
            if kind == "running_var":
                array = random.uniform(0.5, 2, shape)
            elif kind == "weight" and len(shape) in (2, 4) and shape[:3] != (1, 1, 1):
                array = random.normal(0, (2 / fan) ** 0.5, shape)
            elif kind == "weight":
                array = random.uniform(0.5, 1.5, shape)
            else:
                array = random.normal(0, 0.2, shape)
            self.arrays[name] = array.astype(np.float32)

    def put_into(self, variables):
        for name, variable in variables.items():
            variable.assign(self.arrays[name])

    def of(self, layer, kind="weight"):
        return self.arrays[f"{layer}/{kind}"].astype(np.float64)

    def has(self, layer):
        return f"{layer}/weight" in self.arrays


def conv(x, weights, layer, stride=1, padding=None):
    """Symmetric zero padding (half the kernel if not given), then every sum of products by its definition."""
    kernel = weights.of(layer)
    size = kernel.shape[0]
    padding = size // 2 if padding is None else padding
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    result = np.einsum("nhwcyx,yxco->nhwo", windows, kernel, optimize=True)  # windows: N, H, W, C, ky, kx
    return result + weights.of(layer, "bias") if f"{layer}/bias" in weights.arrays else result


def relu(x):
    return np.maximum(x, 0)


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def cells(x):
    """Cells of 2 x 2 pixels, a last odd row or column left out: (N, H/2, W/2, C, 4)."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :height, :width]
    return np.stack([x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]], axis=-1)


def shapes_of(variables):
    return {name: tuple(variable.shape) for name, variable in variables.items()}


def close(got, wanted, relative=2e-5):
    """Whether the largest difference is small against the largest value."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    assert np.ptp(wanted) > 0, "a constant would agree with nearly everything"
    difference = np.abs(got - wanted).max() / np.abs(wanted).max()
    assert difference < relative, difference
    return True
