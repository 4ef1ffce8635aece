"""Loss terms by name, and what is derived from them: the reported sums and what a step minimises.

An objective returns its losses as a dict from `GROUP/TERM` to a tensor (N,), one number a sample, its weight included:
`src/dssim`, `dst/mask`, `gan/generator`. A step minimises the sum of all terms over the batch. The console, the preview
graph and the checkpoint's history show the sum of each group that the objective reports (`src` and `dst`, or XSeg's
`mask`); terms of other groups (`gan`, `true_face`, `background`) count for the gradient only. history.csv and
TensorBoard get the batch mean of every single term under its name.

To add a term to what each side learns, write a function of tensors in losses/reconstruction.py and enter it in the dict
that `picture_terms` or `side_terms` returns; its test belongs in tests/training/losses/test_reconstruction.py. Nothing
else must change. Terms against discriminators are entered in losses/adversarial.py (`gan_generator_terms`), those of
XSeg in losses/xseg.py. A term for one class of model that needs another prediction of its network (as the style terms
do) is entered in the `losses` of its module in objectives/. A weight that users choose is a field of
models/options.py and of `LossSettings` (or `ExtraTerms`), connected in training_config.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras import ops

Tensor = Any
Terms = dict[str, Tensor]


def in_group(group: str, terms: Mapping[str, Tensor]) -> Terms:
    """The terms under their names within a group: `dssim` becomes `src/dssim`."""
    return {f"{group}/{name}": term for name, term in terms.items()}


def is_in(group: str, name: str) -> bool:
    """Whether the term of this name belongs to the group."""
    return name.startswith(f"{group}/")


def total_loss(terms: Mapping[str, Tensor], sums: Sequence[Tensor], groups: Sequence[str]) -> Tensor:
    """What a step minimises: the sum of all terms over the batch. sums: group_sums of the reported groups.

    Added up group by group: the order in which an engine adds up gradients follows from it.
    """
    rest = [term for name, term in terms.items() if not any(is_in(group, name) for group in groups)]
    return sum(ops.sum(losses) for losses in [*sums, *([sum(rest)] if rest else [])])


def group_sums(terms: Mapping[str, Tensor], groups: Iterable[str]) -> list[Tensor]:
    """Sum of the terms of each group, (N,) each; added up in the order of the dict."""
    return [sum(term for name, term in terms.items() if is_in(group, name)) for group in groups]
