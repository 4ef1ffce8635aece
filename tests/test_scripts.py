"""Files made from the stage table are as the table says, and the checkout's scripts are sound."""

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_batch_and_shell_files_are_as_the_stage_table_says() -> None:
    maker = load("make_scripts")
    differing = [path.name for path, content in maker.made_files().items() if read_if_there(path) != content]
    assert not differing, "run python scripts/make_scripts.py"
    assert not maker.left_over(), "run python scripts/make_scripts.py"


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


def read_if_there(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
