import ast
import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from dfl.base.asking import ask_options
from dfl.base.options import Options, bounds, declared
from dfl.cli import COMMON
from dfl.stages import STAGES, STEPS, Stage, stage

HEAVY = ("numpy", "cv2", "keras", "tensorflow", "torch", "dlib", "av", "scipy", "matplotlib", "skimage")


def _options(row: Stage) -> type[Options]:
    module, name = row.options.split(":")
    found: type[Options] = getattr(importlib.import_module(module), name)
    return found


def _required(kind: type[Options]) -> dict[str, Any]:
    """A value for every option that has no default."""
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if field.is_required():
            choices = get_args(field.annotation)
            values[name] = choices[0] if choices and field.annotation is not None else Path("file")
    return values


def test_names_are_unique_and_found() -> None:
    names = [row.name for row in STAGES]
    assert len(names) == len(set(names))
    assert all(stage(name).name == name for name in names)


def test_steps_are_made_of_stages() -> None:
    for steps in STEPS.values():
        for name, *position in steps:
            row = stage(name)
            assert bool(position) == row.has_sides
            assert all(side in ("src", "dst") for side in position)


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.name)
def test_the_stage_has_its_function(row: Stage) -> None:
    module, name = row.run.split(":")
    spec = find_spec(module)
    assert spec, f"there is no module {module}"
    assert spec.origin
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in found
    assert len(found[name].args.args) == 3


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.name)
def test_every_option_has_help_and_questions_can_be_answered_with_enter(row: Stage) -> None:
    kind = _options(row)
    assert issubclass(kind, Options)
    assert ("side" in kind.model_fields) == row.has_sides
    for name, field in kind.model_fields.items():
        if name not in COMMON:
            assert field.description, name
    required = _required(kind)
    kind(**required)
    answers = ask_options(kind, required, skip=required.keys(), read=lambda prompt: "")
    assert kind(**(required | answers)) == kind(**required)
    for name, field in kind.model_fields.items():
        low, high = bounds(field)
        if declared(field, "ask") and (low is not None or high is not None):
            assert get_origin(field.annotation) is None, f"{name}: a range for what is no number"


def test_options_of_all_stages_import_nothing_heavy() -> None:
    modules = sorted({row.options.split(":")[0] for row in STAGES})
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        f"sys.exit(', '.join(sorted(set({HEAVY}) & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.name)
def test_what_a_stage_reads_and_writes_are_parts_of_a_workspace(row: Stage) -> None:
    for side in ("src", "dst") if row.has_sides else ("",):
        reads, writes = row.parts(side)
        assert not set(reads) & set(writes)
        for part in reads + writes:
            assert part.split("/")[0] in {"data_src", "data_dst", "model", "result", "inspect.html", "dfl_demo"}
