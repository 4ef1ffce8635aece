import builtins
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dfl.base.asking import ask_number, ask_number_or, ask_options, ask_text, ask_yes, read_line
from dfl.base.errors import Stopped
from dfl.base.options import Options, option


class Listener:
    """Answers in order, and keeps what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("", 8),
        ("12", 12),
        ("3.9", 3),  # cut to a whole number
        ("1", 2),  # clipped
        ("1000", 64),
        ("-5", 2),
        ("many", 8),  # unreadable: the default
        ("nan", 8),
        ("inf", 8),
        ("1e999", 8),
        ("1_6", 16),
    ],
)
def test_numbers_are_clipped_and_enter_takes_the_default(answer: str, value: int) -> None:
    listener = Listener(answer)
    number = ask_number("Batch size", 8, low=2, high=64, read=listener)
    assert number == value
    assert isinstance(number, int)
    assert listener.asked == ["[8] Batch size ( 2..64 ?:help ) : "]


def test_the_forms_of_questions_are_the_originals() -> None:
    listener = Listener("", "", "", "", "", "")
    ask_number("Power", 0.5, low=0, high=1, whole=False, read=listener)
    ask_number("Iterations", 0, low=0, read=listener)
    ask_number("Shift", 0, read=listener)
    ask_yes("Flip?", True, read=listener)
    ask_text("Name", "new", read=listener)
    ask_text("Face type", "wf", choices=("f", "wf"), read=listener)
    assert listener.asked == [
        "[0.5] Power ( 0..1 ?:help ) : ",
        "[0] Iterations ( 0.. ?:help ) : ",
        "[0] Shift ( ?:help ) : ",
        "[y] Flip? ( y/n ?:help ) : ",
        "[new] Name ( ?:help ) : ",
        "[wf] Face type ( f/wf ?:help ) : ",
    ]


def test_a_question_mark_shows_the_help_and_asks_again(capsys: Any) -> None:
    asks: list[Callable[..., Any]] = [
        lambda read: ask_number("N", 1, help="How many.", read=read),
        lambda read: ask_yes("Y", False, help="How many.", read=read),
        lambda read: ask_text("T", "a", help="How many.", read=read),
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
        ("perhaps", True, True),
        ("perhaps", False, False),
    ],
)
def test_yes_and_no(answer: str, default: bool, value: bool) -> None:
    assert ask_yes("Flip?", default, read=Listener(answer)) is value


def test_a_choice_is_asked_until_it_is_one_whatever_its_letters_size() -> None:
    listener = Listener("saed", "quick 96", "saehd")
    assert ask_text("Model", "Quick96", choices=("SAEHD", "Quick96"), read=listener) == "SAEHD"
    assert len(listener.asked) == 3
    assert ask_text("Model", "Quick96", choices=("SAEHD", "Quick96"), read=Listener("")) == "Quick96"
    assert ask_text("Name", "new", read=Listener("My Model")) == "My Model"


@pytest.mark.parametrize(
    ("answer", "value"),
    [("", "auto"), ("AUTO", "auto"), ("12", 12), ("-3.7", -3), ("900", 400), ("x", "auto"), ("nan", "auto")],
)
def test_a_number_may_also_be_a_word(answer: str, value: Any) -> None:
    listener = Listener("?", answer)
    assert ask_number_or("Erode", "auto", ("auto",), low=-400, high=400, read=listener) == value
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
    listener = Listener("coffee", "y", "20", "7", "0.25", "Kanne")
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


@given(answers=st.lists(st.text(max_size=8).filter(lambda text: text.strip() != "?"), min_size=4, max_size=4))
def test_any_answer_gives_options_that_are_valid(answers: list[str]) -> None:
    given_answers = ask_options(BrewOptions, {}, skip=["kind", "milk"], read=Listener(*answers))
    BrewOptions(side="dst", **given_answers)


def test_a_closed_input_takes_the_default_and_ctrl_c_stops(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", closed)
    assert ask_number("Batch size", 8, low=2, high=64) == 8
    assert ask_text("Model", "SAEHD", choices=("SAEHD",)) == "SAEHD"

    def stopped(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(builtins, "input", stopped)
    with pytest.raises(Stopped):
        read_line("? ")
    monkeypatch.setattr(builtins, "input", lambda prompt: "  5  ")
    assert read_line("? ") == "5"
