"""Which frames an extraction takes, in which order, and as what they are seen."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture, write_picture
from dfl.base.report import Report
from dfl.extraction.extract_faces import run
from dfl.extraction.frame_source import open_source
from dfl.extraction.options import ExtractFacesOptions
from dfl.faceset.aligned_face import read_face
from dfl.faceset.faceset import list_faceset
from dfl.video import extract_frames
from dfl.video.options import ExtractFramesOptions
from dfl.workspace import Workspace

OPTIONS = ExtractFacesOptions(side="src", image_size=128, setting="fast", workers=1)


def test_frames_come_in_natural_order_whatever_their_kind(workspace: Workspace) -> None:
    names = [f"img{number}.{kind}" for number, kind in zip(range(1, 15), 7 * ["png", "bmp"], strict=True)]
    for name in [*names, "._img1.png"]:
        write_picture(workspace.frames("src") / name, np.zeros((4, 4, 3), np.uint8))
    assert [name for part in open_source(workspace, OPTIONS, Report()) for name in part.names] == names


def test_frames_that_cannot_be_read_are_named_and_never_no_frames(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        (workspace.frames("src") / f"IMG_{number}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    for stage in (
        lambda: open_source(workspace, OPTIONS, Report()),
        lambda: open_source(workspace, OPTIONS.model_copy(update={"source": "frames"}), Report()),
        lambda: extract_frames.run(workspace, ExtractFramesOptions(side="src"), Report()),
    ):
        with pytest.raises(UserError, match=r"2 files \(IMG_1\.heic, IMG_2\.heic\)") as caught:
            stage()
        assert "PNG or JPEG" in caught.value.todo
    write_picture(workspace.frames("src") / "IMG_3.png", np.zeros((4, 4, 3), np.uint8))
    assert len(open_source(workspace, OPTIONS, Report())) == 1
    assert "2 files (IMG_1.heic, IMG_2.heic) left out" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_photo_that_lies_on_its_side_gives_an_upright_face(workspace: Workspace, officer: Picture) -> None:
    shown = Image.fromarray(officer[:, :, ::-1])
    folder = workspace.frames("src")
    shown.save(folder / "1.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 8
    file = io.BytesIO()
    shown.transpose(Image.Transpose.ROTATE_270).save(file, "JPEG", quality=95, exif=exif)
    (folder / "2.jpg").write_bytes(file.getvalue())
    run(workspace, OPTIONS, Report())
    upright, turned = (read_face(path) for path in list_pictures(workspace.aligned("src")))
    difference = np.abs(upright.metadata.source_landmarks - turned.metadata.source_landmarks)
    assert difference.max() < 3
    assert np.abs(upright.picture.astype(int) - turned.picture).mean() < 12, "upside down it is 50 and more"


@pytest.mark.slow
def test_faces_found_in_frames_that_lay_on_their_side_are_looked_for_anew(
    workspace: Workspace, officer: Picture
) -> None:
    """What was found before frames were turned and naturally ordered holds for frames otherwise only."""

    def searched(name: str) -> bool:
        for path in list_pictures(workspace.frames("src")):
            path.unlink()
        write_picture(workspace.frames("src") / name, officer)
        run(workspace, OPTIONS, Report())
        journal = workspace.frames("src") / "found_faces.jsonl"
        first, *lines = journal.read_text(encoding="utf-8").splitlines()
        signature = json.loads(first)["options"]
        older = {key: value for key, value in signature.items() if key not in ("turned", "order")}
        without_faces = [json.dumps(json.loads(line) | {"faces": []}) for line in lines]
        journal.write_text("\n".join([json.dumps({"options": older}), *without_faces]) + "\n", encoding="utf-8")
        run(workspace, OPTIONS, Report())
        return bool(json.loads(journal.read_text(encoding="utf-8").splitlines()[1])["faces"])

    assert searched("1.jpg")
    assert not searched("00001.png")


@pytest.mark.slow
def test_hidden_files_in_aligned_are_no_faces_of_another_program(
    workspace: Workspace, officer: Picture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(workspace.frames("src") / "00001.png", officer)
    for name in (".DS_Store", "Thumbs.db", "._00001_0.jpg"):
        (workspace.aligned("src") / name).write_bytes(b"")
    run(workspace, OPTIONS, Report())
    assert "not made here" not in capsys.readouterr().out
    assert not (workspace.frames("src") / "aligned_before_1").exists()
    assert Path(workspace.aligned("src") / ".DS_Store").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("format", ["jpg", "png"])
def test_a_picture_under_the_name_of_a_new_face_goes_to_the_trash(
    workspace: Workspace, officer: Picture, format: str
) -> None:
    options = OPTIONS.model_copy(update={"format": format})
    write_picture(workspace.frames("src") / "00001.png", officer)
    run(workspace, options, Report())
    face, own = f"00001_0.{format}", f"00002_0.{format}"
    write_picture(workspace.aligned("src") / own, officer[:100, :100])
    before = {name: (workspace.aligned("src") / name).read_bytes() for name in (face, own)}
    write_picture(workspace.frames("src") / "00002.png", officer)
    run(workspace, options, Report())
    assert (workspace.aligned_trash("src") / own).read_bytes() == before[own]
    assert (workspace.aligned("src") / face).read_bytes() == before[face]
    assert len(list_faceset(workspace.aligned("src"))) == 2
