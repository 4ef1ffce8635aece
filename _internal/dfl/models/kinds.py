"""THE table of model kinds: one row each for SAEHD, AMP, Quick96 and XSeg. Light: nothing here imports the engine.

A new kind is its options and its name in ModelClass, and in SwapClass if it swaps faces (models/options.py), its
networks (nets/, and a module here), its row below, and what it learns: its objective (training/objectives/) and a row
of TRAINING in training/training_config.py.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dfl.base.errors import UserError
from dfl.base.options import checked
from dfl.faces.face_type import FaceType
from dfl.models.options import (
    QUICK96,
    XSEG_SIZE,
    AmpOptions,
    ModelOptions,
    Quick96Options,
    SaehdOptions,
    XsegOptions,
)

_OTHER_VERSION = "The model's options were changed or are those of a newer dfl: update dfl, or put a backup back."


@dataclass(frozen=True)
class ModelKind:
    """One kind of model. `network` and `predictor` are "module:name", imported only when they are used.

    name: the class name in folders' names, manifests and the original's file names.
    network: (options) -> the networks with start values.
    predictor: (network, face_type, name, iteration, digest, **merge_options) -> what merging, or xseg-apply, calls.
    parts: of stored options, the networks of a model, and how the original names the file of each.
    discriminators: network, its file, its optimizer's file; of the original, where a model was trained with them.
    constants: what is an option of other kinds and the same in all models of this one.
    swaps_faces: else it only draws masks. Of such a kind a workspace has one model, called as the kind.
    merge_options: options of merging that only this kind has.
    as_in_original: values of our options that stand for what the original does without an option.
    """

    name: str
    options: type[ModelOptions]
    network: str
    predictor: str
    parts: Callable[[Mapping[str, Any]], dict[str, str]]
    optimizer_file: str = "src_dst_opt"
    discriminators: tuple[tuple[str, str, str], ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    swaps_faces: bool = True
    merge_options: tuple[str, ...] = ()
    as_in_original: Mapping[str, Any] = field(default_factory=dict)

    def build(self, options: ModelOptions) -> Any:
        """The networks with start values. The engine must be started."""
        return pkgutil.resolve_name(self.network)(options)

    def read_options(self, stored: Mapping[str, Any]) -> ModelOptions:
        """A saved model's options; UserError where they cannot be."""
        return checked(self.options, dict(stored), _OTHER_VERSION)

    def face(self, stored: Mapping[str, Any]) -> tuple[FaceType, int]:
        """How much of the head a model learns, and the side of its pictures in pixels."""
        defaults = {name: option.default for name, option in self.options.model_fields.items()}
        values = {**defaults, **stored, **self.constants}
        return FaceType.from_name(str(values["face_type"])), int(values["resolution"])

    def inter_parts(self, stored: Mapping[str, Any]) -> tuple[str, ...]:
        """The networks between encoder and decoder, which tell the two people apart; none in XSeg."""
        return tuple(part for part in self.parts(stored) if part.startswith("inter"))


def _named_alike(*parts: str) -> dict[str, str]:
    return {part: part for part in parts}


def _df_parts(_: Mapping[str, Any]) -> dict[str, str]:
    return _named_alike("encoder", "inter", "decoder_src", "decoder_dst")


def _saehd_parts(stored: Mapping[str, Any]) -> dict[str, str]:
    if str(stored.get("archi", "df-ud")).lower().startswith("liae"):
        return _named_alike("encoder", "inter_AB", "inter_B", "decoder")
    return _df_parts(stored)


KINDS: dict[str, ModelKind] = {
    kind.name: kind
    for kind in (
        ModelKind(
            "SAEHD",
            SaehdOptions,
            "dfl.models.saehd:Saehd",
            "dfl.models.saehd:SaehdSwapModel",
            _saehd_parts,
            discriminators=(("D_src", "GAN", "GAN_opt"), ("dis", "code_discriminator", "D_code_opt")),
        ),
        ModelKind(
            "AMP",
            AmpOptions,
            "dfl.models.amp:build_amp",
            "dfl.models.amp:AmpSwapModel",
            lambda _: _named_alike("encoder", "inter_src", "inter_dst", "decoder"),
            discriminators=(("GAN", "GAN", "GAN_opt"),),
            merge_options=("morph_factor",),
            as_in_original={"train_inter": False},
        ),
        ModelKind(
            "Quick96",
            Quick96Options,
            "dfl.models.saehd:build_quick96",
            "dfl.models.saehd:SaehdSwapModel",
            _df_parts,
            constants=QUICK96,
        ),
        ModelKind(
            "XSeg",
            XsegOptions,
            "dfl.models.xseg:build_xseg",
            "dfl.models.xseg:XsegModel",
            lambda _: {"XSeg": "256"},
            optimizer_file="256_opt",
            constants=XSEG_SIZE,
            swaps_faces=False,
        ),
    )
}
SWAP_CLASSES = tuple(kind.name for kind in KINDS.values() if kind.swaps_faces)
# The kind that stages ask for by name: xseg-train, xseg-apply, and masks in merging.
XSEG = "XSeg"


def kind_with(options: ModelOptions) -> ModelKind:
    """The row whose options these are."""
    return kind_with_options(type(options))


def kind_with_options(options: type[ModelOptions]) -> ModelKind:
    """The row of this class of options."""
    return next(kind for kind in KINDS.values() if kind.options is options)


def kind_of(class_name: str) -> ModelKind:
    """The row of a class; UserError for one that is not known."""
    if class_name not in KINDS:
        raise UserError(f"Models of class {class_name} are not known.", f"Known: {', '.join(KINDS)}.")
    return KINDS[class_name]
