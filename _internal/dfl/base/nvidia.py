"""The NVIDIA cards that this process may use, as the driver's nvidia-smi reports them: names, memory, parts of cards.

CUDA_VISIBLE_DEVICES hides cards and orders them; nvidia-smi ignores it. A card that is split (MIG)
is used by its parts, and a process sees one of them.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GB = 2**30
_QUERY = ["--query-gpu=index,uuid,memory.total,memory.free,name", "--format=csv,noheader,nounits"]
# Number, UUID, MiB in all, MiB free, name; some drivers report the name alone.
_LINE = re.compile(r"(?:(\d+), (GPU-[^,]+), ([^,]+), ([^,]+), )?(.+)")
# `nvidia-smi -L`: a card, and below it its parts: "  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-...)".
_CARD = re.compile(r"GPU (\d+): .*\(UUID: (GPU-[^)]+)\)")
_PART = re.compile(r"\s+(MIG \S+g\.(\d+)gb\S*)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)")


@dataclass(frozen=True)
class Card:
    """A card, or a part of one. uuid: empty where the driver does not report it. Bytes: 0 where not."""

    name: str
    uuid: str = ""
    total_bytes: int = 0
    free_bytes: int = 0

    def summary(self) -> str:
        """Name and memory, for people."""
        if not self.total_bytes:
            return self.name
        free = f", {self.free_bytes / _GB:.1f} GB free" if self.free_bytes else ""
        return f"{self.name}, {self.total_bytes / _GB:.0f} GB{free}"


def visible_cards(environment: Mapping[str, str] = os.environ) -> list[Card]:
    """The cards that CUDA shows this process, in its order as far as that is known; empty without any."""
    cards = read_cards(_answer(_QUERY), _answer(["-L"]))
    return chosen_cards(cards, environment.get("CUDA_VISIBLE_DEVICES"))


def card_of(name: str, environment: Mapping[str, str] = os.environ) -> Card | None:
    """The card of the name that an engine gives its first device; None when there is none.

    The name decides, not the number: CUDA puts the fastest card first, which nvidia-smi does not report.
    """
    cards = read_cards(_answer(_QUERY), _answer(["-L"]))
    shown = chosen_cards(cards, environment.get("CUDA_VISIBLE_DEVICES"))
    return next((card for card in (*shown, *cards) if card.name == name), None)


def read_cards(query: str, listing: str) -> list[Card]:
    """Cards out of the answers to the query and to -L; a split card as its parts."""
    parts: dict[str, list[tuple[str, int, str]]] = {}
    uuid = ""
    for line in listing.splitlines():
        if card := _CARD.match(line):
            uuid = card[2]
        elif part := _PART.match(line):
            parts.setdefault(uuid, []).append((part[1], int(part[2]) * 2**30, part[3]))
    cards = []
    for line in query.splitlines():
        if not (found := _LINE.fullmatch(line.strip())):
            continue
        _, uuid, total, free, name = found.groups(default="")
        # For a part the driver reports no free memory; its nominal size is a little more than it has.
        cards += [
            Card(f"{name} {kind}", own, size * 19 // 20, size * 19 // 20) for kind, size, own in parts.get(uuid, [])
        ] or [Card(name, uuid, _bytes(total), _bytes(free))]
    return cards


def chosen_cards(cards: Sequence[Card], visible: str | None) -> list[Card]:
    """The cards that a value of CUDA_VISIBLE_DEVICES shows: numbers or the beginnings of UUIDs, up to a wrong one."""
    if visible is None:
        shown = list(cards)
    else:
        shown = []
        for word in visible.split(","):
            card = _named(cards, word.strip())
            if card is None or card in shown:
                break
            shown.append(card)
    return shown[:1] if shown and " MIG " in shown[0].name else shown


def _named(cards: Sequence[Card], word: str) -> Card | None:
    if word.isdigit():
        return cards[int(word)] if int(word) < len(cards) else None
    return next((card for card in cards if word and card.uuid.startswith(word)), None)


def _bytes(megabytes: str) -> int:
    return int(megabytes) * 2**20 if megabytes.strip().isdigit() else 0


def _answer(arguments: list[str]) -> str:
    """The output of nvidia-smi; empty where it is missing or fails."""
    try:
        return subprocess.run(
            ["nvidia-smi", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=15,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return ""
