"""Options of the stage extract-faces."""

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from dfl.base.options import option
from dfl.shared_options import DEVICE, FramesOptions, devices_here


class ExtractFacesOptions(FramesOptions):
    """Options of detecting, aligning and cutting out the faces of a side's frames."""

    face_type: Literal["h", "mf", "f", "wf", "head", "mark_only"] = option(
        "wf",
        "How much of the head a picture shows: half, mid-full, full, whole face or head; the model's face type must not"
        " be wider. mark_only stores the whole frame with the landmarks in its metadata.",
        ask="Face type",
    )
    max_faces: int = option(
        0,
        "Maximum number of faces per frame, largest first; 0 takes all. 1 leaves out people in the background.",
        ask="Largest number of faces of a frame, 0 for all",
        only_if={"side": ("src",)},
        minimum=0,
    )
    image_size: int = option(
        512,
        "Size of the aligned pictures in pixels; default for heads 768. Larger pictures need more disk space and show "
        "no more detail than the frames.",
        ask="Size of the pictures in pixels",
        minimum=128,
        maximum=2048,
    )
    jpeg_quality: int = option(90, "Quality of JPEG or WebP pictures.", ask="JPEG quality", minimum=1, maximum=100)
    format: Literal["jpg", "png", "webp"] = option(
        "jpg",
        "Format of the pictures. jpg contains its face data, as in the original; those of png and webp are in "
        "faceset.json in the same folder.",
    )
    only: tuple[Path, ...] = option(
        (),
        "Extract only the person in this picture; may be given several times, also folders of pictures of that person.",
    )
    min_face: int = option(0, "Minimum size of a face in the frame: pixels of the box's longer side.", minimum=0)
    smooth: bool = option(
        False,
        "Temporal smoothing of each face's landmarks, against jitter; on for dst by default. It causes no lag of "
        "moving faces.",
    )
    source: Literal["auto", "frames", "video"] = option(
        "auto",
        "frames: the pictures in data_src or data_dst; video: decode the clip, without pictures on disk; auto: the "
        "pictures if there are any, else the clip.",
    )
    first_frame: int = option(1, "The first frame to process, counted from 1.", minimum=1)
    last_frame: int = option(0, "The last frame to process; 0: to the end.", minimum=0)
    every_nth: int = option(1, "Process every n-th frame only.", minimum=1)
    detector: Literal["auto", "blaze", "hog", "cnn", "s3fd"] = option(
        "auto",
        "Face detector: blaze finds faces at any rotation and tracks them; hog and cnn are dlib's, for frontal faces "
        "(cnn is slow); s3fd is the original's, from `dfl import weights`. auto takes blaze.",
    )
    device: str | None = option(
        None, str(DEVICE.description), ask="Device", offers=devices_here, only_if={"detector": ("s3fd",)}
    )
    setting: Literal["fast", "thorough", "best"] = option(
        "thorough",
        "fast searches the upright frame only; thorough also tiles for small faces, rotated frames and weak detections;"
        " best also averages the landmarks over several crops of every face (test-time augmentation).",
    )
    look_every: int = option(
        8, "With blaze: run detection on every n-th frame and track faces in between; 1: on every frame.", minimum=1
    )
    debug: bool = option(
        False,
        "Also write every frame with the landmarks drawn into it, to aligned_debug.",
        ask="Write debug images to aligned_debug?",
    )
    redo_deleted_debug: bool = option(
        False,
        "Extract those frames again, with the best setting, whose pictures you deleted from aligned_debug because the "
        "landmarks were wrong.",
    )
    workers: int = option(0, "Number of processes; 0: one for each core, at most 8.", minimum=0, maximum=64)

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """Heads are cut out larger; dst's landmarks are smoothed, because jitter would show in the merged clip."""
        if name == "image_size" and known.get("face_type") == "head":
            return 768
        if name == "smooth":
            return known.get("side") == "dst"
        return super().default_of(name, known)

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: cls.default_of(name, given) for name in ("image_size", "smooth")} | given
