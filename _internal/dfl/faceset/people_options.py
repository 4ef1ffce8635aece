"""Options of the stage `people`."""

from dfl.base.options import Options, option
from dfl.workspace import Side


class PeopleOptions(Options):
    """Whose faces of a side's faceset stay."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
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
