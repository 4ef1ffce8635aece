import base64
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.faceset_tools import faceset_summary
from dfl.faceset_tools.inspect import run
from dfl.faceset_tools.options import InspectOptions
from dfl.workspace import Workspace
from tests.faceset.mean_head_faces import FRAME, write_made_face
from tests.recording_report import RecordingReport


class Tags(HTMLParser):
    """All tags and addresses of a page; an unclosed or crossed tag is an error."""

    VOID = ("meta", "img")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(autouse=True)
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who it is costs most of the time, and made heads are nobody."""
    monkeypatch.setattr(faceset_summary, "SAMPLED_FACES", 2)


@pytest.fixture
def facesets(workspace: Workspace) -> Workspace:
    """src looks ahead, dst half to the left too; one face of src reaches beyond its frame, two are near equal."""
    src, dst = workspace.aligned("src"), workspace.aligned("dst")
    write_picture(workspace.frames("src") / "00001.png", np.zeros((*FRAME, 3), np.uint8))
    for number, yaw in enumerate((-4, -1, 0, 1, 4)):
        write_made_face(src / f"{number:05}_0.jpg", yaw, tint=100 + 20 * number)
    write_made_face(src / "beyond.jpg", left=-60, tint=230)
    write_made_face(src / "again.jpg", tint=140)
    for number, yaw in enumerate((0, 1, 38, 39, 40, 41)):
        write_made_face(dst / f"{number:05}_0.jpg", yaw, tint=100 + 10 * number)
    return workspace


def test_both_sets_are_told_here_and_on_the_page(facesets: Workspace) -> None:
    report = RecordingReport()
    run(facesets, InspectOptions(), report)
    assert re.search(r"MISSING  67% of dst's faces look (half )?left.*, where src has no faces", report.text)
    assert "THROW AWAY  src: 1 face is doubtful, beyond.jpg." in report.text
    assert re.search(r"^faces +7 +6$", report.text, re.M)
    page = facesets.inspect_page.read_text(encoding="utf-8")
    tags = Tags(page)
    assert "of its 68 landmarks lie outside the frame" in tags.words
    assert "dfl trash src beyond.jpg" in tags.words
    assert tags.seen.count("svg") == 5
    assert report.lines[-1].startswith("The page with pictures and maps:")


def test_the_page_needs_nothing_else(facesets: Workspace) -> None:
    run(facesets, InspectOptions(), RecordingReport())
    tags = Tags(facesets.inspect_page.read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe", "object"} & set(tags.seen)
    assert tags.addresses
    for address in tags.addresses:
        kind, _, content = address.partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (112, 112, 3)


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
def test_names_of_files_are_only_text_on_the_page(facesets: Workspace) -> None:
    name = "<img src=x onerror=alert(1)>&\"'.jpg"
    write_made_face(facesets.aligned("src") / name, left=-80, tint=60)
    run(facesets, InspectOptions(), RecordingReport())
    tags = Tags(facesets.inspect_page.read_text(encoding="utf-8"))
    assert "x" not in tags.addresses
    assert "<img src=x onerror=alert(1)>" in tags.words


def test_one_side_can_be_inspected_alone(facesets: Workspace) -> None:
    report = RecordingReport()
    run(facesets, InspectOptions(sides="dst"), report)
    assert "src" not in report.text.replace(str(facesets.root), "").replace("data_src", "")
    words = Tags(facesets.inspect_page.read_text(encoding="utf-8")).words
    assert "dst, inspected" in words
    assert "dst where src lacks faces" not in words


def test_a_set_that_is_not_there_yet_is_missing(workspace: Workspace) -> None:
    write_made_face(workspace.aligned("src") / "00001_0.jpg")
    report = RecordingReport()
    run(workspace, InspectOptions(), report)
    assert "MISSING  dst (the video it goes into) has no faces." in report.text
    assert workspace.inspect_page.is_file()


def test_without_any_faces_nothing_is_written(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="There are no faces"):
        run(workspace, InspectOptions(), RecordingReport())
    assert not workspace.inspect_page.exists()


def test_a_damaged_picture_is_counted(facesets: Workspace) -> None:
    path = facesets.aligned("src") / "again.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\xff\xda") + 40])
    report = RecordingReport()
    run(facesets, InspectOptions(sides="src"), report)
    assert "src: 1 picture is damaged" in report.text
    assert "dfl trash src again.jpg" in report.text


def test_a_frame_that_is_gone_is_no_doubt(facesets: Workspace) -> None:
    Path(facesets.frames("src") / "00001.png").unlink()
    report = RecordingReport()
    run(facesets, InspectOptions(sides="src"), report)
    assert "doubtful," not in report.text
