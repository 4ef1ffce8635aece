"""Options of the stages that make and tend facesets."""

from typing import Any, Literal

from pydantic import model_validator

from dfl.base.options import Options, option


class ExtractFacesOptions(Options):
    """How faces are found in a side's frames and cut out."""

    side: Literal["src", "dst"] = option(..., "Whose frames: src or dst.", argument=True)
    face_type: Literal["h", "mf", "f", "wf", "head"] = option(
        "wf",
        "How much of the head a picture shows: half, mid-full, full, whole face or head; the model you train must not "
        "show more.",
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
        minimum=256,
        maximum=2048,
    )
    jpeg_quality: int = option(90, "Quality of the pictures' JPEG.", ask="Jpeg quality", minimum=1, maximum=100)
    detector: Literal["mesh", "hog"] = option(
        "mesh", "mesh finds faces in every direction; hog is dlib's, for faces towards the camera only."
    )
    setting: Literal["thorough", "fast"] = option(
        "thorough",
        "thorough places the landmarks of the mesh detector twice and looks at doubtful faces; fast does not.",
    )
    debug: bool = option(
        False,
        "Also write every frame with the landmarks drawn in, to aligned_debug.",
        ask="Write debug images to aligned_debug?",
    )
    workers: int = option(0, "Processes that work at once; 0 takes one a core, at most 8.", minimum=0, maximum=64)

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """Heads are cut out larger."""
        if name == "image_size" and known.get("face_type") == "head":
            return 768
        return super().default_of(name, known)

    @model_validator(mode="before")
    @classmethod
    def _fill_image_size(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {"image_size": cls.default_of("image_size", given)} | given
