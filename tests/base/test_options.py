import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from dfl.base.options import Options, bounds, declared, option


class BrewOptions(Options):
    kind: Literal["tea", "coffee"] = option("tea", "What is made.", ask="Kind", argument=True)
    cups: int = option(2, "How many.", ask="Cups", minimum=1, maximum=9)
    strength: float = option(0.5, "How strong.", minimum=0)
    where: Path | None = option(None, "Where it goes.")
    water: int = option(..., "Cubic centimetres.")


def test_values_are_checked_against_the_declaration() -> None:
    made = BrewOptions(water=250, cups=3)
    assert (made.kind, made.cups, made.strength, made.where) == ("tea", 3, 0.5, None)
    wrong: list[dict[str, Any]] = [
        {},
        {"water": 1, "cups": 0},
        {"water": 1, "cups": 10},
        {"water": 1, "kind": "milk"},
        {"water": 1, "strength": -0.1},
        {"water": 1, "sugar": 2},
        {"water": "much"},
    ]
    for values in wrong:
        with pytest.raises(ValidationError):
            BrewOptions(**values)


def test_options_cannot_be_changed_afterwards() -> None:
    made = BrewOptions(water=250)
    with pytest.raises(ValidationError):
        made.water = 5  # type: ignore[misc]


def test_a_default_out_of_range_fails_where_it_is_used() -> None:
    class Wrong(Options):
        cups: int = option(0, "How many.", minimum=1)

    with pytest.raises(ValidationError):
        Wrong()


def test_the_declaration_can_be_asked() -> None:
    fields = BrewOptions.model_fields
    assert bounds(fields["cups"]) == (1, 9)
    assert bounds(fields["strength"]) == (0, None)
    assert bounds(fields["kind"]) == (None, None)
    assert declared(fields["kind"], "ask") == "Kind"
    assert declared(fields["kind"], "argument") is True
    assert declared(fields["water"], "ask") == ""
    assert fields["water"].is_required()
    assert fields["cups"].description == "How many."


def test_options_import_nothing_heavy() -> None:
    code = "import dfl.base.options, dfl.base.asking, sys; sys.exit('numpy' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
