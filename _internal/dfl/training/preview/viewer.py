"""State of the preview window: what it shows and what its keys do, without window or process."""

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
    """What is shown at one iteration. pages: by name, uint8 BGR, any size. history: (n, losses)."""

    pages: dict[str, Picture]
    history: NDArray[np.float32]
    iteration: int
    note: str = ""


@dataclass
class Viewer:
    """The page and the range of the graph that are shown; keys change them, or are commands to training."""

    view: View | None = None
    index: int = 0
    shown: int = RANGES[0]
    doing: str = field(default="")

    def take(self, view: View) -> None:
        """Show a newer view; the selected page stays."""
        self.view, self.doing = view, ""
        self.index = min(self.index, max(0, len(view.pages) - 1))

    def press(self, key: int) -> Command | None:
        """Handle a key; returns the command to training, if it is one. key: of cv2.waitKey, upper or lower case."""
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
        """The window's picture: three lines of text, the loss graph, the page; same size for all pages."""
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
    """A page, downscaled to a height of 800 pixels if it is taller."""
    if page.shape[0] <= TALLEST:
        return page
    size = (max(1, round(page.shape[1] * TALLEST / page.shape[0])), TALLEST)
    return cv2.resize(page, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _padded(page: Picture, height: int, width: int) -> Picture:
    """A page padded to this size with dark grey: centred, at the top."""
    padded: Picture = np.full((height, width, 3), int(GRAPH_GREY * 255), np.uint8)
    left = (width - page.shape[1]) // 2
    padded[: page.shape[0], left : left + page.shape[1]] = page
    return padded


def _text(lines: list[str], width: int) -> Picture:
    picture: Picture = np.full((_LINE_HEIGHT * len(lines), width, 3), int(GRAPH_GREY * 255), np.uint8)
    colour = (int(TEXT_GREY * 255),) * 3
    for index, line in enumerate(lines):
        position = (4, _LINE_HEIGHT * (index + 1) - 4)
        cv2.putText(picture, line, position, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return picture
