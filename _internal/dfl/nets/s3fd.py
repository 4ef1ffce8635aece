"""S3FD, the original's face detector: a VGG16 backbone with six heads, each for faces of about four times its stride.

S. Zhang et al., S3FD: Single Shot Scale-invariant Face Detector, 2017. Layers are named as in the original's S3FD.npy.
"""

import keras
from keras import ops

from dfl.nets.layers import Conv2D, Tensor

STRIDES = (4, 8, 16, 32, 64, 128)
# Subtracted from an RGB picture although they are the means of B, G, R: a quirk of the original that its weights were
# trained with.
_MEANS = (104.0, 117.0, 123.0)


class L2Norm:
    """L2 normalisation over channels with a learned scale: x / (|x| + 1e-10) * weight."""

    def __init__(self, channels: int) -> None:
        self.weight = keras.Variable(ops.ones((1, 1, 1, channels)))

    def __call__(self, x: Tensor) -> Tensor:
        length = ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True))
        return x / (length + 1e-10) * self.weight


class S3fd:
    """RGB pictures (N, H, W, 3), float32 0..255, any H and W from 32 up -> twelve maps, two for each of STRIDES.

    The first of a pair: (N, h, w, 2), softmax probabilities of background and face. The second: (N, h, w, 4), box
    regression relative to the cell's prior: offset of the centre in x and y, logarithm of width and height.
    """

    def __init__(self) -> None:
        self.conv1_1 = Conv2D(3, 3, 64)
        self.conv1_2 = Conv2D(3, 64, 64)
        self.conv2_1 = Conv2D(3, 64, 128)
        self.conv2_2 = Conv2D(3, 128, 128)
        self.conv3_1 = Conv2D(3, 128, 256)
        self.conv3_2 = Conv2D(3, 256, 256)
        self.conv3_3 = Conv2D(3, 256, 256)
        self.conv4_1 = Conv2D(3, 256, 512)
        self.conv4_2 = Conv2D(3, 512, 512)
        self.conv4_3 = Conv2D(3, 512, 512)
        self.conv5_1 = Conv2D(3, 512, 512)
        self.conv5_2 = Conv2D(3, 512, 512)
        self.conv5_3 = Conv2D(3, 512, 512)
        self.fc6 = Conv2D(3, 512, 1024, padding=3)
        self.fc7 = Conv2D(1, 1024, 1024)
        self.conv6_1 = Conv2D(1, 1024, 256)
        self.conv6_2 = Conv2D(3, 256, 512, stride=2)
        self.conv7_1 = Conv2D(1, 512, 128)
        self.conv7_2 = Conv2D(3, 128, 256, stride=2)
        self.conv3_3_norm = L2Norm(256)
        self.conv4_3_norm = L2Norm(512)
        self.conv5_3_norm = L2Norm(512)
        self.conv3_3_norm_mbox_conf = Conv2D(3, 256, 4)
        self.conv3_3_norm_mbox_loc = Conv2D(3, 256, 4)
        self.conv4_3_norm_mbox_conf = Conv2D(3, 512, 2)
        self.conv4_3_norm_mbox_loc = Conv2D(3, 512, 4)
        self.conv5_3_norm_mbox_conf = Conv2D(3, 512, 2)
        self.conv5_3_norm_mbox_loc = Conv2D(3, 512, 4)
        self.fc7_mbox_conf = Conv2D(3, 1024, 2)
        self.fc7_mbox_loc = Conv2D(3, 1024, 4)
        self.conv6_2_mbox_conf = Conv2D(3, 512, 2)
        self.conv6_2_mbox_loc = Conv2D(3, 512, 4)
        self.conv7_2_mbox_conf = Conv2D(3, 256, 2)
        self.conv7_2_mbox_loc = Conv2D(3, 256, 4)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, ...]:
        x = pictures - ops.convert_to_tensor(_MEANS, dtype="float32")
        x = _half(_chain(x, self.conv1_1, self.conv1_2))
        x = _half(_chain(x, self.conv2_1, self.conv2_2))
        at_4 = _chain(x, self.conv3_1, self.conv3_2, self.conv3_3)
        at_8 = _chain(_half(at_4), self.conv4_1, self.conv4_2, self.conv4_3)
        at_16 = _chain(_half(at_8), self.conv5_1, self.conv5_2, self.conv5_3)
        at_32 = _chain(_half(at_16), self.fc6, self.fc7)
        at_64 = _chain(at_32, self.conv6_1, self.conv6_2)
        at_128 = _chain(at_64, self.conv7_1, self.conv7_2)
        at_4, at_8, at_16 = self.conv3_3_norm(at_4), self.conv4_3_norm(at_8), self.conv5_3_norm(at_16)
        return (
            _probabilities(_with_one_background(self.conv3_3_norm_mbox_conf(at_4))),
            self.conv3_3_norm_mbox_loc(at_4),
            _probabilities(self.conv4_3_norm_mbox_conf(at_8)),
            self.conv4_3_norm_mbox_loc(at_8),
            _probabilities(self.conv5_3_norm_mbox_conf(at_16)),
            self.conv5_3_norm_mbox_loc(at_16),
            _probabilities(self.fc7_mbox_conf(at_32)),
            self.fc7_mbox_loc(at_32),
            _probabilities(self.conv6_2_mbox_conf(at_64)),
            self.conv6_2_mbox_loc(at_64),
            _probabilities(self.conv7_2_mbox_conf(at_128)),
            self.conv7_2_mbox_loc(at_128),
        )


def _chain(x: Tensor, *layers: Conv2D) -> Tensor:
    """Convolutions in sequence, each followed by ReLU."""
    for layer in layers:
        x = ops.relu(layer(x))
    return x


def _half(x: Tensor) -> Tensor:
    return ops.max_pool(x, 2, strides=2, padding="valid")


def _with_one_background(scores: Tensor) -> Tensor:
    """Max-out over the finest head's three background classes: (N, h, w, 4) -> (N, h, w, 2)."""
    return ops.concatenate([ops.max(scores[..., :3], axis=-1, keepdims=True), scores[..., 3:]], axis=-1)


def _probabilities(scores: Tensor) -> Tensor:
    return ops.softmax(scores, axis=-1)
