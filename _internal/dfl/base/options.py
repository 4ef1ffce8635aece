"""An option is declared once: this gives the flag, the question, the saved value, the check and the manual's line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from dfl.base.errors import UserError


@dataclass(frozen=True)
class Choice:
    """One line of a list to choose from. name: what is taken; text: what is shown, the name if empty.

    is_default: whether Enter takes it where nothing else is known.
    """

    name: str
    text: str = ""
    is_default: bool = False


# What an option can be in a workspace, where that depends on the machine or on what is there.
Offers = Callable[[Path], Sequence[Choice]]


class Options(BaseModel):
    """Options of a stage. Each stage has one subclass of this; its fields are made by `option`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    # Names of options whose questions come first, in this order; the others follow as they are declared.
    first_questions: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """The default of an option. A stage may let it depend on what is known of the others."""
        return new_default(cls.model_fields[name])

    @classmethod
    def pointless_questions(cls, workspace: Path, known: dict[str, Any]) -> set[str]:
        """Names of options whose questions make no sense in a workspace, by what is known of the others."""
        del workspace, known
        return set()

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """UserError where the value of an option cannot be with those that are known of the others."""

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """UserError where a workspace lacks what the stage works on. Called before questions are put."""


def option(
    default: Any,
    help: str,
    *,
    ask: str = "",
    fixed: bool = False,
    argument: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    only_if: Mapping[str, tuple[Any, ...] | Callable[[Any], bool]] | None = None,
    offers: Offers | None = None,
    new: Any = None,
) -> Any:
    """Declare one option of a stage.

    `help`: one sentence for --help and the manual. `ask`: the question that `--ask` puts; empty: never asked.
    `fixed`: cannot change after a model exists. `argument`: given by position (`src`, a file), not as a flag.
    `default` of `...` makes it required. `minimum` and `maximum` are inclusive. `only_if`: the question is put only
    when each option named there has one of the values, or one for which the function says so. `offers`: the list that
    the question shows, where it is not declared; without a choice it is not put. `new`: default where nothing was
    stored before, if `default` is what counts for values that were stored before the option came.
    """
    extra: dict[str, Any] = {
        "ask": ask,
        "fixed": fixed,
        "argument": argument,
        "only_if": only_if or {},
        "offers": offers,
        "new": new,
    }
    return Field(default, description=help, ge=minimum, le=maximum, json_schema_extra=extra)


Checked = TypeVar("Checked", bound=Options)


def checked(kind: type[Checked], values: dict[str, Any], todo: str) -> Checked:
    """The options of these values; UserError names the first that cannot be. todo: the way out."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else kind.__name__
        raise UserError(f"{name}: {first['msg']}. Got {first['input']!r}.", todo) from error


def declared(field: FieldInfo, key: str) -> Any:
    """The argument of `option` with that name (ask, fixed, argument, only_if, offers, new)."""
    extra = field.json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


def new_default(field: FieldInfo) -> Any:
    """The default of an option where nothing was stored before."""
    new = declared(field, "new")
    return field.default if new is None else new


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The smallest and largest allowed value of an option, None where open."""
    low = next((part.ge for part in field.metadata if getattr(part, "ge", None) is not None), None)
    high = next((part.le for part in field.metadata if getattr(part, "le", None) is not None), None)
    return low, high


def number_or_words(kind: Any) -> tuple[tuple[str, ...], float, float] | None:
    """Words, smallest and largest number of `Annotated[int, Field(ge=1, le=9)] | Literal["auto"]`; None for others."""
    parts = get_args(kind)
    words = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    for part in parts:
        if words and get_origin(part) is Annotated and get_args(part)[0] is int:
            low, high = bounds(get_args(part)[1])
            if low is not None and high is not None:
                return words, low, high
    return None
