import errno
import json
import os
import subprocess
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from dfl import cli, stages
from dfl import workspace as workspace_module
from dfl.base.errors import Stopped, UserError
from dfl.base.locks import hold_folders
from dfl.base.options import Options, option
from dfl.stages import STAGES, Stage
from dfl.workspace import Workspace


class BakeOptions(Options):
    side: Literal["src", "dst"] = option(..., "Which side.", argument=True)
    minutes: int = option(20, "How long it bakes.", ask="Minutes", minimum=1, maximum=90)
    form: Literal["round", "square"] = option("round", "The cake's form.", ask="Form")
    icing: bool = option(True, "With icing.", ask="Icing?")
    recipe: Path | None = option(None, "A recipe to follow.")
    end: str = option("well", "How it ends.")


class EatOptions(Options):
    bites: int = option(3, "How many bites.", ask="Bites", minimum=1)
    guests: tuple[str, ...] = option((), "Who eats along.")
    candles: int = option(0, "How many candles.", ask="Candles")

    @classmethod
    def pointless_questions(cls, workspace: Path, known: dict[str, Any]) -> set[str]:
        return set() if (workspace / "birthday").exists() else {"candles"}


class PackOptions(Options):
    box: Literal["tin", "bag"] = option(..., "What it is packed into.", argument=True, ask="Box")
    cake: Path = option(..., "The cake.", argument=True, ask="Which cake")
    ribbon: str = option("red", "Its colour.", ask="Ribbon")

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        if (workspace / "closed").exists():
            raise UserError("The kitchen is closed.", "Come tomorrow.")

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        if name == "cake" and not Path(known["cake"]).exists():
            raise UserError(f"There is no {known['cake']}.", "Name another.")


class Kitchen:
    """Stands in for the stages: remembers what was run, and ends as it is told to."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, Path, dict[str, Any]]] = []

    def bake(self, workspace: Workspace, options: BakeOptions, report: Any) -> None:
        self.runs.append(("bake", workspace.root, options.model_dump()))
        report.line("baking")
        endings = {
            "burnt": UserError("The cake is burnt.", "Bake it for a shorter time."),
            "dropped": ZeroDivisionError("dropped it"),
            "stopped": Stopped(),
            "ctrl-c": KeyboardInterrupt(),
            "full": OSError(errno.ENOSPC, "No space left", "cake.jpg"),
            "no oven": ModuleNotFoundError("No module named 'oven'", name="oven"),
            "own part missing": ImportError("cannot import name x", name="dfl.nets"),
        }
        if options.end in endings:
            raise endings[options.end]

    def eat(self, workspace: Workspace, options: EatOptions, report: Any) -> None:
        self.runs.append(("eat", workspace.root, options.model_dump()))

    def pack(self, workspace: Workspace, options: PackOptions, report: Any) -> None:
        self.runs.append(("pack", workspace.root, options.model_dump()))


@pytest.fixture
def kitchen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kitchen:
    made = Kitchen()
    module = types.ModuleType("kitchen_for_tests")
    for name, value in (("Bake", BakeOptions), ("Eat", EatOptions), ("Pack", PackOptions)):
        setattr(module, name, value)
        setattr(module, name.lower(), getattr(made, name.lower()))
    monkeypatch.setitem(sys.modules, "kitchen_for_tests", module)
    table = (
        Stage("bake", "Bake a cake.", "kitchen_for_tests:Bake", "kitchen_for_tests:bake", has_sides=True),
        Stage("eat", "Eat it.", "kitchen_for_tests:Eat", "kitchen_for_tests:eat"),
        Stage("pack", "Pack it.", "kitchen_for_tests:Pack", "kitchen_for_tests:pack"),
        Stage("broken", "Cannot be loaded.", "kitchen_for_tests:Missing", "kitchen_for_tests:eat"),
    )
    for place in (cli, stages):
        monkeypatch.setattr(place, "STAGES", table)
    monkeypatch.setattr(cli, "STEPS", {"1_cake": (("bake", "src"), ("eat",))})
    monkeypatch.setattr(workspace_module, "default_root", lambda: tmp_path / "workspace")
    monkeypatch.chdir(tmp_path)
    return made


def _dfl(*words: str, answers: str = "") -> int:
    """Run the command line in this process; the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dfl", *words])
        lines = iter(answers.splitlines())
        patch.setattr("builtins.input", lambda prompt: next(lines))
        with pytest.raises(SystemExit) as caught:
            cli.main()
    return int(caught.value.code or 0)


