"""Stage `import`: a model of the original becomes one of ours, its optimizer and history too."""

import math
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from dfl.base.errors import UserError
from dfl.base.options import bounds, declared
from dfl.base.report import Report
from dfl.interop.options import ImportOptions
from dfl.interop.read_model import OriginalModel, read_model
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, write_checkpoint
from dfl.models.kinds import kind_of
from dfl.models.model_store import check_name, model_path
from dfl.models.options import ModelOptions
from dfl.workspace import Workspace

_NOT_IMPORTED = "Nothing was imported. Models with that cannot be used here; begin a new one with `dfl train`."
# Options that a model keeps all its life, and that no array's shape depends on.
_NO_SHAPE_DEPENDS_ON = ("morph_factor",)


def run(workspace: Workspace, options: ImportOptions, report: Report) -> None:
    """Import one model into the workspace; a model of that name is never overwritten."""
    original = read_model(options.folder, options.name, options.model)
    new_name = original.name if options.new_name is None else options.new_name
    name = check_name(new_name, original.class_name)
    if (name, original.class_name) in list_models(workspace.model):
        way = "Choose another name: --new-name NAME."
        if not kind_of(original.class_name).swaps_faces:
            way = f"Delete that one first: `dfl models delete --model {original.class_name}` moves it to the trash."
        raise UserError(f"The workspace already has a model {name} ({original.class_name}).", way)
    saved, left_out = as_checkpoint(original, report.warn)
    workspace.create()
    folder = model_folder(workspace.model, name, original.class_name)
    with model_path(folder):
        write_checkpoint(folder, saved)
    if left_out:
        report.line(f"Options without a counterpart here, left out: {', '.join(left_out)}.")
    report.done(
        f"Imported {name} ({original.class_name}), iteration {original.iteration}, to {folder}.",
        iteration=original.iteration,
    )


def as_checkpoint(
    original: OriginalModel, warn: Callable[[str], None] = lambda _: None
) -> tuple[Checkpoint, list[str]]:
    """The original's model in our form, and the names of options that we do not have.

    warn: called for each changed value. Optimizer arrays of a discriminator get its name in front:
    `D_src_opt/m/D_src/convs_0/weight`. UserError for an option that array shapes depend on and whose value is not
    valid here.
    """
    row = kind_of(original.class_name)
    kind = row.options
    known = {name: value for name, value in original.options.items() if name in kind.model_fields}
    # What its older versions had, and newer ones of it bring over in the same way.
    if isinstance(known.get("lr_dropout"), bool):
        known["lr_dropout"] = "y" if known["lr_dropout"] else "n"
    if isinstance(known.get("eyes_prio"), bool):
        del known["eyes_prio"]  # ours is another one, a number
    known |= row.as_in_original
    options = _valid_options(kind, known, f"{original.name} ({original.class_name})", warn).model_dump()
    left_out = sorted(set(original.options) - set(kind.model_fields))
    saved = Checkpoint(
        original.class_name,
        options,
        original.iteration,
        original.weights,
        original.optimizer
        | {
            f"{network}_opt/{name}": array
            for network, arrays in original.discriminator_optimizers.items()
            for name, array in arrays.items()
        },
        original.history,
        {"original_options": {name: original.options[name] for name in left_out}},
    )
    return saved, left_out


def _valid_options(
    kind: type[ModelOptions], given: dict[str, Any], model: str, warn: Callable[[str], None]
) -> ModelOptions:
    """The options with valid values: what is outside its range is set to the nearest value, and `warn` is called.

    UserError for an option that the weights rest on: another value would be another network.
    """
    values = dict(given)
    for _ in range(2 * len(values) + 1):
        try:
            return kind(**values)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            _make_valid(kind, values, name, error.errors()[0]["msg"], model, warn)
        except UserError as error:
            # What does not go together here; of what is no network of its own, the part is switched off.
            extra = next((name for name in ("gan_power", "true_face_power") if values.get(name)), None)
            if extra is None:
                raise UserError(f"The model {model} cannot be imported. {error.what}", _NOT_IMPORTED) from error
            warn(f"{model}: {error.what} {extra} {values[extra]} is switched off.")
            values[extra] = 0.0
    raise AssertionError("every turn mends an option or ends")


def _make_valid(
    kind: type[ModelOptions], values: dict[str, Any], name: str, reason: str, model: str, warn: Callable[[str], None]
) -> None:
    """Give one option the nearest valid value, else its default."""
    field, value = kind.model_fields[name], values[name]
    low, high = bounds(field)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if declared(field, "fixed") and name not in _NO_SHAPE_DEPENDS_ON:
        raise UserError(
            f"The model {model} has {name} {value!r}, which cannot be here ({reason}); its weights rest on it.",
            _NOT_IMPORTED,
        )
    if is_number and low is not None and value < low:
        values[name] = type(low)(low)
    elif is_number and high is not None and value > high:
        values[name] = type(high)(high)
    else:
        values[name] = kind.default_of(name, {key: known for key, known in values.items() if key != name})
    warn(f"{model} has {name} {value!r}, which cannot be here ({reason}): {values[name]!r} is taken.")
