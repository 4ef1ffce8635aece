"""How a face is put into its frame: every setting of the merge, declared once. Nothing heavy is imported."""

from typing import Literal

from dfl.base.options import Options, option

Mode = Literal["original", "overlay", "hist-match", "seamless", "seamless-hist-match", "raw-rgb", "raw-predict"]
MaskMode = Literal[
    "full",
    "dst",
    "learned-prd",
    "learned-dst",
    "learned-prd*learned-dst",
    "learned-prd+learned-dst",
    "xseg-prd",
    "xseg-dst",
    "xseg-prd*xseg-dst",
    "learned-prd*learned-dst*xseg-prd*xseg-dst",
]
ColourTransfer = Literal["none", "rct", "lct", "mkl", "mkl-m", "idt", "idt-m", "sot-m", "mix-m"]
SharpenMode = Literal["none", "box", "gaussian"]

RAW_MODES = ("raw-rgb", "raw-predict")
_BLENDED = {"mode": ("overlay", "hist-match", "seamless", "seamless-hist-match")}


class MergeSettings(Options):
    """The original's settings, in the order of its questions. The defaults are those its merger window starts with.

    Sizes of erode and blur are in mask pixels: the mask is four times as large as the model's picture, so 4 is about
    one pixel of the predicted face.
    """

    mode: Mode = option("overlay", "How the face meets the frame.", ask="Choose mode")
    masked_hist_match: bool = option(
        True,
        "Take the colours for hist-match inside the mask only.",
        ask="Masked hist match?",
        only_if={"mode": ("hist-match",)},
    )
    hist_match_threshold: int = option(
        238,
        "How much of the brightness range hist-match uses.",
        ask="Hist match threshold",
        minimum=0,
        maximum=255,
        only_if={"mode": ("hist-match", "seamless-hist-match")},
    )
    mask_mode: MaskMode = option(
        "learned-prd*learned-dst",
        "What is cut out: the whole square, the landmarks' hull (dst), the model's masks, or XSeg's.",
        ask="Choose mask mode",
    )
    erode: int = option(
        0,
        "Shrink the mask by this much; negative widens it.",
        ask="Choose erode mask modifier",
        minimum=-400,
        maximum=400,
        only_if=_BLENDED,
    )
    blur: int = option(
        0,
        "Soften the mask's edge over this width.",
        ask="Choose blur mask modifier",
        minimum=0,
        maximum=400,
        only_if=_BLENDED,
    )
    motion_blur: int = option(
        0,
        "Blur the face along its way between frames, in percent.",
        ask="Choose motion blur power",
        minimum=0,
        maximum=100,
        only_if=_BLENDED,
    )
    face_scale: int = option(
        0,
        "Above 0 the pasted face gets smaller, below 0 larger, in percent.",
        ask="Choose output face scale modifier",
        minimum=-50,
        maximum=50,
    )
    colour_transfer: ColourTransfer = option(
        "rct",
        "Give the swapped face the colours of the face it covers; -m: inside the mask.",
        ask="Color transfer to predicted face",
        only_if=_BLENDED,
    )
    sharpen_mode: SharpenMode = option("none", "How the face is sharpened.", ask="Choose sharpen mode")
    sharpen_amount: int = option(
        0,
        "Above 0 sharpens the face, below 0 blurs it.",
        ask="Choose blur/sharpen amount",
        minimum=-100,
        maximum=100,
        only_if={"sharpen_mode": ("box", "gaussian")},
    )
    denoise: int = option(
        0,
        "Take noise and detail from the frame around the face.",
        ask="Choose image degrade by denoise power",
        minimum=0,
        maximum=500,
        only_if=_BLENDED,
    )
    bicubic: int = option(
        0,
        "Coarsen the frame around the face.",
        ask="Choose image degrade by bicubic rescale power",
        minimum=0,
        maximum=100,
        only_if=_BLENDED,
    )
    colour_degrade: int = option(
        0,
        "Reduce the finished frame to 256 colours, in percent.",
        ask="Degrade color power of final image",
        minimum=0,
        maximum=100,
        only_if=_BLENDED,
    )

    @property
    def is_raw(self) -> bool:
        """Whether the face is pasted or written as predicted: no mask shaping, no blending."""
        return self.mode in RAW_MODES

    @property
    def is_seamless(self) -> bool:
        return self.mode in ("seamless", "seamless-hist-match")

    @property
    def needs_xseg(self) -> bool:
        return "xseg" in self.mask_mode

    @property
    def changes_background(self) -> bool:
        """Whether pixels outside the mask change too: then the whole frame is worked on, not only the face's box."""
        return self.is_blended and bool(self.denoise or self.bicubic or self.colour_degrade)

    @property
    def is_blended(self) -> bool:
        return self.mode in _BLENDED["mode"]

    @property
    def reworks_face(self) -> bool:
        """Whether the pasted face is cut out once more, changed and put back."""
        recoloured_late = self.is_seamless and self.colour_transfer != "none"
        return self.is_blended and bool(
            recoloured_late
            or self.mode == "seamless-hist-match"
            or self.motion_blur
            or self.sharpen_amount
            or self.denoise
            or self.bicubic
        )
