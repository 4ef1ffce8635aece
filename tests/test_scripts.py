"""Files made from the stage table are as the table says, and the checkout's scripts are sound."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_batch_and_shell_files_are_as_the_stage_table_says() -> None:
    maker = load("make_scripts")
    differing = [path.name for path, content in maker.script_files().items() if read_if_there(path) != content]
    assert not differing, "run python tools/make_scripts.py"
    assert not maker.left_over(), "run python tools/make_scripts.py"


def test_every_stage_has_a_batch_and_a_shell_file() -> None:
    from dfl.stages import STAGES

    for row in STAGES:
        for name in [f"{row.name}_src", f"{row.name}_dst"] if row.has_sides else [row.name]:
            assert (ROOT / "scripts" / f"{name}.bat").is_file()
            assert (ROOT / "scripts" / f"{name}.sh").is_file()


@pytest.mark.skipif(os.name == "nt", reason="shell files are for Linux")
def test_a_shell_file_starts_its_stage_from_another_folder_and_hands_on_words_and_exit_code(tmp_path: Path) -> None:
    shell_file = ROOT / "scripts" / "weights.sh"
    helped = subprocess.run([shell_file, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0
    assert "--folder" in helped.stdout
    wrong = subprocess.run([shell_file, "--progress", "a b & c!d"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "'a b & c!d'" in wrong.stderr


def test_the_manual_is_as_the_options_say() -> None:
    maker = load("make_manual")
    manual = maker.MANUAL.read_text(encoding="utf-8")
    assert maker.made(manual) == manual, "run python tools/make_manual.py"
    for row in maker.STAGES:
        assert f"### {row.name}\n" in manual


def test_a_stage_that_the_manual_lacks_is_put_in() -> None:
    maker = load("make_manual")
    made = maker.made("# Manual\n")
    assert "### extract-frames" in made
    assert "| `--bitrate` | 1..1000 | 16 |" in made
    assert "| `--resolution` | 32..2048 | 128 |" in made  # a model's own option, with its default
    assert maker.made(made) == made


def test_the_readme_has_its_two_commands_and_its_links_lead_somewhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("\npip install -e . && dfl demo\n") == 1
    assert readme.count('\npip install -e ".[test]" && pytest\n') == 1
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists() or target == "docs/pictures/demo.jpg", target


def read_if_there(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
