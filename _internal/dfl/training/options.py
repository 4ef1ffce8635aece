"""Options of train, xseg-train, compare-snapshots and time-lapse: the run, and what may be given for the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator
from pydantic.fields import FieldInfo

from dfl.base.options import Options, bounds, new_default, option
from dfl.models.kinds import KINDS, XSEG
from dfl.models.options import ModelClass, SwapClass, XsegOptions
from dfl.shared_options import DEVICE, ENGINE, EngineName
from dfl.workspace import Workspace


class TrainRunOptions(Options):
    """How one run of training goes; nothing of this is stored with the model."""

    model: ModelClass = option("SAEHD", "Class of the model.", ask="Model")
    name: str | None = option(None, "Name of the model; the one that was saved last, or `new`.")
    engine: EngineName | None = ENGINE
    device: str | None = DEVICE
    devices: str = option(
        "1",
        "Graphics cards that share each batch (TensorFlow; for torch see torchrun): their number, such as 2, or which "
        "they are, such as 0,1.",
    )
    seed: int | None = option(
        None,
        "Start of all random numbers of a new model; the same seed gives the same run.",
        minimum=0,
        maximum=2**32 - 1,
    )
    minutes: float = option(0.0, "Stop after so many minutes; 0 trains until you stop.", minimum=0)
    plan: Literal["end", "auto", "none"] = option(
        "end",
        "end: SAEHD and AMP train in stages if a run has an end (--minutes, --target-iter): random warp, then "
        "without it, the learning rate falling in the second half, a GAN, if there is one, in the last fifth. auto: "
        "without an end, the stages begin when the loss gets no better. none: all options stay as they are.",
    )
    save_minutes: float = option(5.0, "Save every so many minutes, the first time after one.", minimum=0.01)
    preview: Literal["auto", "window", "none"] = option(
        "auto", "Show previews in a window; auto: if there is a screen. Pictures are written in any case."
    )
    stop_at_plateau: int = option(
        0, "Stop when the loss has not become better by 0.5 % for so many iterations; 0 does not.", minimum=0
    )
    tensorboard: bool = option(False, "Write logs for TensorBoard into the model's folder.")
    pretraining_faces: Path | None = option(
        None,
        "Aligned faces of many people to pretrain on: a folder, one with a folder for each person, or a faceset.pak; "
        "the workspace's pretraining_faces if not given.",
    )
    preset: Literal["quick", "balanced", "quality"] | None = option(
        None, "Options of a new SAEHD model that fit this machine; what you give beside it counts more."
    )
    start_from: str | None = option(None, "Begin a new model with the weights of this trained one.")
    reset_inter: bool = option(
        False, "With --start-from: begin anew between encoder and decoder, where the two people are told apart."
    )
    held_out: int | None = option(
        None,
        "Faces of each side that are kept out of training and tested on at saves; remembered with the model. At most "
        "one of twenty, their neighbours counted. [0]",
        minimum=0,
    )
    silent_start: bool = option(False, "No questions: go on with the model that was saved last, of any class.")
    restart: bool = option(False, "Restart with new weights; the last checkpoint becomes a backup.")
    ask: bool = option(False, "Put the model's questions.")

    @field_validator("devices", mode="before")
    @classmethod
    def _checked_devices(cls, value: Any) -> str:
        parts = str(value).replace(" ", "").split(",")
        if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts) or parts == ["0"]:
            raise ValueError("Expected how many (2), or which (0,1)")
        return ",".join(parts)

    @property
    def device_count(self) -> int:
        """How many devices share each batch."""
        return self.devices.count(",") + 1 if "," in self.devices else int(self.devices)

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """Faces must be there: XSeg does with those of one side."""
        from dfl.training.training_faces import check_faces

        check_faces(Workspace(workspace), known.get("model", XSEG), known.get("pretraining_faces"))


# Every option of any kind; of those with one name that of the first kind of the table, SAEHD, which allows the most.
MODEL_FIELDS = {name: field for kind in reversed(KINDS.values()) for name, field in kind.options.model_fields.items()}
AUTO = "auto"


def _may_be_given(fields: dict[str, FieldInfo]) -> dict[str, Any]:
    """Options of a model once more, empty unless the user gives them; the batch size may be left to the memory too."""
    given = {
        name: (
            field.annotation | None if field.annotation is not None else Any,
            option(
                None,
                (field.description or "") + f" [{new_default(field)}]",
                minimum=bounds(field)[0],
                maximum=bounds(field)[1],
            ),
        )
        for name, field in fields.items()
    }
    low, high = bounds(fields["batch_size"])
    number = Annotated[int, Field(ge=low, le=high)]
    help = f"{fields['batch_size'].description} auto: as many as the memory holds. [{fields['batch_size'].default}]"
    return given | {"batch_size": (number | Literal["auto"] | None, option(None, help))}


TrainOptions = create_model("TrainOptions", __base__=TrainRunOptions, **_may_be_given(MODEL_FIELDS))


class _XsegRunOptions(TrainRunOptions):
    model: Literal["XSeg"] = option("XSeg", "Class of the model.")


XsegTrainOptions = create_model("XsegTrainOptions", __base__=_XsegRunOptions, **_may_be_given(XsegOptions.model_fields))


def given_model_options(options: TrainRunOptions) -> dict[str, Any]:
    """What the user said about the model, by name."""
    return {name: value for name in MODEL_FIELDS if (value := getattr(options, name, None)) is not None}


class TimeLapseOptions(Options):
    """Which model's way is shown, and how fast."""

    name: str | None = option(None, "Name of the model; the one that was saved last if not given.")
    model: ModelClass | None = option(None, "Class of the model.")
    page: str = option("", "Which page of the previews, `preview_masked` for example; the first if not given.")
    fps: float = option(24.0, "Pictures a second.", ask="Pictures a second", minimum=0.1, maximum=120)
    bitrate: int = option(8, "Bit rate in megabits a second.", minimum=1, maximum=1000)


class CompareOptions(Options):
    """Which states of which model are compared."""

    name: str | None = option(None, "Name of the model; the one that was saved last if not given.")
    model: SwapClass | None = option(None, "Class of the model.")
    snapshots: str = option("", "Numbers of backups to compare with the newest set, as 01,05; all if not given.")
    faces: int = option(16, "Faces of each side to compare on.", minimum=1, maximum=256)
    engine: EngineName | None = ENGINE
    device: str | None = DEVICE
