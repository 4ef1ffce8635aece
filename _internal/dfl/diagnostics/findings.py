"""What the doctor found out: short facts, each with its advice. Needs nothing but Python, whatever else is broken."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fact. `todo` is advice; `must` says that the program cannot do its work before it is followed."""

    topic: str
    text: str
    todo: str = ""
    must: bool = False


def run_probe(topic: str, probe: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What `probe` finds; a probe that fails is itself a finding, never the end of the doctor."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the user wants to know
        reason = " ".join(str(error).split()) or "no reason given"
        found.append(Finding(topic, f"could not be checked: {type(error).__name__}: {reason}"))
    return found
