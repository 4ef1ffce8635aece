"""The settings of the merge: how a face is blended into its frame, declared once. No engine is imported here."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from dfl.base.options import Options, option
from dfl.imaging.transfers import STATISTICAL_TRANSFERS, MergingTransfer
from dfl.merging.blending.original_rules import EXACT_RULES, ORIGINAL_RULES, MergeRules

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
Erode = Annotated[int, Field(ge=-400, le=400)] | Literal["auto"]
Blur = Annotated[int, Field(ge=0, le=400)] | Literal["auto"]
SharpenMode = Literal["none", "box", "gaussian"]

RAW_MODES = ("raw-rgb", "raw-predict")
# Settings that may be `auto`; and erode and blur where nothing was measured, as shares of the mask's size.
AUTO = ("erode", "blur", "colour_transfer")
PLAIN_EDGE = (0.03, 0.16)
# The original's defaults of these settings.
ORIGINAL: dict[str, Any] = dict(ORIGINAL_RULES.auto_values or {})
MAX_NEIGHBOURS = 12  # frames before and after a frame that it may be smoothed with
_BLENDED = {"mode": ("overlay", "hist-match", "seamless", "seamless-hist-match")}
_BLENDING = ("motion_blur", "colour_transfer", "sharpen_mode", "sharpen_amount", "denoise", "bicubic", "colour_degrade")


class MergeSettings(Options):
    """The original's settings, in the order of its questions. The defaults are those of its merger window, except for
    what its users tune by eye: erode, blur and colour transfer are measured.

    Erode and blur are in mask pixels: the mask is four times as large as the model's picture, so 4 is about one pixel
    of the predicted face.
    """

    mode: Mode = option("overlay", "How the face is blended into the frame.", ask="Choose mode")
    masked_hist_match: bool = option(
        True,
        "Match histograms inside the mask only.",
        ask="Masked hist match?",
        only_if={"mode": ("hist-match",)},
    )
    hist_match_threshold: int = option(
        238,
        "Share of the reference's histogram that hist-match uses, 255 for all of it; lower values darken the face.",
        ask="Hist match threshold",
        minimum=0,
        maximum=255,
        only_if={"mode": ("hist-match", "seamless-hist-match")},
    )
    mask_mode: MaskMode = option(
        "learned-prd*learned-dst",
        "Mask of the face: full (the whole square), dst (the landmarks' hull), the model's masks (learned-), XSeg's, "
        "or products and sums of these.",
        ask="Choose mask mode",
    )
    erode: Erode = option(
        "auto",
        "Shrink the mask by this much; negative widens it; auto: by the measured seam. The original starts with 0.",
        ask="Choose erode mask modifier",
        only_if=_BLENDED,
    )
    blur: Blur = option(
        "auto",
        "Blur the mask's edge over this width; auto: by the measured seam and the face's size in the frame. The "
        "original starts with 0.",
        ask="Choose blur mask modifier",
        only_if=_BLENDED,
    )
    motion_blur: int = option(
        0,
        "Motion blur along the face's motion between frames, in percent.",
        ask="Choose motion blur power",
        minimum=0,
        maximum=100,
        only_if=_BLENDED,
    )
    face_scale: int = option(
        0,
        "Scale of the swapped face in percent: above 0 smaller, below 0 larger.",
        ask="Choose output face scale modifier",
        minimum=-50,
        maximum=50,
    )
    colour_transfer: MergingTransfer = option(
        "auto",
        "Colour transfer from the frame's face to the swapped face; -m: inside the mask; skin: match the light on the "
        "skin; auto: the transfer with the weakest seam on this clip. The original starts with rct.",
        ask="Color transfer to predicted face",
        only_if=_BLENDED,
    )
    sharpen_mode: SharpenMode = option("none", "Kernel that sharpens the face.", ask="Choose sharpen mode")
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
        "Denoise the frame around the face, so that it is no sharper than the swapped face.",
        ask="Choose image degrade by denoise power",
        minimum=0,
        maximum=500,
        only_if=_BLENDED,
    )
    bicubic: int = option(
        0,
        "Downscale and upscale the frame around the face (bicubic), to soften it.",
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

    two_pass: bool = option(
        False, "Predict twice: the model's input is its own first result, merged into the face; closer to src."
    )
    steady_mask: int = option(
        2,
        "Temporal smoothing of the mask, and of the light of the transfer skin, over so many frames before and after, "
        "within one shot; 0: off.",
        minimum=0,
        maximum=MAX_NEIGHBOURS,
    )
    steady_colours: int = option(
        0,
        "Temporal smoothing of the colour statistics of the transfers rct, lct and mkl over so many frames before and "
        "after, within one shot; 0: off.",
        minimum=0,
        maximum=MAX_NEIGHBOURS,
    )
    steady_landmarks: bool = option(
        True, "Temporal smoothing of the landmarks, against jitter, if extraction did not smooth them."
    )
    correct_shift: bool = option(
        True,
        "Measure on dst's own faces how far the model draws faces beside their place (models trained with the "
        "original's random warp: up to a pixel of the model's size), and move the swapped face back.",
    )
    like_original: bool = option(
        False,
        "Reproduce the original's errors (see the manual), to continue a clip that it began; auto settings get "
        "the original's defaults: erode 0, blur 0, colour transfer rct.",
    )

    @property
    def rules(self) -> MergeRules:
        """The rules of computation where the original is wrong: exact, or as the original."""
        return ORIGINAL_RULES if self.like_original else EXACT_RULES

    @property
    def waits(self) -> bool:
        """Whether an `auto` must be resolved by measurement before a face can be merged."""
        return (
            self.is_blended and self.rules.auto_values is None and any(getattr(self, name) == "auto" for name in AUTO)
        )

    def resolved(self, chosen: Mapping[str, Any]) -> "MergeSettings":
        """The settings with every `auto` replaced by what was chosen, or by the original's defaults."""
        chosen = chosen if self.rules.auto_values is None else self.rules.auto_values
        given = {name: chosen[name] for name in AUTO if getattr(self, name) == "auto" and name in chosen}
        return self.model_copy(update=given) if given else self

    def edge(self, mask_size: int) -> tuple[int, int]:
        """Erode and blur for a mask of that size."""
        erode, blur = (round(share * mask_size) for share in PLAIN_EDGE)
        chosen = self.rules.auto_values or {"erode": erode, "blur": blur}
        return chosen["erode"] if self.erode == "auto" else self.erode, chosen[
            "blur"
        ] if self.blur == "auto" else self.blur

    @property
    def transfer(self) -> MergingTransfer:
        """The colour transfer; a default that nearly always fits if it is `auto` and none was chosen yet."""
        if self.colour_transfer != "auto":
            return self.colour_transfer
        if self.rules.auto_values is not None:
            transfer: MergingTransfer = self.rules.auto_values["colour_transfer"]
            return transfer
        return "none" if self.is_seamless else "skin"

    @property
    def corrects_shift(self) -> bool:
        """Whether the shift that a model has learned is taken back."""
        return self.correct_shift and self.rules.corrects_shift

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
        """Whether pixels outside the mask change too: then the whole frame is processed, not only the face's box."""
        return self.is_blended and bool(self.denoise or self.bicubic or self.colour_degrade)

    @property
    def is_blended(self) -> bool:
        return self.mode in _BLENDED["mode"]

    @property
    def is_steadied(self) -> bool:
        """Whether anything is smoothed over time."""
        return self.rules.smooths_over_time and bool(self.steady_mask or self.steady_colours or self.steady_landmarks)

    @property
    def neighbours(self) -> int:
        """Number of frames before and after a frame that it is smoothed with."""
        return max(self.steady_mask, self.steady_colours) if self.rules.smooths_over_time else 0

    @property
    def needs_light(self) -> bool:
        """Whether the light on the skin is measured."""
        return self.rules.uses_skin_light and (self.is_seamless or (self.transfers_first and self.transfer == "skin"))

    @property
    def transfers_first(self) -> bool:
        """Whether colours are transferred before the face is pasted; in the seamless modes it is done afterwards."""
        return self.is_blended and not self.is_seamless and self.transfer != "none"

    @property
    def reworks_face(self) -> bool:
        """Whether the pasted face is cropped once more, changed and warped back, which makes it slightly less sharp."""
        return self.is_blended and bool(self.motion_blur or self.reworks_without_motion)

    @property
    def reworks_without_motion(self) -> bool:
        """Whether the pasted face is changed in other ways than by motion blur."""
        if self.rules.reworks_unchanged_face and (
            self.motion_blur or self.sharpen_amount or self.denoise or self.bicubic
        ):
            return True
        is_sharpened = self.sharpen_amount < 0 or (self.sharpen_amount > 0 and self.sharpen_mode != "none")
        recoloured_late = self.is_seamless and self.transfer != "none"
        return is_sharpened or recoloured_late or self.mode == "seamless-hist-match"

    def deciding(self) -> dict[str, Any]:
        """The settings that affect a frame with a face; those without effect given the others are left out."""
        values = self.model_dump(mode="json")
        for name in [name for name in values if self._is_idle(name)]:
            del values[name]
        return values

    def deciding_without_face(self) -> dict[str, Any]:
        """The settings that affect a frame without a swapped face."""
        if not (self.rules.changes_frames_without_face and self.changes_background):
            return {}
        names = ("denoise", "bicubic", "colour_degrade")
        return {name: value for name in names if (value := getattr(self, name))}

    def _is_idle(self, name: str) -> bool:
        """Whether a setting has no effect given the others."""
        if name in _BLENDING and not self.is_blended:
            return True
        match name:
            case "correct_shift":
                return True  # what counts is the shift, see FaceTask
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
                return not self.rules.smooths_over_time
            case "steady_colours":
                is_measured = self.transfer in STATISTICAL_TRANSFERS and not self.is_seamless
                return not (self.rules.smooths_over_time and self.is_blended and is_measured)
            case "super_resolution" | "two_pass":
                # Mode original uses only the predicted mask, of the model's first pass.
                return self.mode == "original" and name == "super_resolution"
        return False
