"""How a face is put into its frame: every setting of the merge, declared once. Nothing heavy is imported."""

from typing import Any, Literal

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
ColourTransfer = Literal["none", "rct", "lct", "mkl", "mkl-m", "idt", "idt-m", "sot-m", "mix-m", "auto"]
SharpenMode = Literal["none", "box", "gaussian"]

RAW_MODES = ("raw-rgb", "raw-predict")
# Transfers that look at a picture's mean colours and their spread alone: what can be smoothed over time.
STATISTICAL_TRANSFERS = ("rct", "lct", "mkl", "mkl-m")
MOST_NEIGHBOURS = 12  # frames before and after one that may be looked at for its sake
_BLENDED = {"mode": ("overlay", "hist-match", "seamless", "seamless-hist-match")}
_BLENDING = ("motion_blur", "colour_transfer", "sharpen_mode", "sharpen_amount", "denoise", "bicubic", "colour_degrade")


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
        "Give the swapped face the colours of the face it covers; -m: inside the mask; auto: what shows the weakest "
        "seam on this clip.",
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
    super_resolution: int = option(
        0,
        "Add detail with the original's face enhancer (`dfl import` brings its weights), in percent.",
        ask="Choose super resolution power",
        minimum=0,
        maximum=100,
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

    two_pass: bool = option(False, "Show the model its own merged face and take its second answer: nearer to src.")
    steady_mask: int = option(
        2,
        "Smooth the mask over so many frames before and after, within one shot; 0: not.",
        minimum=0,
        maximum=MOST_NEIGHBOURS,
    )
    steady_colours: int = option(
        0,
        "Smooth what the transfers rct, lct and mkl measure over so many frames before and after, within one shot; 0: "
        "not.",
        minimum=0,
        maximum=MOST_NEIGHBOURS,
    )
    steady_landmarks: bool = option(True, "Take the tremble out of landmarks that extraction did not smooth.")
    like_original: bool = option(
        False, "Repeat what the original does wrong (see the manual), to go on with a clip that it began."
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
    def is_steadied(self) -> bool:
        """Whether anything is smoothed over time; the original smooths nothing."""
        return not self.like_original and bool(self.steady_mask or self.steady_colours or self.steady_landmarks)

    @property
    def neighbours(self) -> int:
        """How many frames before and after one are looked at for its sake."""
        return 0 if self.like_original else max(self.steady_mask, self.steady_colours)

    @property
    def transfers_first(self) -> bool:
        """Whether colours are transferred before the face is pasted; in the seamless modes they are afterwards."""
        return self.is_blended and not self.is_seamless and self.colour_transfer != "none"

    @property
    def reworks_face(self) -> bool:
        """Whether the pasted face is to be cut out once more, changed and put back, which costs a little sharpness.

        The original does so even where nothing is to be changed.
        """
        return self.is_blended and bool(self.motion_blur or self.reworks_without_motion)

    @property
    def reworks_without_motion(self) -> bool:
        """Whether it is to be changed in other ways than by motion blur."""
        if self.like_original and (self.motion_blur or self.sharpen_amount or self.denoise or self.bicubic):
            return True
        is_sharpened = self.sharpen_amount < 0 or (self.sharpen_amount > 0 and self.sharpen_mode != "none")
        recoloured_late = self.is_seamless and self.colour_transfer != "none"
        return is_sharpened or recoloured_late or self.mode == "seamless-hist-match"

    def deciding(self) -> dict[str, Any]:
        """The settings that decide how a frame with a face looks; those that do nothing beside the others left out."""
        values = self.model_dump(mode="json")
        for name in [name for name in values if self._is_idle(name)]:
            del values[name]
        return values

    def deciding_without_face(self) -> dict[str, Any]:
        """The settings that decide how a frame without a swapped face looks."""
        if self.like_original or not self.changes_background:
            return {}
        names = ("denoise", "bicubic", "colour_degrade")
        return {name: value for name in names if (value := getattr(self, name))}

    def _is_idle(self, name: str) -> bool:
        """Whether a setting changes nothing beside the others."""
        if name in _BLENDING and not self.is_blended:
            return True
        match name:
            case "masked_hist_match":
                return self.mode != "hist-match"
            case "hist_match_threshold":
                return "hist-match" not in self.mode
            case "erode" | "blur":
                return self.is_raw
            case "face_scale":
                return self.mode == "raw-predict"
            case "sharpen_mode":
                return self.sharpen_amount <= 0
            case "sharpen_amount":
                return self.sharpen_amount > 0 and self.sharpen_mode == "none"
            case "steady_mask" | "steady_landmarks":
                return self.like_original
            case "steady_colours":
                is_measured = self.colour_transfer in STATISTICAL_TRANSFERS and not self.is_seamless
                return self.like_original or not (self.is_blended and is_measured)
            case "super_resolution" | "two_pass":
                # The mask of mode original is the model's own, first answer.
                return self.mode == "original" and name == "super_resolution"
        return False
