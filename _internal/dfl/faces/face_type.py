"""The face types: how much of the head an aligned picture shows."""

from enum import IntEnum

from dfl.base.errors import UserError


class FaceType(IntEnum):
    """How much of the head an aligned picture shows. Each type contains the ones with a smaller number."""

    HALF = 0
    MIDFULL = 1
    FULL = 2
    FULL_NO_ALIGN = 3
    WHOLE = 4
    HEAD = 10
    HEAD_NO_ALIGN = 20
    MARK_ONLY = 100

    @property
    def file_name(self) -> str:
        """The name in the metadata of aligned pictures: `half_face`, `head`, ..."""
        return _FILE_NAMES[self]

    @property
    def letter(self) -> str:
        """The short name in questions and model options: h, mf, f, wf, head; empty for types that are never asked."""
        return _LETTERS.get(self, "")

    @property
    def padding(self) -> float:
        """Margin around the landmarks' square, as a share of its diagonal. MARK_ONLY has no square: UserError."""
        if self is FaceType.MARK_ONLY:
            raise UserError(
                "Pictures of face type mark_only are whole frames: they have no face square.",
                "Extract the faces again as whole_face, full_face or head.",
            )
        return _PADDING[self]

    @property
    def is_turned_upright(self) -> bool:
        """Whether the face square turns with the head; the "no align" types stay parallel to the frame."""
        return self not in (FaceType.FULL_NO_ALIGN, FaceType.HEAD_NO_ALIGN)

    @classmethod
    def from_name(cls, text: str) -> "FaceType":
        """The type of a file name or letter, case ignored. UserError for anything else."""
        wanted = text.strip().lower()
        for kind in cls:
            if wanted in (kind.file_name, kind.letter) and wanted:
                return kind
        raise UserError(f"There is no face type {text!r}.", f"Face types: {', '.join(_FILE_NAMES.values())}.")


_FILE_NAMES = {
    FaceType.HALF: "half_face",
    FaceType.MIDFULL: "midfull_face",
    FaceType.FULL: "full_face",
    FaceType.FULL_NO_ALIGN: "full_face_no_align",
    FaceType.WHOLE: "whole_face",
    FaceType.HEAD: "head",
    FaceType.HEAD_NO_ALIGN: "head_no_align",
    FaceType.MARK_ONLY: "mark_only",
}
_LETTERS = {
    FaceType.HALF: "h",
    FaceType.MIDFULL: "mf",
    FaceType.FULL: "f",
    FaceType.WHOLE: "wf",
    FaceType.HEAD: "head",
}
_PADDING = {
    FaceType.HALF: 0.0,
    FaceType.MIDFULL: 0.0675,
    FaceType.FULL: 0.2109375,
    FaceType.FULL_NO_ALIGN: 0.2109375,
    FaceType.WHOLE: 0.40,
    FaceType.HEAD: 0.70,
    FaceType.HEAD_NO_ALIGN: 0.70,
}
