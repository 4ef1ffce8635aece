import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base import pickle_writer
from dfl.base.errors import UserError
from dfl.base.pictures import encode_picture
from dfl.base.report import Report
from dfl.data.batches import load_training_faces
from dfl.faceset.face_metadata import FaceMetadata, metadata_to_dict
from dfl.faceset.faceset import list_faceset
from dfl.faceset.png_faces import picture_size, read_old_png
from dfl.faceset.sidecar import gather_notes
from dfl.faceset_tools import export_mask, pack, resize, restore_metadata, save_metadata, sort
from dfl.faceset_tools.options import (
    ExportMaskOptions,
    PackOptions,
    ResizeOptions,
    RestoreMetadataOptions,
    SaveMetadataOptions,
    SortOptions,
)
from dfl.workspace import FACESET_INDEX, Workspace

PICTURE = np.random.default_rng(1).integers(0, 256, (40, 56, 3)).astype(np.uint8)


def _with_chunk(png: bytes, data: bytes, name: bytes = b"fcWp") -> bytes:
    """The chunk before the end, where DeepFaceLab put it."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return png[:-12] + chunk + png[-12:]


@pytest.fixture
def metadata(tmp_path: Path, write_faces: Any) -> FaceMetadata:
    made: FaceMetadata = write_faces(tmp_path / "elsewhere", "a.jpg")["a.jpg"]
    return made


def test_face_data_of_old_pngs_are_read(tmp_path: Path, metadata: FaceMetadata) -> None:
    values = metadata_to_dict(metadata) | {"yaw_value": 0.5, "pitch_value": None}
    png = encode_picture(PICTURE[:40, :40], ".png")
    (tmp_path / "old.png").write_bytes(_with_chunk(png, pickle_writer.dumps(values)))
    (tmp_path / "none.png").write_bytes(png)
    (face,) = list_faceset(tmp_path)
    assert (face.name, face.shape) == ("old.png", (40, 40, 3))
    assert np.array_equal(face.metadata.landmarks, metadata.landmarks)
    assert face.metadata.source_filename == metadata.source_filename
    assert face.metadata.other == {"yaw_value": 0.5}


@pytest.mark.parametrize("data", [b"cos\nsystem\n(Vtouch ran\ntR.", b"x", b"]."])
def test_hostile_and_damaged_chunks_are_refused(data: bytes, tmp_path: Path) -> None:
    content = _with_chunk(encode_picture(PICTURE, ".png"), data)
    if data == b"].":
        assert read_old_png(content, "a.png") is None  # no data
        return
    with pytest.raises(UserError, match=r"a\.png"):
        read_old_png(content, "a.png")


def test_a_chunk_that_is_longer_than_the_file_is_refused() -> None:
    content = encode_picture(PICTURE, ".png")[:-12] + struct.pack(">I", 2**31 - 1) + b"fcWp" + b"x" * 50
    with pytest.raises(UserError, match="cut"):
        read_old_png(content, "a.png")
    assert read_old_png(encode_picture(PICTURE, ".png")[:30], "a.png") is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_size_stands_in_the_first_bytes(suffix: str) -> None:
    assert picture_size(encode_picture(PICTURE, suffix)[:8192], "a") == (40, 56)


def test_all_kinds_of_webp_say_their_size() -> None:
    lossless = cv2.imencode(".webp", PICTURE)[1].tobytes()
    alpha = np.dstack([PICTURE, PICTURE[:, :, 0]])
    extended = cv2.imencode(".webp", alpha, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()
    lossy = encode_picture(PICTURE, ".webp", 80)
    assert {content[12:16] for content in (lossless, extended, lossy)} == {b"VP8L", b"VP8X", b"VP8 "}
    for content in (lossless, extended, lossy):
        assert picture_size(content, "a.webp") == (40, 56)


@pytest.mark.parametrize("content", [b"", b"RIFF1234WEBPVP8 ", b"RIFF1234WEBPXXXX" + b"x" * 20, b"BM" + b"x" * 60])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="not a picture"):
        picture_size(content, "a")


def _stages(workspace: Workspace) -> list[Callable[[], object]]:
    """What a user may call next; each must say why there are no faces."""
    return [
        lambda: sort.run(workspace, SortOptions(side="src", by="origname"), Report()),
        lambda: export_mask.run(workspace, ExportMaskOptions(side="src"), Report()),
        lambda: resize.run(workspace, ResizeOptions(side="src"), Report()),
        lambda: save_metadata.run(workspace, SaveMetadataOptions(side="src"), Report()),
        lambda: load_training_faces(workspace.aligned("src"), Report()),
        lambda: pack.run(workspace, PackOptions(side="src"), Report()),
    ]


def test_png_faces_without_their_file_of_face_data_say_which_is_missing(
    workspace: Workspace, write_faces: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workspace.aligned("src")
    write_faces(folder, "a.png", "b.webp")
    gather_notes(folder)
    (folder / FACESET_INDEX).rename(workspace.root / FACESET_INDEX)
    for stage in _stages(workspace):
        with pytest.raises(UserError, match=r"lack faceset\.json beside them") as caught:
            stage()
        assert "Put faceset.json back" in caught.value.todo
    with pytest.raises(UserError, match=r"neither meta\.dat nor faceset\.json") as caught:
        restore_metadata.run(workspace, RestoreMetadataOptions(side="src"), Report())
    assert "Put the one back" in caught.value.todo
    write_faces(folder, "c.jpg")
    assert [face.name for face in list_faceset(folder, Report())] == ["c.jpg"]
    assert "2 pictures lack faceset.json beside them" in " ".join(capsys.readouterr().out.split())
    (workspace.root / FACESET_INDEX).rename(folder / FACESET_INDEX)
    assert [face.name for face in list_faceset(folder, Report())] == ["a.png", "b.webp", "c.jpg"]


def test_renamed_png_faces_are_told_of_restore_metadata_which_knows_them(
    workspace: Workspace, write_faces: Any
) -> None:
    folder = workspace.aligned("src")
    before = write_faces(folder, "a.png", "b.webp")
    gather_notes(folder)
    renamed = {"a.png": "Anna 1.png", "b.webp": "Anna 2.webp"}
    for old, new in renamed.items():
        (folder / old).rename(folder / new)
    for stage in _stages(workspace):
        with pytest.raises(UserError, match=r"not named in faceset\.json.*Anna 1\.png") as caught:
            stage()
        assert "restore-metadata" in caught.value.todo
    restore_metadata.run(workspace, RestoreMetadataOptions(side="src"), Report())
    found = {face.name: face.metadata for face in list_faceset(folder)}
    assert {old: found[new].source_filename for old, new in renamed.items()} == {
        name: metadata.source_filename for name, metadata in before.items()
    }
    with pytest.raises(UserError, match="no JPEGs"):
        pack.run(workspace, PackOptions(side="src"), Report())
