"""Options of the stage merge."""

from pathlib import Path
from typing import Any, Literal

from dfl.base.options import option
from dfl.merging.settings import MergeSettings
from dfl.workspace import Workspace


class MergeOptions(MergeSettings):
    """Put the trained face into every frame of data_dst."""

    model: str | None = option(None, "Name of the saved model; the one that was saved last if not given.")
    engine: Literal["tensorflow", "torch"] | None = option(None, "Engine; chosen by what the machine has if not given.")
    morph_factor: float = option(
        1.0,
        "How far an AMP model goes from dst (0) to src (1).",
        ask="Morph factor",
        minimum=0,
        maximum=1,
    )
    workers: int = option(
        0,
        "Threads that cut, blend and write beside the network; 0: one for each core.",
        ask="Number of workers?",
        minimum=0,
        maximum=64,
    )
    mark: bool = option(True, "Mark merged pictures as made, in a form that programs read.")

    @classmethod
    def pointless_questions(cls, workspace: Path, known: dict[str, Any]) -> set[str]:
        """Only AMP has a morph factor."""
        from dfl.models.open_model import find_model

        chosen = find_model(Workspace(workspace).model, known.get("model"))
        return set() if chosen and chosen[1] == "AMP" else {"morph_factor"}

    def settings(self) -> MergeSettings:
        """The part that decides how the pictures look."""
        return MergeSettings(**{name: getattr(self, name) for name in MergeSettings.model_fields})
