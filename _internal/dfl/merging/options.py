"""Options of the stage merge."""

from typing import Literal

from dfl.base.options import option
from dfl.merging.settings import MergeSettings


class MergeOptions(MergeSettings):
    """Put the trained face into every frame of data_dst."""

    model: str | None = option(None, "Name of the saved model; the one that was saved last if not given.")
    engine: Literal["tensorflow", "torch"] | None = option(None, "Engine; chosen by what the machine has if not given.")
    workers: int = option(
        0,
        "Threads that cut, blend and write beside the network; 0: one for each core.",
        ask="Number of workers?",
        minimum=0,
        maximum=64,
    )
    mark: bool = option(True, "Mark merged pictures as made, in a form that programs read.")

    def settings(self) -> MergeSettings:
        """The part that decides how the pictures look."""
        return MergeSettings(**{name: getattr(self, name) for name in MergeSettings.model_fields})
