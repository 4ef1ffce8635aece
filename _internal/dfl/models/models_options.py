"""Options of the stage `models`."""

from typing import Literal

from dfl.base.options import Options, option

_NAMED = {"action": ("rename", "delete", "restore")}


class ModelsOptions(Options):
    """What to do with saved models."""

    action: Literal["list", "rename", "delete", "restore"] = option(
        "list",
        "list; rename; delete (moves it to model_trash); restore (puts a backup back as the model's newest set).",
        ask="What to do with models",
        argument=True,
    )
    name: str = option(
        "", "Name of the model; may be left out when there is only one.", ask="Model name", only_if=_NAMED
    )
    model: Literal["SAEHD", "AMP", "Quick96", "XSeg"] | None = option(
        None, "Its class, if several models have that name."
    )
    new_name: str = option("", "rename: the new name.", ask="New name", only_if={"action": ("rename",)})
    backup: int = option(
        1,
        "restore: the number of the backup, 1 is the newest.",
        ask="Number of the backup",
        only_if={"action": ("restore",)},
        minimum=1,
        maximum=24,
    )
    yes: bool = option(False, "Do it without asking.")
    ask: bool = option(False, "Put the questions.")