def test_flags_arguments_and_defaults_reach_the_stage(kitchen: Kitchen, tmp_path: Path) -> None:
    assert _dfl("bake", "dst", "--minutes", "30", "--no-icing", "--recipe", "a b.txt", "--workspace", "my cakes") == 0
    ((name, root, options),) = kitchen.runs
    assert (name, root) == ("bake", tmp_path / "my cakes")
    assert options == {
        "side": "dst",
        "minutes": 30,
        "form": "round",
        "icing": False,
        "recipe": Path("a b.txt"),
        "end": "well",
    }


def test_questions_that_make_no_sense_in_the_workspace_are_not_put(kitchen: Kitchen, tmp_path: Path) -> None:
    assert _dfl("eat", "--ask", answers="5\n") == 0
    (tmp_path / "workspace" / "birthday").touch()
    assert _dfl("eat", "--ask", answers="5\n30\n") == 0
    assert [options["candles"] for _, _, options in kitchen.runs] == [0, 30]


def test_an_option_may_come_several_times(kitchen: Kitchen) -> None:
    assert _dfl("eat", "--guests", "Ann", "--guests", "Bob and Eve") == 0
    assert _dfl("eat") == 0
    assert [options["guests"] for _, _, options in kitchen.runs] == [("Ann", "Bob and Eve"), ()]


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("well", 0, ""),
        ("burnt", 2, "Error: The cake is burnt.\nBake it for a shorter time.\n"),
        ("dropped", 1, "This is a bug in dfl: ZeroDivisionError: dropped it\nDetails: "),
        ("stopped", 130, "Stopped. "),
        ("ctrl-c", 130, "Stopped. "),
        ("full", 2, "Error: The disk is full: cake.jpg"),
        ("no oven", 2, "Error: A package is missing or broken: No module named 'oven'"),
        ("own part missing", 1, "This is a bug in dfl: ImportError"),
    ],
)
def test_every_ending_has_its_exit_code_and_words(
    kitchen: Kitchen, capsys: Any, ending: str, code: int, said: str
) -> None:
    assert _dfl("bake", "src", "--end", ending) == code
    shown = capsys.readouterr()
    assert shown.out == "baking\n"
    assert shown.err.lstrip().startswith(said)
    assert "Traceback" not in shown.err


def test_a_bugs_traceback_is_kept_in_the_logs(kitchen: Kitchen, capsys: Any, tmp_path: Path) -> None:
    assert _dfl("bake", "src", "--end", "dropped", "--workspace", str(tmp_path / "w")) == 1
    (log,) = (tmp_path / "w" / "logs").iterdir()
    assert str(log) in capsys.readouterr().err
    text = log.read_text(encoding="utf-8")
    assert "ZeroDivisionError: dropped it" in text
    assert "bake src --end dropped" in text


def test_a_bug_where_no_log_can_be_written_is_shown_whole(kitchen: Kitchen, capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "w").write_text("a file in the workspace's place")
    assert _dfl("bake", "src", "--end", "dropped", "--workspace", str(tmp_path / "w")) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bake"], "{src|dst}"),
        (["bake", "left"], "left"),
        (["bake", "src", "--minutes", "many"], "--minutes"),
        (["bake", "src", "--minutes", "91"], "--minutes: Input should be less than or equal to 90. Got 91."),
        (["bake", "src", "--form", "oval"], "--form"),
        (["bake", "src", "--sugar", "2"], "--sugar"),
        (["bake", "src", "--progress", "loud"], "--progress"),
        (["fry"], "fry"),
        (["step", "9_fry"], "Steps: 1_cake"),
        (["step", "1_cake", "--sugar", "2"], "1_cake knows no --sugar"),
        (["step", "1_cake", "--sugar=2"], "1_cake knows no --sugar"),
        (["step", "1_cake", "--minutes", "many"], "--minutes"),
    ],
)
def test_a_wrong_command_is_named_and_nothing_is_run(kitchen: Kitchen, capsys: Any, words: Any, said: str) -> None:
    assert _dfl(*words) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert kitchen.runs == []


