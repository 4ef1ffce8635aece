"""Questions in the original's form: `[default] text ( range ?:help ) : `, Enter takes the default."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from dfl.base.errors import Stopped
from dfl.base.options import Options, bounds, declared, number_or_words

Reader = Callable[[str], str]


def read_line(prompt: str) -> str:
    """Read one answer; a closed input takes the default, as Enter does. Ctrl-C stops the run."""
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return ""
    except KeyboardInterrupt:
        raise Stopped from None


def ask_number(
    text: str,
    default: float,
    *,
    low: float | None = None,
    high: float | None = None,
    whole: bool = True,
    help: str = "",
    read: Reader = read_line,
) -> float:
    """Ask for a number; out of range is clipped, unreadable takes the default, `?` shows the help and asks again."""
    range_text = f"{_short(low)}..{_short(high)} " if low is not None or high is not None else ""
    while True:
        answer = read(f"[{default}] {text} ( {range_text}?:help ) : ")
        if answer == "?":
            print(help)
            continue
        value = _number(answer, float(default))
        value = max(value, low) if low is not None else value
        value = min(value, high) if high is not None else value
        return int(value) if whole else value


def _number(answer: str, default: float) -> float:
    """The number that was typed; the default for anything else, infinity too."""
    try:
        value = float(answer)
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def ask_number_or(
    text: str,
    default: int | str,
    words: Sequence[str],
    *,
    low: float,
    high: float,
    help: str = "",
    read: Reader = read_line,
) -> int | str:
    """Ask for a whole number or one of a few words; out of range is clipped, anything else takes the default."""
    while True:
        answer = read(f"[{default}] {text} ( {'/'.join(words)} or {low:g}..{high:g} ?:help ) : ").lower()
        if answer == "?":
            print(help)
            continue
        if answer in words:
            return answer
        value = _number(answer, math.nan)
        return default if math.isnan(value) else int(min(max(value, low), high))


def ask_yes(text: str, default: bool, *, help: str = "", read: Reader = read_line) -> bool:
    """Ask yes or no; anything else takes the default."""
    while True:
        answer = read(f"[{'y' if default else 'n'}] {text} ( y/n ?:help ) : ").lower()
        if answer == "?":
            print(help)
            continue
        return (
            answer in ("y", "yes", "1", "true")
            if answer in ("y", "yes", "n", "no", "1", "0", "true", "false")
            else default
        )


def ask_text(text: str, default: str, *, choices: Sequence[str] = (), help: str = "", read: Reader = read_line) -> str:
    """Ask for text; with `choices`, ask again until the answer (case ignored) is one of them."""
    choice_text = f"{'/'.join(choices)} " if choices else ""
    while True:
        answer = read(f"[{default}] {text} ( {choice_text}?:help ) : ")
        if answer == "?":
            print(help)
            continue
        if not answer:
            return default
        if not choices:
            return answer
        match = [choice for choice in choices if choice.lower() == answer.lower()]
        if match:
            return match[0]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def ask_options(
    declared_in: type[Options],
    defaults: dict[str, Any],
    *,
    skip: Collection[str] = (),
    read: Reader = read_line,
) -> dict[str, Any]:
    """Put the question of every option that has one, in the options' order; returns the answers by name.

    `defaults` overrides the declared default that Enter takes; options named in `skip` are not asked. A question
    whose `only_if` does not hold (for the answers so far, else `defaults`) is left out.
    """
    answers: dict[str, Any] = {}
    fields = declared_in.model_fields
    for name in dict.fromkeys((*declared_in.first_questions, *fields)):
        field = fields[name]
        question = declared(field, "ask")
        if not question or name in skip or not _is_due(field, declared_in, defaults | answers):
            continue
        default = defaults.get(name, declared_in.default_of(name, defaults | answers))
        help = field.description or ""
        low, high = bounds(field)
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        if field.annotation is bool:
            answers[name] = ask_yes(question, bool(default), help=help, read=read)
        elif field.annotation in (int, float):
            whole = field.annotation is int
            answers[name] = ask_number(question, default, low=low, high=high, whole=whole, help=help, read=read)
        elif either := number_or_words(field.annotation):
            words, low, high = either
            answers[name] = ask_number_or(question, default, words, low=low, high=high, help=help, read=read)
        else:
            answers[name] = ask_text(question, str(default), choices=choices, help=help, read=read)
    return answers


def _is_due(field: FieldInfo, declared_in: type[Options], known: dict[str, Any]) -> bool:
    """Whether what was answered so far makes this question worth putting."""
    fields = declared_in.model_fields
    return all(
        known.get(name, fields[name].default) in allowed for name, allowed in (declared(field, "only_if") or {}).items()
    )
