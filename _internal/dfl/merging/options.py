"""Options of the stage merge."""

from pathlib import Path
from typing import Any, Literal

from dfl.base.options import option
from dfl.merging.settings import MergeSettings
from dfl.video.options import EncodingOptions
from dfl.workspace import Workspace


class MergeOptions(MergeSettings, EncodingOptions):
    """Put the trained face into every frame of data_dst."""

    to_video: bool = option(
        False,
        "Make result and result_mask straight from data_dst's video, without pictures; with the options of make-video.",
    )
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
        """Only AMP has a morph factor; only a video is encoded."""
        from dfl.models.open_model import find_model

        chosen = find_model(Workspace(workspace).model, known.get("model"))
        pointless = set() if known.get("to_video") else set(EncodingOptions.model_fields)
        return pointless if chosen and chosen[1] == "AMP" else pointless | {"morph_factor"}

    def settings(self) -> MergeSettings:
        """The part that decides how the pictures look."""
        return MergeSettings(**{name: getattr(self, name) for name in MergeSettings.model_fields})
