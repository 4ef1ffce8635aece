"""What a model is made of and trained with, declared once; stored with every saved set. Nothing heavy is imported."""

from typing import Any, Literal

from dfl.base.errors import UserError
from dfl.base.options import Options, option

FaceLetter = Literal["h", "mf", "f", "wf", "head"]
FACE_HELP = "Part of the head that is swapped: half, mid-full, full, whole face or head; the faceset must hold as much."


class ModelOptions(Options):
    """What every kind of model has."""

    target_iter: int = option(0, "Stop at this iteration; 0 trains until you stop.", ask="Target iteration", minimum=0)
    random_src_flip: bool = option(False, "Mirror src faces at random.", ask="Flip SRC faces randomly")
    random_dst_flip: bool = option(True, "Mirror dst faces at random.", ask="Flip DST faces randomly")
    batch_size: int = option(
        4,
        "Faces of each side a step; more is steadier and needs more memory.",
        ask="Batch_size",
        minimum=1,
        maximum=512,
    )


class SaehdOptions(ModelOptions):
    """SAEHD, with the original's names, ranges and order of questions."""

    resolution: int = option(
        128,
        "Side of the swapped picture in pixels; a multiple of 16, of 32 with the letters d or t.",
        ask="Resolution",
        fixed=True,
        minimum=32,
        maximum=2048,
    )
    face_type: FaceLetter = option("f", FACE_HELP, ask="Face type", fixed=True)
    archi: str = option(
        "liae-ud",
        "df keeps more of src, liae follows dst's shape and light; letters u, d, t, c.",
        ask="AE architecture",
        fixed=True,
    )
    ae_dims: int = option(
        256,
        "Numbers of the code between encoder and decoder.",
        ask="AutoEncoder dimensions",
        fixed=True,
        minimum=1,
        maximum=4096,
    )
    e_dims: int = option(64, "Width of the encoder.", ask="Encoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_dims: int = option(64, "Width of the decoder.", ask="Decoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_mask_dims: int = option(
        22, "Width of the decoder's mask branch.", ask="Decoder mask dimensions", fixed=True, minimum=1, maximum=1024
    )
    masked_training: bool = option(
        True, "Learn inside the face mask only.", ask="Masked training", only_if={"face_type": ("wf", "head")}
    )
    eyes_mouth_prio: bool = option(False, "Learn eyes and mouth with priority.", ask="Eyes and mouth priority")
    uniform_yaw: bool = option(
        False, "Draw faces evenly over how far they turn.", ask="Uniform yaw distribution of samples"
    )
    blur_out_mask: bool = option(False, "Smooth the picture around the mask before learning it.", ask="Blur out mask")
    adabelief: bool = option(True, "AdaBelief as optimizer; off: RMSprop.", ask="Use AdaBelief optimizer")
    learning_rate: float = option(
        5e-5,
        "How far a step goes; 2e-4 learns faster on small models, higher breaks down more easily.",
        ask="Learning rate",
        minimum=1e-7,
        maximum=1e-2,
    )
    random_warp: bool = option(
        True, "Warp what the network sees; switch off late in training for detail.", ask="Enable random warp of samples"
    )
    clipgrad: bool = option(
        False, "Clip gradients: fewer collapses, slightly slower learning.", ask="Enable gradient clipping"
    )

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """As declared; the mask branch is a third as wide as the decoder, even, at least 16, as in the original."""
        if name != "d_mask_dims":
            return super().default_of(name, known)
        third = int(known.get("d_dims", cls.model_fields["d_dims"].default)) // 3
        return max(16, third + third % 2)

    def model_post_init(self, _: Any, /) -> None:
        """Refuse what cannot work, with the reason."""
        kind, _, letters = self.archi.lower().partition("-")
        multiple = 32 if {"d", "t"} & set(letters) else 16
        if kind not in ("df", "liae") or set(letters) - set("udtc") or (self.archi.endswith("-")):
            raise UserError(
                f"{self.archi} is no architecture.", "Expected df or liae, with letters of u, d, t, c: liae-ud."
            )
        if self.resolution % multiple:
            lower = max(multiple, self.resolution // multiple * multiple)
            raise UserError(
                f"A resolution of {self.resolution} does not fit {self.archi}: expected a multiple of {multiple}.",
                f"Use {lower} or {lower + multiple}.",
            )


class Quick96Options(ModelOptions):
    """Quick96 asks nothing: 96 pixels, full face, df-ud, made for a first look."""