def test_a_step_runs_its_stages_and_each_takes_the_flags_it_knows(kitchen: Kitchen, tmp_path: Path) -> None:
    words = ["step", "1_cake", "--bites", "9", "--minutes", "45", "--icing", "--workspace", str(tmp_path), "--yes"]
    assert _dfl(*words) == 0
    assert [(name, root) for name, root, _ in kitchen.runs] == [("bake", tmp_path), ("eat", tmp_path)]
    assert kitchen.runs[0][2]["side"] == "src"
    assert kitchen.runs[0][2]["minutes"] == 45
    assert kitchen.runs[1][2] == {"bites": 9, "guests": (), "candles": 0}


def test_a_step_ends_with_its_first_failing_stage(kitchen: Kitchen) -> None:
    assert _dfl("step", "1_cake", "--end", "burnt") == 2
    assert [name for name, _, _ in kitchen.runs] == ["bake"]


def test_answers_are_asked_once_remembered_and_overruled_by_flags(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("bake", "src", "--ask", answers="35\nsquare\nn\n") == 0
    assert json.loads(Path("workspace/answers.json").read_text()) == {
        "bake src": {"minutes": 35, "form": "square", "icing": False}
    }
    assert _dfl("bake", "src", "--yes") == 0
    assert _dfl("bake", "src", "--minutes", "50") == 0
    assert _dfl("bake", "dst") == 0
    assert _dfl("bake", "src", "--ask", "--form", "round", answers="\n\n") == 0  # the flag is not asked
    seen = [(run["side"], run["minutes"], run["form"], run["icing"]) for _, _, run in kitchen.runs]
    assert seen == [
        ("src", 35, "square", False),
        ("src", 35, "square", False),
        ("src", 50, "square", False),
        ("dst", 20, "round", True),
        ("src", 35, "round", False),
    ]


def test_all_questions_of_a_step_come_before_its_first_work(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("step", "1_cake", "--ask", "--end", "burnt", answers="35\nsquare\nn\n7\n") == 2
    assert [name for name, _, _ in kitchen.runs] == ["bake"]
    assert json.loads(Path("workspace/answers.json").read_text()) == {
        "bake src": {"minutes": 35, "form": "square", "icing": False},
        "eat": {"bites": 7},
    }


def test_a_flag_that_cannot_be_is_refused_before_the_first_question(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("bake", "src", "--ask", "--minutes", "91") == 2  # input() would fail
    assert "--minutes: Input should be less than or equal to 90. Got 91." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ([], "sack\ntin\nnone.txt\n'a cake.txt'\n\n"),
        (["a cake.txt"], "0\n\n"),  # dropped on the batch file: the first word, and no box
        (["tin"], "a cake.txt\n\n"),
        (["tin", "a cake.txt"], "\n"),
    ],
)
def test_a_file_is_asked_for_or_was_dropped(kitchen: Kitchen, words: list[str], answers: str) -> None:
    Path("a cake.txt").touch()
    assert _dfl("pack", "--ask", *words, answers=answers) == 0
    assert kitchen.runs[0][2] == {"box": "tin", "cake": Path("a cake.txt"), "ribbon": "red"}
    assert json.loads(Path("workspace/answers.json").read_text()) == {"pack": {"ribbon": "red"}}


def test_without_questions_a_missing_file_is_named(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("pack") == 2
    assert "BOX is missing. What it is packed into." in capsys.readouterr().err
    assert _dfl("pack", "tin") == 2
    assert "CAKE is missing. The cake." in capsys.readouterr().err
    assert _dfl("pack", "sack", "cake") == 2
    assert "--box: Input should be 'tin' or 'bag'" in capsys.readouterr().err


def test_what_a_stage_works_on_is_looked_at_before_its_questions(kitchen: Kitchen, capsys: Any) -> None:
    Path("workspace/closed").mkdir(parents=True)
    assert _dfl("pack", "--ask") == 2  # input() would fail
    assert "The kitchen is closed." in capsys.readouterr().err


def test_yes_puts_no_questions(kitchen: Kitchen) -> None:
    assert _dfl("bake", "src", "--ask", "--yes") == 0  # input() would fail
    assert kitchen.runs[0][2]["minutes"] == 20
    assert not Path("workspace").exists()


def test_remembered_answers_that_are_no_longer_valid_are_forgotten(kitchen: Kitchen) -> None:
    Path("workspace").mkdir()
    answers = {"bake src": {"minutes": 500, "form": "oval", "icing": False, "eggs": 3}, "bake dst": "no"}
    Path("workspace/answers.json").write_text(json.dumps(answers))
    for side in ("src", "dst"):
        assert _dfl("bake", side) == 0
    assert [(run["minutes"], run["form"], run["icing"]) for _, _, run in kitchen.runs] == [
        (20, "round", False),
        (20, "round", True),
    ]
    assert _dfl("bake", "src", "--ask", answers="\n\n\n") == 0
    assert kitchen.runs[-1][2]["form"] == "round"


@pytest.mark.parametrize("content", [b"", bytes(300), b'{"bake src": {"minu', b"[]", b"7", b"\xff\xfe"])
def test_a_damaged_file_of_answers_is_set_aside_and_no_stage_stops(
    kitchen: Kitchen, capsys: Any, content: bytes
) -> None:
    Path("workspace").mkdir()
    Path("workspace/answers.json").write_bytes(content)
    assert _dfl("bake", "src") == 0
    assert "answers.json is damaged: it is answers_damaged_1.json now" in capsys.readouterr().out
    assert Path("workspace/answers_damaged_1.json").read_bytes() == content
    assert _dfl("bake", "src", "--ask", answers="35\nsquare\nn\n") == 0
    assert json.loads(Path("workspace/answers.json").read_text())["bake src"]["minutes"] == 35
    assert "damaged" not in capsys.readouterr().out


def test_answers_that_cannot_be_kept_do_not_stop_a_stage(kitchen: Kitchen, capsys: Any) -> None:
    Path("workspace/answers.json").mkdir(parents=True)
    assert _dfl("bake", "src", "--ask", answers="35\nsquare\nn\n") == 0
    assert kitchen.runs[0][2]["minutes"] == 35
    assert "The answers are not remembered: " in capsys.readouterr().out


def test_json_progress_is_json(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("bake", "src", "--progress", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"kind": "line", "text": "baking"}


def test_help_shows_ranges_defaults_and_stages(kitchen: Kitchen, capsys: Any) -> None:
    assert _dfl("--help") == 0
    shown = capsys.readouterr().out
    assert "bake src|dst" in shown
    assert "Eat it." in shown
    assert _dfl("bake", "--help") == 0
    shown = capsys.readouterr().out
    for words in ("How long it bakes. [20]", "--icing / --no-icing", "[on]", "[round|square]", "{src|dst}"):
        assert words in shown


@pytest.mark.parametrize("row", STAGES, ids=lambda row: row.name)
def test_every_stage_has_help(row: Stage, capsys: Any) -> None:
    assert _dfl(row.name, "--help") == 0
    shown = capsys.readouterr().out
    assert row.help.split()[0] in shown
    assert "--workspace" in shown


def test_the_command_starts_light() -> None:
    code = (
        "import sys; sys.argv = ['dfl', '--help']\n"
        "from dfl.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'tensorflow', 'keras', 'torch', 'dlib', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "extract-faces src|dst" in done.stdout


def test_python_m_dfl_is_the_command() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "dfl", *words], capture_output=True, text=True, check=False)

    assert run("--version").stdout.startswith("dfl, version")
    unknown = run("fry")
    assert unknown.returncode == 2
    assert "fry" in unknown.stderr


def test_consent_and_honesty_are_said_once(workspace: Workspace, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dfl", "clear-workspace", "--yes", "--workspace", str(workspace.root)]
    environment = os.environ | {"DFL_CONFIG": str(tmp_path / "fresh")}
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert "consent" in first
    assert "consent" not in second


def test_a_stage_that_runs_already_is_named_and_nothing_is_disturbed(workspace: Workspace, capsys: Any) -> None:
    workspace.create()
    before = sorted(workspace.root.rglob("*"))
    with hold_folders(workspace.running, "extract-faces dst", ("data_dst",), ("data_dst/aligned",), print):
        for words in (("extract-faces", "dst"), ("sort", "dst", "--by", "hue"), ("extract-frames", "dst"), ("merge",)):
            assert _dfl(*words, "--yes", "--workspace", str(workspace.root)) == 2
            shown = capsys.readouterr().err
            assert f"extract-faces dst (process {os.getpid()}, since " in shown
            assert "Wait until it has finished" in shown
        for words in (("models", "list"), ("extract-faces", "src")):  # these never wait, or are about other faces
            _dfl(*words, "--workspace", str(workspace.root))
            assert "process" not in capsys.readouterr().err
    assert [path for path in sorted(workspace.root.rglob("*")) if "running" not in path.parts] == before
