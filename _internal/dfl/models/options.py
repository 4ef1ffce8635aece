"""Model options: architecture and training settings of each class of model, stored with every checkpoint.

No engine is imported here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from dfl.base.options import Options, option
from dfl.imaging.transfers import TrainingTransfer
from dfl.models.architecture import (
    check_architecture,
    check_gan,
    check_multiple,
    check_true_face,
    fitting_architecture,
    is_df,
    multiple_for,
)

SwapClass = Literal["SAEHD", "AMP", "Quick96"]
ModelClass = Literal["SAEHD", "AMP", "Quick96", "XSeg"]
FaceLetter = Literal["h", "mf", "f", "wf", "head"]
FACE_HELP = "Part of the head that is swapped: half, mid-full, full, whole face or head; the faceset must hold as much."
# The original's order of questions.
_FIRST = (
    *("autobackup_hour", "write_preview_history", "preview_faces", "target_iter", "random_src_flip", "random_dst_flip"),
    *("batch_size", "resolution", "face_type"),
)


class ModelOptions(Options):
    """Options of every class of model."""

    has_questions: ClassVar[bool] = True

    target_iter: int = option(
        0, "Stop at this iteration; 0 trains until you stop.", ask="Stop at iteration, 0 for never", minimum=0
    )
    batch_size: int = option(
        4,
        "Batch size: faces of each side in one step; larger batches give less noisy gradients and need more memory.",
        ask="Batch size",
        minimum=1,
        maximum=512,
    )
    autobackup_hour: int = option(
        1,
        "Hours between two automatic backups, in folders 01 (the newest) to 24; 0: no backups.",
        ask="Hours between automatic backups, 0 for none",
        minimum=0,
        maximum=24,
    )
    write_preview_history: bool = option(
        False, "Save preview pictures regularly during training, for time-lapse.", ask="Write preview history"
    )
    precision: Literal["float32", "bfloat16", "float16"] = option(
        "float32",
        "Number format of the convolutions (mixed precision); weights stay float32. bfloat16 is faster on processors "
        "and graphics cards that support it, float16 on older cards.",
    )
    recompute: bool = option(
        False,
        "Gradient checkpointing: recompute activations in the backward pass instead of storing them; less memory, a "
        "third slower.",
    )
    session_name: str = option("", "A label for this phase of training, shown in the list of backups.")


class SwapOptions(ModelOptions):
    """Options of every class that swaps faces."""

    preview_faces: str = option(
        "",
        "Names of the faces that previews and their history show, with commas: 00012_0.jpg,00340_0.jpg. A side with "
        "none of them shows any.",
        ask="Names of the faces that it shows, Enter for any",
        only_if={"write_preview_history": bool},
    )
    random_src_flip: bool = option(False, "Mirror src faces at random.", ask="Flip SRC faces randomly")
    random_dst_flip: bool = option(True, "Mirror dst faces at random.", ask="Flip DST faces randomly")
    # The default is that of models saved without this option, which all learned with the original's maps.
    warp_maps: Literal["centred", "independent", "original"] = option(
        "original",
        "How random warp moves pixels. original: as in the original, half a pixel off, so that faces are drawn up to a "
        "sixty-fourth too far right and low while warp is on; centred: the same without that; independent: centred, "
        "and x is moved independently of y.",
        new="centred",
    )


class TrainedSwapOptions(SwapOptions):
    """Training options of SAEHD and AMP; all of them can be changed later."""

    uniform_yaw: bool = option(
        False, "Sample faces uniformly over yaw (left to right).", ask="Uniform yaw distribution of samples"
    )
    blur_out_mask: bool = option(
        False, "Blur the area just outside the mask in the training pictures.", ask="Blur out mask"
    )
    lr_dropout: Literal["n", "y", "cpu"] = option(
        "n",
        "Learning-rate dropout: each step updates a random 30 % of the weights, with a cosine schedule of the learning "
        "rate (period 500 unless --lr-cos is given); sharper results late in training.",
        ask="Use learning rate dropout",
    )
    learning_rate: float = option(
        5e-5,
        "Step size of the optimizer; 2e-4 trains small models faster, higher values diverge more easily.",
        ask="Learning rate",
        minimum=1e-7,
        maximum=1e-2,
    )
    lr_cos: int = option(
        0,
        "Cosine schedule: the learning rate goes from its full value to 0 and back in this many iterations; 0: "
        "constant.",
        minimum=0,
    )
    bias_correction: bool = option(
        False,
        "AdaBelief with bias correction, as published; off: the first steps are longer, as in the original.",
    )
    random_warp: bool = option(
        True,
        "Warp the network's input at random; switch off late in training for more detail.",
        ask="Enable random warp of samples",
    )
    random_hsv_power: float = option(
        0.0,
        "Strength of random hue, saturation and brightness changes of src's input; the result depends less on src's "
        "lighting.",
        ask="Random hue/saturation/light intensity",
        minimum=0,
        maximum=0.3,
    )
    random_blur: bool = option(False, "Blur inputs at random, for facesets that differ in sharpness.")
    random_noise: bool = option(False, "Add noise to inputs at random.")
    random_jpeg: bool = option(False, "Compress inputs as JPEG at random.")
    random_shadow: Literal["none", "src", "dst", "all"] = option("none", "Add shadows to inputs at random.")
    random_downsample: bool = option(False, "Downscale inputs and upscale them again, at random.")
    retrain_high_loss: bool = option(False, "Hard example mining: sample the faces with the highest losses more often.")
    loss_function: Literal["SSIM", "MS-SSIM", "MS-SSIM+L1"] = option(
        "SSIM", "Reconstruction loss; the original uses SSIM."
    )
    eyes_prio: float = option(0.0, "Loss weight of the eyes alone, usually 0 to 300.", minimum=0, maximum=3000)
    mouth_prio: float = option(0.0, "Loss weight of the mouth alone, usually 0 to 300.", minimum=0, maximum=3000)
    gan_power: float = option(
        0.0,
        "Weight of the GAN loss, for fine detail; use it late in training, about 0.1, with random warp off.",
        ask="GAN power",
        minimum=0,
        maximum=5,
    )
    gan_patch_size: int = option(
        16,
        "Patch size of the GAN's discriminator in pixels; by default an eighth of the resolution.",
        ask="GAN patch size",
        minimum=3,
        maximum=640,
        only_if={"gan_power": bool},
    )
    gan_dims: int = option(
        16,
        "Width of the GAN's discriminator: channels of its first layer.",
        ask="GAN dimensions",
        minimum=4,
        maximum=512,
        only_if={"gan_power": bool},
    )
    gan_smoothing: float = option(
        0.0, "One-sided label smoothing of the GAN: the label of real faces is 1 - value.", minimum=0, maximum=0.5
    )
    gan_noise: float = option(
        0.0, "Label noise of the GAN: share of the discriminator's labels that are flipped.", minimum=0, maximum=0.5
    )
    ct_mode: TrainingTransfer = option(
        "none", "Colour transfer from random dst faces to src's faces.", ask="Color transfer for src faceset"
    )
    clipgrad: bool = option(
        False, "Clip gradients by their norm: fewer collapses, slightly slower.", ask="Enable gradient clipping"
    )

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """As declared; the mask branch is a third as wide as the decoder, even, at least 16, as in the original."""
        if name == "d_mask_dims":
            third = int(known.get("d_dims", cls.model_fields["d_dims"].default)) // 3
            return max(16, third + third % 2)
        if name == "gan_patch_size":
            return max(3, int(known.get("resolution", cls.model_fields["resolution"].default)) // 8)
        return super().default_of(name, known)

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """A patch size that the resolution is divided by, where there is a GAN."""
        if name == "gan_patch_size" and "resolution" in known:
            check_gan(known.get("gan_power", 0), known["gan_patch_size"], known["resolution"])


class SaehdOptions(TrainedSwapOptions):
    """SAEHD, with the original's names, ranges and order of questions."""

    first_questions: ClassVar[tuple[str, ...]] = (
        *_FIRST,
        *("archi", "ae_dims", "e_dims", "d_dims", "d_mask_dims", "masked_training", "eyes_mouth_prio", "uniform_yaw"),
        *("blur_out_mask", "adabelief", "lr_dropout", "learning_rate", "random_warp", "random_hsv_power", "gan_power"),
        *("gan_patch_size", "gan_dims", "true_face_power", "face_style_power", "bg_style_power", "ct_mode", "clipgrad"),
        "pretrain",
    )

    resolution: int = option(
        128,
        "Resolution of the swapped face in pixels; a multiple of 16, of 32 with the letters d or t.",
        ask="Resolution",
        fixed=True,
        minimum=32,
        maximum=2048,
    )
    face_type: FaceLetter = option("f", FACE_HELP, ask="Face type", fixed=True)
    archi: str = option(
        "liae-ud",
        "Architecture: df keeps more of src, liae follows dst's shape and light; options after a dash: u, d, t, c.",
        ask="AE architecture",
        fixed=True,
    )
    ae_dims: int = option(
        256,
        "Size of the bottleneck between encoder and decoder.",
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
        True,
        "Compute the loss inside the face mask only.",
        ask="Masked training",
        only_if={"face_type": ("wf", "head")},
    )
    eyes_mouth_prio: bool = option(False, "Higher loss weight of eyes and mouth.", ask="Eyes and mouth priority")
    adabelief: bool = option(True, "Optimizer AdaBelief; off: RMSprop.", ask="Use AdaBelief optimizer")
    true_face_power: float = option(
        0.0,
        "Weight of the code discriminator's loss, which pulls src's codes towards dst's distribution; df only, about "
        "0.01.",
        ask="True face power",
        minimum=0,
        maximum=1,
        only_if={"archi": is_df},
    )
    face_style_power: float = option(
        0.0,
        "Style loss inside the mask: the swap takes dst's colours; from 0.001 up, watch the preview.",
        ask="Face style power",
        minimum=0,
        maximum=100,
    )
    bg_style_power: float = option(
        0.0,
        "Style loss outside the mask: the swap keeps dst's background; from 2 up, watch the preview.",
        ask="Background style power",
        minimum=0,
        maximum=100,
    )
    pretrain: bool = option(
        False,
        "Pretrain on faces of many people (--pretraining-faces) before src and dst.",
        ask="Enable pretraining mode",
    )

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """As declared; an architecture whose letters the resolution fits."""
        default = super().default_of(name, known)
        return fitting_architecture(str(default), int(known.get("resolution", 0))) if name == "archi" else default

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """An architecture that there is, a resolution that fits it, true face for df alone, a patch size that fits."""
        super().check_answer(name, known)
        archi = str(known.get("archi") or "df")
        if name == "archi":
            check_architecture(archi)
        if name in ("archi", "resolution") and "resolution" in known:
            check_multiple(known["resolution"], multiple_for(archi), archi if "archi" in known else "SAEHD")
        if name in ("archi", "true_face_power") and known.get("true_face_power"):
            check_true_face(archi)

    def model_post_init(self, _: Any, /) -> None:
        """Refuse what cannot work, with the reason."""
        for name in ("archi", "resolution", "true_face_power", "gan_patch_size"):
            self.check_answer(name, self.__dict__)


