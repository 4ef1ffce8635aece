"""Options of the stage enhance."""

from typing import Literal

from dfl.base.options import Options, option


class EnhanceOptions(Options):
    """How a faceset is enhanced."""

    side: Literal["src", "dst"] = option(..., "Whose faces: src or dst.", argument=True)
    merge: bool = option(
        True,
        "Put the enhanced pictures in the place of the old ones, which go to the trash; else they stay in "
        "aligned_enhanced.",
        ask="Merge aligned_enhanced to aligned?",
    )
    engine: Literal["tensorflow", "torch"] | None = option(None, "Engine; chosen by what the machine has if not given.")
