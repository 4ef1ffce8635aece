"""What XSeg learns: masks, or grey pictures while pretraining. Each loss is one number a sample, (N,)."""

from dfl.training.losses.adversarial import cross_entropy
from dfl.training.losses.reconstruction import LossSettings, Tensor, picture_terms


def xseg_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """mask: (N, R, R, 1) of 0 and 1. logits: what the network says before its sigmoid."""
    return cross_entropy(mask, logits)


def xseg_pretraining_loss(grey: Tensor, prediction: Tensor) -> Tensor:
    """grey: (N, R, R, 1), the input in grey. prediction: the network's mask, 0..1, without skips."""
    settings = LossSettings(grey.shape[1], has_two_windows=True)
    return sum(picture_terms(grey, prediction, settings).values())
