"""The stage verify."""

from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.video.marking import COMMENT, mark_result
from dfl.video.options import VerifyOptions
from dfl.video.verify import run
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker, ffmpeg


def test_a_marked_video(workspace: Workspace, make_clip: ClipMaker, tmp_path: Path, report: RecordingReport) -> None:
    pytest.importorskip("c2pa")
    path = tmp_path / "result.mp4"
    ffmpeg("-i", make_clip("plain.mp4"), "-c", "copy", "-metadata", f"comment={COMMENT}", path)
    mark_result(path)
    run(workspace, VerifyOptions(file=path), report)
    assert report.lines == [
        "tag: Contains AI-altered faces",
        "XMP: compositeWithTrainedAlgorithmicMedia",
        "Content Credentials: valid: nothing was changed since it was signed",
        "result.mp4: marked: tag, XMP, Content Credentials",
    ]
    content = bytearray(path.read_bytes())
    content[content.index(b"mdat") + 200] ^= 1
    path.write_bytes(content)
    run(workspace, VerifyOptions(file=path), report)
    assert report.lines[-2] == "Content Credentials: INVALID: the file was changed after it was signed"
    assert report.counts == {"layers": 2, "credentials": "changed"}


def test_an_unmarked_video(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    run(workspace, VerifyOptions(file=make_clip("plain.mp4")), report)
    assert report.lines[-1] == "plain.mp4: not marked"
    assert report.lines[:2] == ["tag: none", "XMP: none"]


def test_xmp_of_another_kind(workspace: Workspace, tmp_path: Path, report: RecordingReport) -> None:
    path = tmp_path / "photo.jpg"
    packet = b'<rdf:Description Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalCapture"/>'
    data = b"http://ns.adobe.com/xap/1.0/\0" + packet
    path.write_bytes(b"\xff\xd8\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data + b"\xff\xda\0\2\xff\xd9")
    run(workspace, VerifyOptions(file=path), report)
    assert report.lines[1] == "XMP: another source type: http://cv.iptc.org/newscodes/digitalCapture"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".png", ".jpg"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_half_a_file_is_told(
    workspace: Workspace, make_clip: ClipMaker, tmp_path: Path, report: RecordingReport, suffix: str, share: float
) -> None:
    path = tmp_path / f"result{suffix}"
    ffmpeg("-i", make_clip("plain.mp4"), *(("-frames:v", "1") if suffix in (".png", ".jpg") else ()), path)
    run(workspace, VerifyOptions(file=path), report)
    assert not report.warnings
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    run(workspace, VerifyOptions(file=path), report)
    assert "its end is missing" in report.warnings[0]
    assert report.lines[-1] == f"result{suffix} (not whole): not marked"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is a folder"),
        (b"", r"is empty \(0 bytes\)"),
        ("Grüße".encode(), "is a text"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"PK\3\4" + bytes(range(256)), "is an archive"),
        (bytes(1000), "nothing but zeros"),
        (bytes(range(128, 256)), "no video or picture that can be read"),
    ],
)
def test_what_is_no_video_or_picture_is_called_what_it_is(
    workspace: Workspace, tmp_path: Path, report: RecordingReport, content: bytes | None, words: str
) -> None:
    path = tmp_path / "result.mp4"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        run(workspace, VerifyOptions(file=path), report)


def test_a_missing_file(workspace: Workspace, tmp_path: Path, report: RecordingReport) -> None:
    with pytest.raises(UserError, match="is not there"):
        run(workspace, VerifyOptions(file=tmp_path / "none.mp4"), report)
