"""Loss terms of XSeg by name: of masks, or of grey pictures while pretraining. One number a sample, (N,), each."""

from dfl.training.losses.adversarial import cross_entropy
from dfl.training.losses.reconstruction import LossSettings, picture_terms
from dfl.training.losses.terms import Tensor


def xseg_terms(mask: Tensor, logits: Tensor) -> dict[str, Tensor]:
    """mask: (N, R, R, 1) of 0 and 1. logits: the network's output before its sigmoid, of the same shape."""
    return {"cross_entropy": cross_entropy(mask, logits)}


def xseg_pretraining_terms(grey: Tensor, prediction: Tensor) -> dict[str, Tensor]:
    """grey: (N, R, R, 1), the input in grey. prediction: the network's mask, 0..1, without skip connections."""
    return picture_terms(grey, prediction, LossSettings(grey.shape[1], has_two_windows=True))
