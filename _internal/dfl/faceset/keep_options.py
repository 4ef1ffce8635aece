"""Options of the stages that keep facesets: pack, unpack, save-metadata, restore-metadata, recover-names."""

from typing import Literal

from dfl.base.options import Options, option


class PackOptions(Options):
    """What goes into faceset.pak, and what becomes of the files."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)
    persons: bool = option(
        True,
        "Where the faceset has sub-folders with faces: pack those, each as one person; faces outside stay as they are.",
        ask="Process sub-folders as persons?",
    )
    delete: bool = option(
        True,
        "Delete the packed pictures when the pack is verified. Pictures that are not in it always stay.",
        ask="Delete original files?",
    )


class UnpackOptions(Options):
    """The pack is deleted when every picture of it is verified."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)


class SaveMetadataOptions(Options):
    """Saved are the face data of all pictures, beside them."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)


class RestoreMetadataOptions(Options):
    """Given back are the face data that save-metadata saved."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)


class RecoverNamesOptions(Options):
    """Faces get the names of their frames."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)
