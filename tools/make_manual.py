"""Make the option tables of docs/manual.md from the stage table: `python tools/make_manual.py`.

The manual's other text is written by hand. Each stage has a pair of marks there; what stands between them is made here
and put in anew. A stage without marks gets them at the end of the manual. A test fails when the manual differs.
"""

import importlib
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_internal"))

from dfl.base.options import bounds, declared, new_default, number_or_words  # noqa: E402 - a source checkout need not be installed for this
from dfl.cli import COMMON  # noqa: E402
from dfl.models.options import XsegOptions  # noqa: E402
from dfl.stages import STAGES, Stage  # noqa: E402
from dfl.training.monitoring.options_table import GROUPS as MODEL_GROUPS  # noqa: E402
from dfl.training.options import MODEL_FIELDS  # noqa: E402

MANUAL = ROOT / "docs" / "manual.md"
# What a stage's model may be told.
MODELS: dict[str, dict[str, Any]] = {"train": dict(MODEL_FIELDS), "xseg-train": dict(XsegOptions.model_fields)}
# Long tables come in groups, the common ones first; an option that stands in none ends this program.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "Which model, and for how long": (
            *(
                "model",
                "name",
                "preset",
                "target_iter",
                "minutes",
                "plan",
                "batch_size",
                "stop_at_plateau",
                "silent_start",
            ),
            *("start_from", "reset_inter", "restart", "session_name"),
        ),
        **{group: names for group, names in MODEL_GROUPS.items() if group not in ("Saving", "Preview")},
        "Saving": ("save_minutes", "autobackup_hour"),
        "Preview and logs": ("preview", "write_preview_history", "preview_faces", "tensorboard"),
        "Data beside the faceset": ("pretraining_faces", "held_out"),
        "Machine": ("engine", "device", "devices", "seed"),
    },
    "merge": {
        "Mode": ("mode", "masked_hist_match", "hist_match_threshold", "like_original"),
        "Mask": ("mask_mode", "erode", "blur"),
        "Colour": ("colour_transfer", "colour_degrade"),
        "Face": (
            *("face_scale", "sharpen_mode", "sharpen_amount", "super_resolution", "two_pass", "correct_shift"),
            *("morph_factor", "motion_blur", "denoise", "bicubic"),
        ),
        "Over time": ("steady_mask", "steady_colours", "steady_landmarks"),
        "Which frames, people, model": ("frames", "contact_sheet", "only", "everyone", "model"),
        "Output": (
            *("output_format", "crops", "to_video", "format", "encoder", "lossless", "bitrate", "crf", "speed"),
            *("chroma", "bits", "mask", "alpha", "label", "mark", "certificate", "key"),
        ),
        "Machine": ("engine", "device", "workers"),
    },
}
BEGIN, END = "<!-- made by tools/make_manual.py: {name} -->", "<!-- end of what is made -->"


def stage_text(row: Stage) -> str:
    """What is made for one stage: what it does, its command, its files, its options."""
    module, name = row.options.split(":")
    fields = getattr(importlib.import_module(module), name).model_fields
    if row.name in MODELS:
        # Its copies of the models' options are empty unless given; the models' own ones have default and question.
        fields = {name: MODELS[row.name].get(name, field) for name, field in fields.items()}
    words = " ".join([row.name, *(_positional(name, field) for name, field in fields.items() if _is_positional(field))])
    files = [f"{row.name}_src", f"{row.name}_dst"] if row.has_sides else [row.name]
    lines = [f"{row.help}", ""]
    lines += [f"`dfl {words} [options]` · " + " · ".join(f"`scripts/{file}.bat`, `.sh`" for file in files), ""]
    flags = {name: field for name, field in fields.items() if name not in COMMON and not _is_positional(field)}
    for group, names in _groups(row.name, flags).items():
        lines += [f"**{group}**", ""] if group else []
        lines += ["| option | values | default | |", "| --- | --- | --- | --- |"]
        lines += [*(_row(name, flags[name]) for name in names), ""]
    return "\n".join(lines).rstrip()


def _groups(stage: str, flags: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of a stage's options by group; one group without a name where it has none."""
    if stage not in GROUPS:
        return {"": tuple(flags)} if flags else {}
    groups, seen = {}, set[str]()
    for group, names in GROUPS[stage].items():
        groups[group] = tuple(name for name in names if name in flags and name not in seen)
        seen.update(names)
    forgotten = [name for name in flags if name not in seen]
    if forgotten:
        raise SystemExit(f"{stage}: {', '.join(forgotten)} in no group of tools/make_manual.py")
    return {group: names for group, names in groups.items() if names}


def _is_positional(field: Any) -> bool:
    return bool(declared(field, "argument"))


def _positional(name: str, field: Any) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    more = "..." if get_origin(field.annotation) is tuple else ""
    return "|".join(map(str, choices)) or name.upper() + more


def _row(name: str, field: Any) -> str:
    notes = [field.description or ""]
    if declared(field, "ask"):
        notes.append(f"Asked: “{declared(field, 'ask')}”.")
    if declared(field, "fixed"):
        notes.append("Cannot change once the model exists.")
    cells = [f"`--{name.replace('_', '-')}`", _values(field), _default(field), " ".join(notes)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(field: Any) -> str:
    kind = field.annotation
    if get_origin(kind) is not Literal and type(None) in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if either := number_or_words(kind):
        words, low, high = either
        return f"{', '.join(words)}, {_number(low)}..{_number(high)}"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if kind is bool:
        return "on, off (`--no-...`)"
    if get_origin(kind) is tuple:
        return "text, several times"
    range_ = bounds(field)
    if range_ != (None, None):
        return "..".join(map(_number, range_))
    return {int: "whole number", float: "number", str: "text", Path: "path"}.get(kind, getattr(kind, "__name__", ""))


def _number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:g}"


def _default(field: Any) -> str:
    if field.is_required():
        return "must be given"
    default = new_default(field)
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, float):
        return _number(default)
    return "" if default in (None, "", ()) else str(default)


def made(manual: str) -> str:
    """The manual with every made part put in anew."""
    for row in STAGES:
        begin = BEGIN.format(name=row.name)
        if begin not in manual:
            manual = f"{manual.rstrip()}\n\n### {row.name}\n\n{begin}\n{END}\n"
        before, _, rest = manual.partition(begin)
        manual = f"{before}{begin}\n{stage_text(row)}\n{END}{rest.partition(END)[2]}"
    return manual


def main() -> None:
    """Write the manual."""
    MANUAL.write_text(made(MANUAL.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"{MANUAL} made")


if __name__ == "__main__":
    main()
