"""Options of the stage merge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from dfl.base.frames import no_frames
from dfl.base.listing import list_pictures
from dfl.base.options import Choice, option
from dfl.merging.planning.settings import MergeSettings
from dfl.shared_options import DEVICE, ENGINE, EngineName, FacesetOptions
from dfl.video.options import EncodingOptions
from dfl.workspace import Workspace

OutputFormat = Literal["png", "png16", "exr"]


def _saved_models(workspace: Path) -> list[Choice]:
    """The models that can be merged with."""
    from dfl.models.kinds import SWAP_CLASSES
    from dfl.models.model_store import model_choices

    return model_choices(Workspace(workspace).model, SWAP_CLASSES)


class MergeOptions(MergeSettings, EncodingOptions):
    """Put the trained face into every frame of data_dst."""

    first_questions: ClassVar[tuple[str, ...]] = ("model", "device")

    to_video: bool = option(
        False,
        "Make result and result_mask straight from data_dst's video, without pictures; with the options of make-video.",
    )
    frames: str = option(
        "",
        "Merge these frames alone, such as 100-110,200 (the numbers in their names); settings that are given count for "
        "them alone.",
    )
    contact_sheet: bool = option(
        False,
        "Write a sheet of the frames (twelve of them without --frames) to look at, and nothing else; keeps nothing.",
    )
    only: tuple[Path, ...] = option(
        (),
        "A picture of a person, or a folder of such pictures: this person's faces are swapped, with the model and the "
        "settings given; those of people never named stay. Can be given several times.",
    )
    everyone: bool = option(False, "Forget whom earlier runs named with --only: swap every face again.")
    model: str | None = option(
        None,
        "Name of the saved model; the one that was saved last if not given.",
        ask="Which model",
        offers=_saved_models,
    )
    engine: EngineName | None = ENGINE
    device: str | None = DEVICE
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
    output_format: OutputFormat = option(
        "png",
        "What is written: png for make-video; for compositors png16 (16 bits) or exr (half floats, linear light), in "
        "merged_png16 or merged_exr.",
    )
    alpha: bool = option(
        False,
        "Put the mask into the alpha channel, not multiplied in: of the pictures, and with --to-video of the result "
        "(prores, ffv1), which then has no result_mask.",
    )
    crops: bool = option(False, "Write each swapped face and where it belongs (JSON) into merged_crops.")
    mark: bool = option(True, "Mark merged pictures as made, in a form that programs read.")
    yes: bool = option(False, "Ask nothing.")
    ask: bool = option(False, "Ask for the settings, as a double-click does.")

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """Frames, or a clip; faces; and a model, or one of the original to import."""
        from dfl.interop.offer import importable_model
        from dfl.models.kinds import SWAP_CLASSES
        from dfl.models.open_model import find_model, no_model

        place = Workspace(workspace)
        if known.get("to_video"):
            place.clip("dst")
        elif not list_pictures(place.frames("dst")):
            raise no_frames(place.frames("dst"), "Run 2_extract_dst.bat (`dfl extract-frames dst`).")
        FacesetOptions.check_input(workspace, {"side": "dst"})
        name = known.get("model")
        if not find_model(place.model, name) and not importable_model(place.model, name, SWAP_CLASSES):
            raise no_model(place.model, name)

    @classmethod
    def pointless_questions(cls, workspace: Path, known: dict[str, Any]) -> set[str]:
        """Only AMP has a morph factor; only a video is encoded."""
        from dfl.models.kinds import KINDS
        from dfl.models.open_model import find_model

        chosen = find_model(Workspace(workspace).model, known.get("model"))
        pointless = set() if known.get("to_video") else set(EncodingOptions.model_fields)
        of_other_kinds = {name for kind in KINDS.values() for name in kind.merge_options}
        return pointless | of_other_kinds - set(KINDS[chosen[1]].merge_options if chosen else ())

    def given_settings(self) -> dict[str, Any]:
        """The settings that were given, by name; the others are as the session has them."""
        return {name: getattr(self, name) for name in MergeSettings.model_fields if name in self.model_fields_set}
