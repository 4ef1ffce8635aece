"""What the preview window shows and what its keys do; no window and no process here."""

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.training.preview.loss_graph import GRAPH_GREY, RANGES, TEXT_GREY, loss_graph

Command = Literal["save", "backup", "exit", "update"]
# Enter is 13, on some systems 10, on the number pad 141.
COMMANDS: dict[int, Command] = {
    ord("s"): "save",
    ord("b"): "backup",
    ord("p"): "update",
    13: "exit",
    10: "exit",
    141: "exit",
}
NEXT_PAGE, NEXT_RANGE = ord(" "), ord("l")
TALLEST = 800  # pixels of a page in the window
_LINE_HEIGHT = 15
_MIN_WIDTH = 480  # so that the lines of text fit
_DOING = {
    "save": "saving ...",
    "backup": "backing up ...",
    "exit": "saving, then end ...",
    "update": "updating ...",
}


@dataclass(frozen=True)
class View:
    """What training shows at one moment. pages: by name, uint8 BGR, any size. history: (n, losses)."""

    pages: dict[str, Picture]
    history: NDArray[np.float32]
    iteration: int
    note: str = ""


@dataclass
class Viewer:
    """Which page and which range of the graph are shown; keys change them or ask training for something."""

    view: View | None = None
    index: int = 0
    shown: int = RANGES[0]
    doing: str = field(default="")

    def take(self, view: View) -> None:
        """Something newer to show; the page stays."""
        self.view, self.doing = view, ""
        self.index = min(self.index, max(0, len(view.pages) - 1))

    def press(self, key: int) -> Command | None:
        """What a key asks of training, if anything. key: as cv2.waitKey gives it; capitals count as small letters."""
        key = ord(chr(key).lower()) if 0 <= key < 128 else key
        if key == NEXT_PAGE and self.view and self.view.pages:
            self.index = (self.index + 1) % len(self.view.pages)
        elif key == NEXT_RANGE:
            self.shown = RANGES[(RANGES.index(self.shown) + 1) % len(RANGES)]
        command = COMMANDS.get(key)
        if command:
            self.doing = _DOING[command]
        return command

    def canvas(self) -> Picture:
        """The window's picture: three lines of text, the loss graph, the page; of one size for all pages."""
        if not self.view or not self.view.pages:
            return _text(["", "  Training starts ...", ""], _MIN_WIDTH)
        pages = [fitting(page) for page in self.view.pages.values()]
        width = max(_MIN_WIDTH, *(page.shape[1] for page in pages))
        height = max(page.shape[0] for page in pages)
        name = list(self.view.pages)[self.index].replace("_", " ")
        lines = [
            "[s]:save [b]:backup [enter]:exit",
            "[p]:update [space]:next preview [l]:change history range",
            f'Preview: "{name}" [{self.index + 1}/{len(pages)}]  {self.doing or self.view.note}',
        ]
        graph = loss_graph(self.view.history, width, self.view.iteration, self.shown)
        return np.concatenate([_text(lines, width), graph, _padded(pages[self.index], height, width)])


def fitting(page: Picture) -> Picture:
    """A page made smaller to 800 pixels of height, if it is taller."""
    if page.shape[0] <= TALLEST:
        return page
    size = (max(1, round(page.shape[1] * TALLEST / page.shape[0])), TALLEST)
    return cv2.resize(page, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _padded(page: Picture, height: int, width: int) -> Picture:
    """A page in the middle of a dark picture of this size."""
    made: Picture = np.full((height, width, 3), int(GRAPH_GREY * 255), np.uint8)
    left = (width - page.shape[1]) // 2
    made[: page.shape[0], left : left + page.shape[1]] = page
    return made


def _text(lines: list[str], width: int) -> Picture:
    picture: Picture = np.full((_LINE_HEIGHT * len(lines), width, 3), int(GRAPH_GREY * 255), np.uint8)
    colour = (int(TEXT_GREY * 255),) * 3
    for index, line in enumerate(lines):
        place = (4, _LINE_HEIGHT * (index + 1) - 4)
        cv2.putText(picture, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return picture
