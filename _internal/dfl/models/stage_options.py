"""Options of the stage `models`."""

from typing import Literal

from dfl.base.options import Options, option
from dfl.models.options import ModelClass


class ModelsOptions(Options):
    """Options of `models`: list, rename, delete or restore saved models."""

    action: Literal["list", "rename", "delete", "restore"] = option(
        "list",
        "list; rename; delete (moves it to model_trash); restore (makes a backup the model's newest checkpoint).",
        ask="What to do with models",
        argument=True,
    )
    name: str = option("", "Name of the model; may be left out when there is only one.")
    model: ModelClass | None = option(None, "Class of the model, if several models have that name.")
    new_name: str = option("", "rename: the new name.", ask="New name", only_if={"action": ("rename",)})
    backup: int = option(
        1,
        "restore: the number of the backup, 1 is the newest.",
        ask="Number of the backup",
        only_if={"action": ("restore",)},
        minimum=1,
        maximum=24,
    )
    yes: bool = option(False, "Do it without asking for confirmation.")
    ask: bool = option(False, "Ask for options that were not given.")
