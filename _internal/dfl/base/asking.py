"""Questions in the original's form: `[default] text ( range ?:help ) : `, Enter takes the default.

An answer that cannot be is refused at its question, with what can be, and the question is put again. What was
understood is shown when it differs from what was typed. A closed input takes the default, as Enter does.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from dfl.base.errors import Stopped, UserError
from dfl.base.options import Choice, Options, bounds, declared, number_or_words

Reader = Callable[[str], str]
Value = TypeVar("Value")
# (name of an option, answers and known values by name): UserError where the value of that name cannot be.
Check = Callable[[str, Mapping[str, Any]], None]
_YES, _NO = ("y", "yes", "1", "true", "on"), ("n", "no", "0", "false", "off")
# Choices stand in the question if they are no more letters than this, else each has a line.
_INLINE_LETTERS = 48


def read_line(prompt: str) -> str:
    """Read one answer. EOFError where the input has ended. Ctrl-C stops the run."""
    try:
        return input(prompt).strip()
    except KeyboardInterrupt:
        raise Stopped from None


def ask(
    prompt: str,
    default: Value | None,
    understand: Callable[[str], Value],
    *,
    help: str,
    listing: Sequence[str] = (),
    check: Callable[[Value], object] | None = None,
    read: Reader = read_line,
) -> Value:
    """Put one question until it has an answer that can be.

    default: what Enter takes; None where only an answer will do. understand, check: raise UserError for what cannot be.
    listing: lines above the question. UserError where the input has ended and Enter is no answer.
    """
    shown_default = "" if default is None else shown(default)
    while True:
        for line in listing:
            print(line)
        has_ended = False
        try:
            answer = read(f"[{shown_default}] {prompt} : ")
        except EOFError:
            print()
            answer, has_ended = "", True
        if answer == "?":
            print(help)
            continue
        try:
            value = understand(answer) if answer else default
            if value is None:
                raise UserError(f"{prompt.partition(' (')[0]}: an answer is needed.", "? explains.")
            if check:
                check(value)
        except UserError as error:
            if has_ended:
                raise
            print(f"{error.what} {error.todo}")
            continue
        if answer and shown(value) != answer:
            print(f"Taken: {shown(value)}")
        return value


def shown(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "y" if value else "n"
    return f"{value:g}" if isinstance(value, float) else str(value)


def ask_number(
    text: str,
    default: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    whole: bool = True,
    help: str,
    check: Callable[[float], object] | None = None,
    read: Reader = read_line,
) -> float:
    """Ask for a number within a range, bounds included."""
    room = _range(low, high)

    def understand(answer: str) -> float:
        return _number(answer, low, high, whole)

    prompt = f"{text} ( {f'{room} ' if room else ''}?:help )"
    return ask(prompt, default, understand, help=help, check=check, read=read)


def ask_number_or(
    text: str,
    default: int | str | None,
    words: Sequence[str],
    *,
    low: float,
    high: float,
    help: str,
    check: Callable[[int | str], object] | None = None,
    read: Reader = read_line,
) -> int | str:
    """Ask for a whole number or one of a few words."""

    def understand(answer: str) -> int | str:
        fitting = [word for word in words if word.startswith(answer.lower())]
        return fitting[0] if len(fitting) == 1 else int(_number(answer, low, high, True, words))

    prompt = f"{text} ( {'/'.join(words)} or {_range(low, high)} ?:help )"
    enter: Any = default  # of two types in one variable mypy makes `object`
    taken: int | str = ask(prompt, enter, understand, help=help, check=check, read=read)
    return taken


def _number(answer: str, low: float | None, high: float | None, whole: bool, words: Sequence[str] = ()) -> float:
    """The number that was typed, with a point or a comma; UserError for anything else."""
    room = _range(low, high) if high is not None else "" if low is None else f"{_short(low)} or more"
    wanted = (
        f"Expected {' or '.join([*words, 'a whole number' if whole else 'a number'])}{f', {room}' if room else ''}."
    )
    try:
        value = float(answer.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (whole and value != int(value)):
        raise UserError(f"{answer} is no {'whole ' if whole else ''}number.", wanted)
    if (low is not None and value < low) or (high is not None and value > high):
        raise UserError(f"{answer} is out of range.", wanted)
    return int(value) if whole else value


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None and high is None else f"{_short(low)}..{_short(high)}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def ask_yes(
    text: str,
    default: bool | None,
    *,
    help: str,
    check: Callable[[bool], object] | None = None,
    read: Reader = read_line,
) -> bool:
    """Ask yes or no."""

    def understand(answer: str) -> bool:
        if answer.lower() not in _YES + _NO:
            raise UserError(f"{answer} is neither yes nor no.", "Expected y or n.")
        return answer.lower() in _YES

    return ask(f"{text} ( y/n ?:help )", default, understand, help=help, check=check, read=read)


def ask_text(
    text: str,
    default: str | None,
    *,
    help: str,
    check: Callable[[str], object] | None = None,
    read: Reader = read_line,
) -> str:
    """Ask for text."""
    return ask(f"{text} ( ?:help )", default, str, help=help, check=check, read=read)


def ask_path(
    text: str,
    default: Path | None,
    *,
    help: str,
    check: Callable[[Path], object] | None = None,
    read: Reader = read_line,
) -> Path:
    """Ask for a file or folder; one dropped on the window comes in quotation marks."""

    def understand(answer: str) -> Path:
        is_quoted = len(answer) > 1 and answer[0] == answer[-1] and answer[0] in "\"'"
        return Path(answer[1:-1] if is_quoted else answer)

    return ask(f"{text} ( type it or drop it here ?:help )", default, understand, help=help, check=check, read=read)


def ask_choice(
    text: str,
    default: str | None,
    choices: Sequence[Choice],
    *,
    help: str,
    check: Callable[[str], object] | None = None,
    read: Reader = read_line,
) -> str:
    """Ask for one of a list by its number, its name (case ignored) or the beginning of one name alone."""
    inline = "/".join(f"{number}:{choice.name}" for number, choice in enumerate(choices))
    is_long = len(inline) > _INLINE_LETTERS or any(choice.text for choice in choices)
    listing = (text, *numbered(choices)) if is_long else ()
    prompt = f"{text} ( {f'0..{len(choices) - 1} or a name' if is_long else inline} ?:help )"

    def understand(answer: str) -> str:
        chosen = choice_of(answer, choices)
        if chosen is None:
            raise UserError(f"{answer} is not in the list.", f"Expected {_names(choices)}, or a number of the list.")
        return chosen

    return ask(prompt, default, understand, help=help, listing=listing, check=check, read=read)


def numbered(choices: Sequence[Choice]) -> list[str]:
    """The lines of a list."""
    return [f"[{number}] {choice.text or choice.name}" for number, choice in enumerate(choices)]


def choice_of(answer: str, choices: Sequence[Choice]) -> str | None:
    """The name of the choice that was meant, None if none was; UserError for a beginning that several have."""
    typed = answer.lower()
    names = [choice.name for choice in choices]
    if same := [name for name in names if name.lower() == typed]:
        return same[0]
    if typed.isdecimal():
        return names[int(typed)] if int(typed) < len(names) else None
    begun = [name for name in names if typed and name.lower().startswith(typed)]
    if len(begun) > 1:
        raise UserError(f"{answer} may be {' or '.join(begun)}.", "Type more of the name, or its number.")
    return begun[0] if begun else None


def _names(choices: Sequence[Choice]) -> str:
    *others, last = (choice.name for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


def ask_options(
    declared_in: type[Options],
    defaults: Mapping[str, Any],
    *,
    skip: Collection[str] = (),
    workspace: Path | None = None,
    check: Check | None = None,
    keep: Callable[[dict[str, Any]], None] | None = None,
    read: Reader = read_line,
) -> dict[str, Any]:
    """Put the question of every option that has one, in the options' order; returns the answers by name.

    `defaults` overrides the declared default that Enter takes; options named in `skip` are not asked, and their values
    in `defaults` hold. A question whose `only_if` does not hold (for the answers so far, else `defaults`) is left out,
    as is one with `offers` that offers no choice in the workspace. `check`: what cannot be, beside what the options
    refuse themselves. `keep`: called with the answers so far after each of them.
    """
    answers: dict[str, Any] = {}
    settled = {name: value for name, value in defaults.items() if name in skip}
    fields = declared_in.model_fields

    def refuse(name: str, value: Any) -> None:
        known = settled | answers | {name: value}
        declared_in.check_answer(name, known)
        if check:
            check(name, known)

    for name in dict.fromkeys((*declared_in.first_questions, *fields)):
        field = fields[name]
        if not declared(field, "ask") or name in skip or not _is_due(field, declared_in, {**defaults, **answers}):
            continue
        choices = _choices(field, workspace)
        if choices is not None and len(choices) < 2:
            continue
        usual = declared_in.default_of(name, {**defaults, **answers})
        default = next(
            (value for value in (defaults.get(name), usual) if _can_be(name, value, field, choices, refuse)), None
        )
        answers[name] = _ask_option(field, default, choices, partial(refuse, name), read)
        if keep:
            keep(answers)
    return answers


def _choices(field: FieldInfo, workspace: Path | None) -> Sequence[Choice] | None:
    """What an option can be, None where it has no list."""
    if offers := declared(field, "offers"):
        found: Sequence[Choice] = offers(workspace) if workspace else ()
        return found
    names = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return [Choice(str(name)) for name in names] or None


def _can_be(
    name: str, value: Any, field: FieldInfo, choices: Sequence[Choice] | None, refuse: Callable[[str, Any], object]
) -> bool:
    """Whether Enter may take this value."""
    low, high = bounds(field)
    if value is None or (field.is_required() and value == field.default):
        return False
    if isinstance(value, (int, float)) and ((low is not None and value < low) or (high is not None and value > high)):
        return False
    if choices is not None and value not in [choice.name for choice in choices]:
        return False
    try:
        refuse(name, value)
    except UserError:
        return False
    return True


def _ask_option(
    field: FieldInfo,
    default: Any,
    choices: Sequence[Choice] | None,
    check: Callable[[Any], object],
    read: Reader,
) -> Any:
    """Put the question of one option."""
    question, help = str(declared(field, "ask")), field.description or ""
    if choices is not None:
        usual = next((choice for choice in choices if choice.is_default), choices[0])
        return ask_choice(question, default or usual.name, choices, help=help, check=check, read=read)
    if field.annotation is bool:
        return ask_yes(question, default, help=help, check=check, read=read)
    if field.annotation in (int, float):
        low, high = bounds(field)
        is_whole = field.annotation is int
        return ask_number(question, default, low=low, high=high, whole=is_whole, help=help, check=check, read=read)
    if either := number_or_words(field.annotation):
        words, low, high = either
        return ask_number_or(question, default, words, low=low, high=high, help=help, check=check, read=read)
    if field.annotation is Path:
        return ask_path(question, default, help=help, check=check, read=read)
    return ask_text(question, default, help=help, check=check, read=read)


def _is_due(field: FieldInfo, declared_in: type[Options], known: Mapping[str, Any]) -> bool:
    """Whether what was answered so far makes this question worth putting."""
    fields = declared_in.model_fields
    for name, wanted in (declared(field, "only_if") or {}).items():
        value = known.get(name, fields[name].default)
        if not (wanted(value) if callable(wanted) else value in wanted):
            return False
    return True
