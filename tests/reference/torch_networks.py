"""XSeg and AMP once more, written from the original's description with torch's functions on NCHW maps."""

import numpy as np
import torch
import torch.nn.functional as F


class Weights:
    """Named weights as torch tensors: kernels (out, in, k, k) for convolutions, (in, out, k, k) for transposed ones."""

    def __init__(self, weights):
        self._weights = {name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()}

    def __getitem__(self, name):
        return self._weights[name]

    def conv(self, name, x, stride=1):
        kernel = self[f"{name}/weight"].permute(3, 2, 0, 1)
        return F.conv2d(x, kernel, self[f"{name}/bias"], stride=stride, padding=kernel.shape[-1] // 2)

    def dense(self, name, x):
        return x @ self[f"{name}/weight"] + self[f"{name}/bias"]

    def block(self, name, x):
        return self._norm(name, self.conv(f"{name}/conv", x))

    def up_block(self, name, x):
        kernel = self[f"{name}/conv/weight"].permute(3, 2, 0, 1)
        full = F.conv_transpose2d(x, kernel, self[f"{name}/conv/bias"], stride=2)
        return self._norm(name, full[:, :, :-1, :-1])

    def _norm(self, name, x):
        power = (x * x).mean((2, 3), keepdim=True) + self[f"{name}/frn/eps"].abs()
        weight, bias, tau = (
            self[f"{name}/{part}"][None, :, None, None] for part in ("frn/weight", "frn/bias", "tlu/tau")
        )
        return torch.maximum(x / power.sqrt() * weight + bias, tau)


def blur_pool(x, taps):
    kernel = torch.tensor(taps, dtype=torch.float32)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    before, after = (len(taps) - 1) // 2, len(taps) // 2
    x = F.pad(x, (before, after, before, after))
    return F.conv2d(x, kernel[None, None].repeat(x.shape[1], 1, 1, 1), stride=2, groups=x.shape[1])


def xseg_logits(weights, picture):
    """picture: (N, R, R, 3); logits (N, R, R, 1)."""
    w, x, skips = Weights(weights), torch.from_numpy(picture).permute(0, 3, 1, 2), []
    blocks = (2, 2, 2, 3, 3, 3)
    for level, taps in enumerate(((1, 3, 3, 1), (1, 2, 1), (1, 1), (1, 1), (1, 1), (1, 1))):
        for block in range(blocks[level]):
            x = w.block(f"conv{level}{block + 1}", x)
        skips.append(x)
        x = blur_pool(x, taps)
    shape = x.shape
    x = w.dense("dense2", w.dense("dense1", x.reshape(len(x), -1))).reshape(shape)
    for level in (5, 4, 3, 2, 1, 0):
        x = torch.cat([w.up_block(f"up{level}", x), skips[level]], 1)
        for block in range(blocks[level], 0, -1):
            x = w.block(f"uconv{level}{block}", x)
    return w.conv("out_conv", x).permute(0, 2, 3, 1).numpy()


def _residual(w, name, x):
    return F.leaky_relu(x + w.conv(f"{name}/conv2", F.leaky_relu(w.conv(f"{name}/conv1", x), 0.2)), 0.2)


def _space(x):
    """Depth to space with the block as the slow part of the channels, unlike torch's pixel_shuffle."""
    count, channels, height, width = x.shape
    cells = x.reshape(count, 2, 2, channels // 4, height, width)
    return cells.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // 4, 2 * height, 2 * width)


def amp_swap(weights, picture, ones):
    """picture: (1, R, R, 3); the first `ones` channels of the code are src's. Face (1, R, R, 3), mask (1, R, R, 1)."""
    w, x = Weights(weights), torch.from_numpy(picture).permute(0, 3, 1, 2)
    for name in ("down1", "down2", "down3", "down4", "down5"):
        x = F.leaky_relu(w.conv(f"encoder/{name}/conv1", x, stride=2), 0.1)
        if name in ("down1", "down5"):
            x = _residual(w, f"encoder/res{name[-1]}", x)
    side, code = x.shape[-1], x.reshape(len(x), -1)
    code = w.dense("encoder/dense1", code / (code.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt())
    src, dst = (w.dense(f"inter_{who}/dense2", code).reshape(len(x), -1, side, side) for who in ("src", "dst"))
    mixed = torch.cat([src[:, :ones], dst[:, ones:]], 1)
    x = mask = mixed
    for level in range(4):
        x = _space(F.leaky_relu(w.conv(f"decoder/upscale{level}/conv1", x), 0.1))
        x = _residual(w, f"decoder/res{level}", x)
    for level in range(5):
        mask = _space(F.leaky_relu(w.conv(f"decoder/upscalem{level}/conv1", mask), 0.1))
    outputs = [w.conv(f"decoder/out_conv{number}", x) for number in ("", 1, 2, 3)]
    face, mask = torch.sigmoid(_space(torch.cat(outputs, 1))), torch.sigmoid(w.conv("decoder/out_convm", mask))
    return face.permute(0, 2, 3, 1).numpy(), mask.permute(0, 2, 3, 1).numpy()
