"""Batch files: what cmd.exe needs of them; where wine is installed, that they run in a folder of a difficult name."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BATCH_FILES = sorted([*ROOT.glob("*.bat"), ROOT / "_internal" / "run.bat", *(ROOT / "scripts").glob("*.bat")])
WINE = shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine")


@pytest.mark.parametrize("path", BATCH_FILES, ids=lambda path: path.name)
def test_cmd_can_read_it(path: Path) -> None:
    content = path.read_bytes()
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n"), "labels are lost without Windows line ends"
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert content.startswith(b"@echo off\r\n")
    assert b"(\r\n" not in content, "a block ends at a parenthesis in the folder's name"


def test_only_run_bat_has_logic() -> None:
    for path in BATCH_FILES:
        if path.name != "run.bat":
            words = path.read_text("ascii").lower().split()
            assert not {"if", "goto", "for"} & set(words[words.index("setlocal") :]), path.name


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a Windows without Python, made once."""
    if WINE is None:
        pytest.skip("wine is not installed")
    given = os.environ | {
        "WINEPREFIX": str(tmp_path_factory.mktemp("prefix")),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "LANG": "C.UTF-8",
        "DFL_NO_PAUSE": "1",
    }
    given.pop("DISPLAY", None)
    subprocess.run([WINE, "wineboot", "-i"], env=given, stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
    return given


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The batch files in a folder whose name has all that cmd.exe trips over, without a Python."""
    folder = tmp_path_factory.mktemp("bundles") / "Bündel (test) & co!"
    for path in BATCH_FILES:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder


def test_without_a_python_it_says_so_and_fails(prefix: dict[str, str], bundle: Path, tmp_path: Path) -> None:
    done = run(bundle / "1_extract_src.bat", "--yes", environment=prefix, folder=tmp_path)
    assert "no Python 3.11, 3.12 or 3.13" in done.stdout
    assert "pip install -e ." in done.stdout
    assert done.returncode == 2


@pytest.mark.skipif(not shutil.which("x86_64-w64-mingw32-gcc"), reason="no compiler for Windows programs")
def test_words_arrive_whole_and_the_exit_code_comes_back(prefix: dict[str, str], bundle: Path, tmp_path: Path) -> None:
    # A program that shows its arguments stands for Python: what the batch files hand on is seen as it arrives.
    compile_shower(bundle / "_internal" / "python" / "python.exe", tmp_path)
    done = run(bundle / "2_extract_dst.bat", "--workspace", "C:\\a (b) & c!d", environment=prefix, folder=tmp_path)
    assert done.stdout.splitlines() == [
        *["-X", "utf8", "-P", "-m", "dfl", "step", "2_extract_dst", "--ask", "--workspace", "C:\\a (b) & c!d"],
        "It ended with code 7. scripts\\doctor.bat tells what this machine lacks.",
    ]
    assert done.returncode == 7


def compile_shower(target: Path, folder: Path) -> None:
    source = folder / "shower.c"
    source.write_text(
        "#include <stdio.h>\n"
        "int main(int count, char **words) {\n"
        '    for (int i = 1; i < count; i++) printf("%s\\n", words[i]);\n'
        "    return 7;\n"
        "}\n"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["x86_64-w64-mingw32-gcc", "-o", target, source], check=True)


def run(batch_file: Path, *words: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a batch file under wine from another folder, input closed, output through a pipe."""
    assert WINE
    return subprocess.run(
        [WINE, batch_file, *words],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=120,
    )