class AmpOptions(TrainedSwapOptions):
    """AMP, with the original's names, ranges and order of questions."""

    first_questions: ClassVar[tuple[str, ...]] = (
        "src_src",
        *_FIRST,
        *("ae_dims", "inter_dims", "e_dims", "d_dims", "d_mask_dims", "morph_factor"),
    )

    resolution: int = option(
        224,
        "Resolution of the swapped face in pixels; a multiple of 32.",
        ask="Resolution",
        fixed=True,
        minimum=32,
        maximum=2048,
    )
    face_type: Literal["f", "wf", "head"] = option("wf", FACE_HELP, ask="Face type", fixed=True)
    ae_dims: int = option(
        256, "Size of the encoder's code.", ask="AutoEncoder dimensions", fixed=True, minimum=1, maximum=4096
    )
    inter_dims: int = option(
        1024,
        "Channels of the two inter networks, mixed between src and dst by the morph factor; at least ae_dims.",
        ask="Inter dimensions",
        fixed=True,
        minimum=1,
        maximum=8192,
    )
    e_dims: int = option(64, "Width of the encoder.", ask="Encoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_dims: int = option(64, "Width of the decoder.", ask="Decoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_mask_dims: int = option(
        22, "Width of the decoder's mask branch.", ask="Decoder mask dimensions", fixed=True, minimum=1, maximum=1024
    )
    morph_factor: float = option(
        0.5,
        "Share of src's inter channels in training; usually 0.5.",
        ask="Morph factor",
        fixed=True,
        minimum=0.1,
        maximum=0.5,
    )
    src_src: bool = option(
        False,
        "SRC-SRC: src's faces on both sides, data_dst is not used: a first stage, in which the model learns src alone; "
        "switch it off to go on with dst.",
        ask="SRC-SRC: train on src's faces alone",
    )
    train_inter: bool = option(
        True,
        "Train the two inter networks as well; off: they keep their random initial weights, as in the original.",
        fixed=True,
    )

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """A resolution and a patch size that fit."""
        super().check_answer(name, known)
        if name == "resolution":
            check_multiple(known["resolution"], 32, "AMP")

    def model_post_init(self, _: Any, /) -> None:
        """Refuse what cannot work, with the reason."""
        for name in ("resolution", "gan_patch_size"):
            self.check_answer(name, self.__dict__)


class XsegOptions(ModelOptions):
    """XSeg: segmentation masks of 256 pixels, trained on polygons drawn by the user."""

    face_type: FaceLetter = option("wf", FACE_HELP, ask="Face type", fixed=True)
    pretrain: bool = option(
        False,
        "Pretrain on faces of many people (--pretraining-faces) before the masks.",
        ask="Enable pretraining mode",
    )


class Quick96Options(SwapOptions):
    """Quick96: a small model for a quick trial, 96 pixels, full face, df-ud. It asks no questions."""

    has_questions: ClassVar[bool] = False


# Quick96's architecture, fixed in the original.
QUICK96: dict[str, Any] = {
    "resolution": 96,
    "face_type": "f",
    "archi": "df-ud",
    "ae_dims": 128,
    "e_dims": 64,
    "d_dims": 64,
    "d_mask_dims": 16,
    "adabelief": False,
}
# XSeg's architecture, fixed in the original.
XSEG_SIZE: dict[str, Any] = {"base": 32, "resolution": 256}
