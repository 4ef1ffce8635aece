import builtins
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dfl.base.asking import (
    ask_choice,
    ask_number,
    ask_number_or,
    ask_options,
    ask_path,
    ask_text,
    ask_yes,
    read_line,
)
from dfl.base.errors import Stopped, UserError
from dfl.base.options import Choice, Options, option


class Listener:
    """Answers in order, and keeps what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answers.pop(0)


@pytest.mark.parametrize(("answer", "value"), [("", 8), ("12", 12), ("2", 2), ("64", 64), ("1_6", 16), ("9.0", 9)])
def test_numbers_and_enter_for_the_default(answer: str, value: int) -> None:
    listener = Listener(answer)
    number = ask_number("Batch size", 8, low=2, high=64, help="", read=listener)
    assert number == value
    assert isinstance(number, int)
    assert listener.asked == ["[8] Batch size ( 2..64 ?:help ) : "]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("3.9", "3.9 is no whole number."),
        ("1", "1 is out of range."),
        ("1000", "1000 is out of range."),
        ("-5", "-5 is out of range."),
        ("many", "many is no whole number."),
        ("auto", "auto is no whole number."),
        ("nan", "nan is no whole number."),
        ("1e999", "1e999 is no whole number."),
    ],
)
def test_what_is_no_such_number_is_refused_with_the_range(answer: str, reason: str, capsys: Any) -> None:
    listener = Listener(answer, "9")
    assert ask_number("Batch size", 8, low=2, high=64, help="", read=listener) == 9
    assert capsys.readouterr().out == f"{reason} Expected a whole number, 2..64.\n"


def test_what_was_understood_is_shown_when_it_differs(capsys: Any) -> None:
    assert ask_number("Power", 0, whole=False, help="", read=Listener("0,25")) == 0.25
    assert ask_yes("Flip?", False, help="", read=Listener("YES"))
    assert ask_choice("Mode", "a", choices("alpha", "beta"), help="", read=Listener("1")) == "beta"
    assert ask_number("N", 1, help="", read=Listener("5")) == 5
    assert capsys.readouterr().out == "Taken: 0.25\nTaken: y\nTaken: beta\n"


def choices(*names: str) -> list[Choice]:
    return [Choice(name) for name in names]


def test_the_forms_of_questions_are_the_originals() -> None:
    listener = Listener("", "", "", "", "", "", "")
    ask_number("Power", 0.5, low=0, high=1, whole=False, help="", read=listener)
    ask_number("Iterations", 0, low=0, help="", read=listener)
    ask_number("Shift", 0, help="", read=listener)
    ask_yes("Flip?", True, help="", read=listener)
    ask_text("Name", "new", help="", read=listener)
    ask_choice("Face type", "wf", choices("f", "wf"), help="", read=listener)
    ask_path("Which video", Path("a.mp4"), help="", read=listener)
    assert listener.asked == [
        "[0.5] Power ( 0..1 ?:help ) : ",
        "[0] Iterations ( 0.. ?:help ) : ",
        "[0] Shift ( ?:help ) : ",
        "[y] Flip? ( y/n ?:help ) : ",
        "[new] Name ( ?:help ) : ",
        "[wf] Face type ( 0:f/1:wf ?:help ) : ",
        "[a.mp4] Which video ( type it or drop it here ?:help ) : ",
    ]


def test_a_long_list_has_a_line_for_each(capsys: Any) -> None:
    names = [f"a long name, number {number}" for number in range(12)]
    listener = Listener("?", "11")
    assert ask_choice("Mode", names[0], choices(*names), help="Choose.", read=listener) == names[11]
    assert listener.asked == [f"[{names[0]}] Mode ( 0..11 or a name ?:help ) : "] * 2
    listing = "\n".join(["Mode", *(f"[{number}] {name}" for number, name in enumerate(names))])
    assert capsys.readouterr().out == f"{listing}\nChoose.\n{listing}\nTaken: {names[11]}\n"


def test_a_question_mark_shows_the_help_and_asks_again(capsys: Any) -> None:
    asks: list[Callable[..., Any]] = [
        lambda read: ask_number("N", 1, help="How many.", read=read),
        lambda read: ask_yes("Y", False, help="How many.", read=read),
        lambda read: ask_text("T", "a", help="How many.", read=read),
        lambda read: ask_choice("C", "a", choices("a", "b"), help="How many.", read=read),
        lambda read: ask_path("P", Path("a"), help="How many.", read=read),
    ]
    for ask in asks:
        listener = Listener("?", "?", "")
        ask(listener)
        assert len(listener.asked) == 3
        assert capsys.readouterr().out == "How many.\nHow many.\n"


@pytest.mark.parametrize(
    ("answer", "default", "value"),
    [
        ("", True, True),
        ("", False, False),
        ("y", False, True),
        ("YES", False, True),
        ("1", False, True),
        ("n", True, False),
        ("No", True, False),
    ],
)
def test_yes_and_no(answer: str, default: bool, value: bool) -> None:
    assert ask_yes("Flip?", default, help="", read=Listener(answer)) is value


def test_neither_yes_nor_no_is_asked_again(capsys: Any) -> None:
    assert not ask_yes("Flip?", True, help="", read=Listener("perhaps", "2", "n"))
    assert capsys.readouterr().out.startswith("perhaps is neither yes nor no. Expected y or n.\n2 is neither")


@pytest.mark.parametrize(
    ("answer", "chosen"), [("1", "AMP"), ("saehd", "SAEHD"), ("q", "Quick96"), ("A", "AMP"), ("", "Quick96")]
)
def test_a_list_takes_number_name_or_beginning(answer: str, chosen: str) -> None:
    named = choices("SAEHD", "AMP", "Quick96")
    assert ask_choice("Model", "Quick96", named, help="", read=Listener(answer)) == chosen


def test_what_is_not_in_a_list_or_twice_is_refused(capsys: Any) -> None:
    named = choices("learned-prd", "learned-dst", "dst")
    listener = Listener("9", "learned", "xseg", "dst")
    assert ask_choice("Mask", "dst", named, help="", read=listener) == "dst"
    assert [line for line in capsys.readouterr().out.splitlines() if line[0] != "["] == [
        "9 is not in the list. Expected learned-prd, learned-dst or dst, or a number of the list.",
        "learned may be learned-prd or learned-dst. Type more of the name, or its number.",
        "xseg is not in the list. Expected learned-prd, learned-dst or dst, or a number of the list.",
    ]


@pytest.mark.parametrize("typed", ['"/a b/c.mp4"', "'/a b/c.mp4'", "/a b/c.mp4"])
def test_a_file_that_was_dropped_is_in_quotation_marks(typed: str) -> None:
    assert ask_path("Which video", None, help="", read=Listener(typed)) == Path("/a b/c.mp4")


@pytest.mark.parametrize(
    ("answer", "value"), [("", "auto"), ("AUTO", "auto"), ("au", "auto"), ("12", 12), ("-3", -3), ("x\n400", 400)]
)
def test_a_number_may_also_be_a_word(answer: str, value: Any) -> None:
    listener = Listener("?", *answer.split("\n"))
    assert ask_number_or("Erode", "auto", ("auto",), low=-400, high=400, help="", read=listener) == value
    assert listener.asked[0] == "[auto] Erode ( auto or -400..400 ?:help ) : "


class BrewOptions(Options):
    side: Literal["src", "dst"] = option(..., "Which side.", argument=True)
    kind: Literal["Tea", "Coffee"] = option("Tea", "What is made.", ask="Kind")
    milk: bool = option(False, "With milk.", ask="Milk?", only_if={"kind": ("Coffee",)})
    cups: int = option(2, "How many.", ask="Cups", minimum=1, maximum=9)
    water: Annotated[int, Field(ge=0, le=5)] | Literal["auto"] = option("auto", "How much.", ask="Water")
    strength: float = option(0.5, "How strong.", ask="Strength", minimum=0, maximum=1)
    name: str = option("pot", "Its name.", ask="Name")
    colour: str = option("blue", "Never asked.")


def test_options_are_asked_in_their_order_with_their_ranges() -> None:
    listener = Listener("coffee", "y", "20", "9", "7", "5", "0.25", "Kanne")
    answers = ask_options(BrewOptions, {}, read=listener)
    assert answers == {"kind": "Coffee", "milk": True, "cups": 9, "water": 5, "strength": 0.25, "name": "Kanne"}
    assert listener.asked[2] == "[2] Cups ( 1..9 ?:help ) : "
    assert BrewOptions(side="src", **answers).cups == 9


def test_a_question_that_does_not_matter_is_not_put() -> None:
    listener = Listener("", "", "", "", "")
    assert "milk" not in ask_options(BrewOptions, {}, read=listener)
    assert "milk" in ask_options(BrewOptions, {"kind": "Coffee"}, skip=["kind"], read=Listener(*[""] * 5))


def test_known_values_are_the_defaults_and_skipped_ones_are_not_asked() -> None:
    listener = Listener("", "")
    answers = ask_options(BrewOptions, {"cups": 5, "name": "can"}, skip=["kind", "water", "strength"], read=listener)
    assert answers == {"cups": 5, "name": "can"}
    assert listener.asked == ["[5] Cups ( 1..9 ?:help ) : ", "[can] Name ( ?:help ) : "]


@given(answers=st.lists(st.text(max_size=8).filter(lambda text: text.strip() != "?"), max_size=9))
def test_any_answer_gives_options_that_are_valid(answers: list[str]) -> None:
    listener = Listener(*answers, *[""] * 4)
    BrewOptions(side="dst", **ask_options(BrewOptions, {}, skip=["kind", "milk"], read=listener))


class TrayOptions(Options):
    """Cups stand in rows on a tray."""

    rows: int = option(2, "Rows of the tray.", ask="Rows", minimum=1)
    cups: int = option(4, "Cups on it.", ask="Cups", minimum=1, only_if={"rows": lambda rows: rows < 9})
    cloth: str = option("", "What lies below.", ask="Cloth", offers=lambda place: [Choice("red"), Choice(place.name)])

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        if name == "cups" and known["cups"] % known.get("rows", 1):
            raise UserError(f"{known['cups']} cups do not stand in {known['rows']} rows.", "Take others.")


def test_what_does_not_fit_earlier_answers_is_refused_at_its_question(capsys: Any) -> None:
    kept: list[dict[str, Any]] = []
    listener = Listener("3", "", "8", "6")  # four cups, the default, do not stand in three rows
    answers = ask_options(TrayOptions, {}, read=listener, keep=lambda so_far: kept.append(dict(so_far)))
    assert answers == {"rows": 3, "cups": 6}
    assert capsys.readouterr().out.splitlines()[-1] == "8 cups do not stand in 3 rows. Take others."
    assert listener.asked[1] == "[] Cups ( 1.. ?:help ) : "
    assert kept == [{"rows": 3}, {"rows": 3, "cups": 6}]
    assert ask_options(TrayOptions, {"cups": 7}, read=Listener("", "")) == {"rows": 2, "cups": 4}  # 7 were remembered
    assert ask_options(TrayOptions, {}, read=Listener("9")) == {"rows": 9}


def test_a_list_may_depend_on_the_workspace() -> None:
    place = Path("somewhere/blue")
    assert ask_options(TrayOptions, {}, skip=["rows", "cups"], workspace=place, read=Listener("b")) == {"cloth": "blue"}
    assert ask_options(TrayOptions, {}, skip=["rows", "cups"], workspace=Path("red"), read=Listener("")) == {
        "cloth": "red"
    }


def test_a_closed_input_takes_the_default_and_ctrl_c_stops(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", closed)
    assert ask_number("Batch size", 8, low=2, high=64, help="") == 8
    assert ask_choice("Model", "SAEHD", choices("SAEHD", "AMP"), help="") == "SAEHD"
    with pytest.raises(UserError, match="an answer is needed"):
        ask_path("Which video", None, help="")

    def stopped(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(builtins, "input", stopped)
    with pytest.raises(Stopped):
        read_line("? ")
    monkeypatch.setattr(builtins, "input", lambda prompt: "  5  ")
    assert read_line("? ") == "5"
