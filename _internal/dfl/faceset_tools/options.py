"""Options of the stages over a faceset: what its tools can be told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dfl.base.options import Options, option
from dfl.shared_options import DEVICE, ENGINE, WORKERS, EngineName, FacesetOptions

Method = Literal[
    "blur",
    "motion-blur",
    "face-yaw",
    "face-pitch",
    "face-source-rect-size",
    "hist",
    "hist-dissim",
    "brightness",
    "hue",
    "black",
    "origname",
    "oneface",
    "absdiff",
    "final",
    "final-fast",
    "identity",
    "near-duplicates",
    "coverage",
    "upscale",
    "dst-poses",
]


class SortOptions(FacesetOptions):
    """Options of sort."""

    by: Method = option(
        "hist",
        "What the faces are ordered by: sharpness (blur, motion-blur), direction (face-yaw, face-pitch), size in the "
        "frame, similar colours (hist; hist-dissim: the odd ones first), brightness, hue, black pixels, the frame's "
        "name, pixels (absdiff), the person (identity), enlargement (upscale; the least enlarged first), near equal "
        "faces together (near-duplicates), or how near to a pose of dst (dst-poses). oneface, final, final-fast and "
        "coverage choose faces: the others go to the trash. final takes the sharpest, final-fast the largest.",
        ask="Sort by",
    )
    target: int = option(
        2000,
        "About how many faces final and final-fast keep, and how many coverage keeps.",
        ask="How many faces are to stay",
        only_if={"by": ("final", "final-fast", "coverage")},
        minimum=1,
    )
    similar: bool = option(
        True,
        "absdiff: each face is followed by the most similar one; off: by the least similar one.",
        ask="Sort by similar?",
        only_if={"by": ("absdiff",)},
    )
    remove: bool = option(
        False,
        "near-duplicates: only the sharpest of near equal faces stays, the others go to the trash.",
        ask="Move all but the sharpest of near equal faces to the trash?",
        only_if={"by": ("near-duplicates",)},
    )
    workers: int = WORKERS


class PeopleOptions(FacesetOptions):
    """Options of people."""

    keep: str = option(
        "",
        "Numbers of the people who stay, such as 1,3 (0: faces of nobody); the others go to the trash. Look at "
        "aligned_people first.",
    )
    only: tuple[str, ...] = option(
        (), "A picture of a person who stays, or a folder of such pictures; can be given several times."
    )
    yes: bool = option(False, "Ask nothing.")
    ask: bool = option(False, "Ask who stays.")


class TrashOptions(FacesetOptions):
    """Options of trash."""

    names: tuple[str, ...] = option((), "Names of pictures, or patterns with * and ?.", argument=True)
    reason: str = option("chosen by hand", "Why: `restore` can put back all faces of one reason.")


class RestoreOptions(FacesetOptions):
    """Options of restore."""

    all: bool = option(False, "Put everything back, not only what the last run moved.")
    reason: str = option("", "Only faces that were moved for this reason.")

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """All faces may be in the trash."""


class ResizeOptions(FacesetOptions):
    """Options of resize."""

    size: int = option(512, "Side of the new pictures in pixels.", ask="New size in pixels", minimum=128, maximum=2048)
    face_type: Literal["same", "h", "mf", "f", "wf", "head"] = option(
        "same",
        "Another face type: half, mid-full, full, whole face or head. Of a wider one, what the pictures do not show "
        "becomes black.",
        ask="Change face type",
    )
    merge: bool = option(
        True,
        "Put the new pictures in the place of the old ones, which go to the trash; else they stay in aligned_resized.",
        ask="Put them in the place of the old pictures?",
    )
    workers: int = WORKERS


class DebugLandmarksOptions(FacesetOptions):
    """Options of debug-landmarks."""


MaskSource = Literal["auto", "hull"]


class ExportMaskOptions(FacesetOptions):
    """Options of export-mask."""

    source: MaskSource = option(
        "auto", "auto takes a face's trained mask, else what was drawn; hull the area of its landmarks."
    )


class InspectOptions(Options):
    """Options of inspect."""

    sides: Literal["src", "dst", "both"] = option("both", "Which facesets.", argument=True)
    all: bool = option(False, "Compare who it is on every face, not on 400 of each side: 20 ms a face more.")


class XsegApplyOptions(FacesetOptions):
    """Options of xseg-apply."""

    models: Path | None = option(
        None, "Folder with an XSeg model, such as the model folder of another workspace; this one's if not given."
    )
    engine: EngineName | None = ENGINE
    device: str | None = DEVICE
    ask: bool = option(False, "Ask before a model of the original is taken over.")


class XsegFetchOptions(FacesetOptions):
    """Options of xseg-fetch."""


class XsegRemoveOptions(FacesetOptions):
    """Options of xseg-remove and xseg-remove-labels."""

    yes: bool = option(False, "No questions: nothing is removed, as the default answer is no.")
    delete: bool = option(False, "Remove without asking.")


class PackOptions(FacesetOptions):
    """Options of pack."""

    persons: bool = option(
        True,
        "Where the faceset has sub-folders with faces: pack those, each as one person; faces outside stay as they are.",
        ask="Pack sub-folders as one person each?",
    )
    delete: bool = option(
        True,
        "Delete the packed pictures when the pack is verified. Pictures that are not in it always stay.",
        ask="Delete the packed pictures?",
    )


class UnpackOptions(FacesetOptions):
    """Options of unpack."""


class SaveMetadataOptions(FacesetOptions):
    """Options of save-metadata."""


class RestoreMetadataOptions(FacesetOptions):
    """Options of restore-metadata."""


class RecoverNamesOptions(FacesetOptions):
    """Options of recover-names."""


class EnhanceOptions(FacesetOptions):
    """Options of enhance."""

    merge: bool = option(
        True,
        "Put the enhanced pictures in the place of the old ones, which go to the trash; else they stay in "
        "aligned_enhanced.",
        ask="Put them in the place of the old pictures?",
    )
    engine: EngineName | None = ENGINE
    device: str | None = DEVICE
