"""Options of the stage that makes facesets."""

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from dfl.base.options import option
from dfl.shared_options import FramesOptions


class ExtractFacesOptions(FramesOptions):
    """How faces are found in a side's frames and cut out."""

    face_type: Literal["h", "mf", "f", "wf", "head", "mark_only"] = option(
        "wf",
        "How much of the head a picture shows: half, mid-full, full, whole face or head; the model you train must not "
        "show more. mark_only keeps the whole frame and only marks the face.",
        ask="Face type",
    )
    max_faces: int = option(
        0,
        "The largest faces of a frame that are taken, so many; 0 takes all. 1 leaves people in the background out.",
        ask="Max number of faces from image",
        only_if={"side": ("src",)},
        minimum=0,
    )
    image_size: int = option(
        512,
        "Side of the cut out pictures in pixels; heads have 768 by default. Larger needs more disk and shows no more "
        "than the frames do.",
        ask="Image size",
        minimum=128,
        maximum=2048,
    )
    jpeg_quality: int = option(90, "Quality of the pictures' JPEG or WebP.", ask="Jpeg quality", minimum=1, maximum=100)
    format: Literal["jpg", "png", "webp"] = option(
        "jpg",
        "Kind of the pictures. jpg holds its face data itself, as in the original; for png and webp they stand in "
        "faceset.json beside the pictures.",
    )
    only: tuple[Path, ...] = option(
        (),
        "Take only the person in this picture; may be given several times, also folders of pictures of that person.",
    )
    min_face: int = option(0, "Leave out faces that are smaller in the frame, pixels of the longer side.", minimum=0)
    smooth: bool = option(
        False,
        "Take the tremble out of the landmarks along each face's way through the clip; on for dst if not given. "
        "Moving faces are followed without delay.",
    )
    source: Literal["auto", "frames", "video"] = option(
        "auto",
        "frames takes the pictures in data_src or data_dst, video the clip itself, without pictures on disk; auto "
        "takes the pictures if there are any.",
    )
    first_frame: int = option(1, "The first frame that is looked at, counted from 1.", minimum=1)
    last_frame: int = option(0, "The last frame that is looked at; 0 goes on to the end.", minimum=0)
    every_nth: int = option(1, "Look at every n-th frame only.", minimum=1)
    detector: Literal["auto", "blaze", "hog", "cnn", "s3fd"] = option(
        "auto",
        "blaze finds faces in every direction and follows them; hog and cnn are dlib's, for faces towards the camera "
        "(cnn is slow); s3fd is the original's, from `dfl import weights`. auto takes blaze.",
    )
    setting: Literal["fast", "thorough", "best"] = option(
        "thorough",
        "fast looks at the upright frame only; thorough also at tiles for small faces, turned frames and weak "
        "detections; best also takes the mean of several looks at every face.",
    )
    look_every: int = option(
        8, "With blaze: a careful look at every n-th frame; in between faces are followed. 1 looks at each.", minimum=1
    )
    debug: bool = option(
        False,
        "Also write every frame with the landmarks drawn in, to aligned_debug.",
        ask="Write debug images to aligned_debug?",
    )
    redo_deleted_debug: bool = option(
        False,
        "Do those frames again, with the best setting, whose pictures you deleted from aligned_debug because the "
        "landmarks were wrong.",
    )
    workers: int = option(0, "Processes that work at once; 0 takes one a core, at most 8.", minimum=0, maximum=64)

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """Heads are cut out larger, and what is merged into must not tremble."""
        if name == "image_size" and known.get("face_type") == "head":
            return 768
        if name == "smooth":
            return known.get("side") == "dst"
        return super().default_of(name, known)

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: cls.default_of(name, given) for name in ("image_size", "smooth")} | given
