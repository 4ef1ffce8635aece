import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pickle_writer import dumps
from dfl.base.pictures import encode_picture, read_picture, write_picture
from dfl.base.report import Report
from dfl.faces.align import transform_points
from dfl.faceset.aligned_face import FaceMetadata, read_face, with_metadata
from dfl.faceset.face_metadata import metadata_to_dict
from dfl.faceset.faceset import list_faceset
from dfl.faceset.meta_dat import read_meta_dat
from dfl.faceset.segmentation import Polygon
from dfl.faceset.sidecar import gather_notes
from dfl.faceset_tools.options import RestoreMetadataOptions, SaveMetadataOptions
from dfl.faceset_tools.restore_metadata import run as restore
from dfl.faceset_tools.save_metadata import run as save
from dfl.workspace import FACESET_INDEX, FACESET_LOCK, META_DAT, Workspace
from tests.faceset_fixtures import files_of

SAVE, RESTORE = SaveMetadataOptions(side="src"), RestoreMetadataOptions(side="src")
NAMES = ("a.jpg", "b.jpg", "c.png", "d.webp", "e.jpg")


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.aligned("src")


@pytest.fixture
def written(workspace: Workspace, folder: Path, write_faces: Any) -> dict[str, FaceMetadata]:
    """Five faces, saved."""
    made: dict[str, FaceMetadata] = write_faces(folder, *NAMES)
    save(workspace, SAVE, Report())
    return made


def _same(one: FaceMetadata, other: FaceMetadata) -> bool:
    return dumps(metadata_to_dict(one)) == dumps(metadata_to_dict(other))


def _strip(path: Path, change: Callable[[Any], Any] = lambda picture: picture) -> None:
    """What an editor does: decode, change, code anew, drop what it does not know."""
    write_picture(path, change(read_picture(path)), 95)


def _faces(folder: Path) -> dict[str, FaceMetadata]:
    return {face.name: face.metadata for face in list_faceset(folder)}


def test_saving_keeps_what_every_picture_carries(folder: Path, written: dict[str, FaceMetadata]) -> None:
    assert sorted(set(files_of(folder)) - {FACESET_LOCK}) == sorted([*NAMES, META_DAT, FACESET_INDEX])
    entries = read_meta_dat(folder / META_DAT)
    assert list(entries) == ["a.jpg", "b.jpg", "e.jpg"]
    assert all(_same(entry.metadata, written[name]) for name, entry in entries.items())


def test_stripped_pictures_are_told_and_given_their_data_back(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        _strip(folder / name)
    pixels = read_picture(folder / "a.jpg")
    assert sorted(face.name for face in list_faceset(folder, Report())) == ["c.png", "d.webp", "e.jpg"]
    assert "2 pictures lost their face data; run restore-metadata: a.jpg; b.jpg" in capsys.readouterr().out
    restore(workspace, RESTORE, Report())
    found = _faces(folder)
    assert sorted(found) == sorted(NAMES)
    assert all(_same(found[name], written[name]) for name in NAMES)
    assert np.array_equal(read_picture(folder / "a.jpg"), pixels)  # not coded again
    assert not (folder / META_DAT).exists()
    assert (folder / FACESET_INDEX).exists()


@pytest.mark.parametrize("side", [128, 40])
def test_faces_that_an_editor_enlarged_keep_their_size(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], side: int
) -> None:
    made = {name: cv2.resize(read_picture(folder / name), (side, side)) for name in ("a.jpg", "c.png", "e.jpg")}
    write_picture(folder / "a.jpg", made["a.jpg"])
    write_picture(folder / "c.png", made["c.png"])
    content = encode_picture(made["e.jpg"], ".jpg")
    (folder / "e.jpg").write_bytes(with_metadata(content, written["e.jpg"]))  # an editor that kept the data
    assert "c.png" not in _faces(folder)
    pixels = {name: read_picture(folder / name) for name in made}
    restore(workspace, RESTORE, Report())
    for face in list_faceset(folder):
        size = side if face.name in made else 64
        assert face.shape == (size, size, 3)
        assert np.allclose(face.metadata.landmarks, written[face.name].landmarks * size / 64, atol=1e-4)
        assert np.array_equal(face.metadata.source_landmarks, written[face.name].source_landmarks)
        if face.name in made:
            assert np.array_equal(face.read_picture(), pixels[face.name]), "not coded again"
            matrix = face.metadata.image_to_face_mat
            assert matrix is not None
            moved = transform_points(face.metadata.source_landmarks, matrix)
            assert np.abs(moved - face.metadata.landmarks).max() < 0.01
    before = files_of(folder)
    restore(workspace, RESTORE, Report())
    assert files_of(folder) == before, "once is enough"


def test_a_face_that_was_cut_or_stretched_stays_and_is_named(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "c.png"):
        write_picture(folder / name, cv2.resize(read_picture(folder / name), (64, 50)))
    content = encode_picture(read_picture(folder / "e.jpg")[:, :50], ".jpg")
    (folder / "e.jpg").write_bytes(with_metadata(content, written["e.jpg"]))
    before = files_of(folder)
    restore(workspace, RESTORE, Report())
    told = " ".join(capsys.readouterr().out.split())
    assert "3 pictures stay as they are" in told
    assert "64 x 50 pixels, its face data are for 64 x 64: it was cut or stretched" in told
    assert "meta.dat is kept" in told
    assert files_of(folder) == before


def test_outlines_that_were_drawn_after_saving_stay(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    outline = (Polygon(True, written["a.jpg"].landmarks[:5]),)
    drawn = replace(written["a.jpg"], polygons=outline, eyebrows_expand_mod=2.0)
    (folder / "a.jpg").write_bytes(with_metadata((folder / "a.jpg").read_bytes(), drawn))
    _strip(folder / "b.jpg")
    restore(workspace, RESTORE, Report())
    assert "1 faces keep the outlines" in capsys.readouterr().out
    assert _same(read_face(folder / "a.jpg").metadata, replace(written["a.jpg"], polygons=outline))
    assert _same(read_face(folder / "b.jpg").metadata, written["b.jpg"])


def test_renamed_and_edited_pictures_are_known_by_their_looks(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata]
) -> None:
    renamed = {"a.jpg": "b.jpg", "b.jpg": "a.jpg", "e.jpg": "portrait.jpg", "c.png": "portrait.png"}
    pictures = {name: read_picture(folder / name) for name in renamed}
    for name in renamed:
        (folder / name).unlink()
    for old, new in renamed.items():
        write_picture(folder / new, cv2.convertScaleAbs(pictures[old], alpha=0.8, beta=20), 85)
    restore(workspace, RESTORE, Report())
    found = _faces(folder)
    assert sorted(found) == ["a.jpg", "b.jpg", "d.webp", "portrait.jpg", "portrait.png"]
    assert all(_same(found[new], written[old]) for old, new in renamed.items())
    assert not (folder / META_DAT).exists()


def test_a_jpeg_that_an_editor_saved_as_png_is_known(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata]
) -> None:
    write_picture(folder / "a.png", read_picture(folder / "a.jpg"))
    (folder / "a.jpg").unlink()
    restore(workspace, RESTORE, Report())
    assert _same(_faces(folder)["a.png"], written["a.jpg"])


def test_a_face_with_short_numbers_that_was_saved_as_png_is_not_told_as_failed(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    face = written["a.jpg"]
    assert face.image_to_face_mat is not None
    short = replace(
        face, source_rect=face.source_rect.astype(np.int32), image_to_face_mat=face.image_to_face_mat.astype(np.float32)
    )
    (folder / "a.jpg").write_bytes(with_metadata((folder / "a.jpg").read_bytes(), short))
    save(workspace, SAVE, Report())
    write_picture(folder / "a.png", read_picture(folder / "a.jpg"))
    (folder / "a.jpg").unlink()
    capsys.readouterr()
    restore(workspace, RESTORE, Report())
    assert "1 pictures have their face data back." in capsys.readouterr().out
    assert not (folder / META_DAT).exists()


def test_what_is_no_saved_face_stays_and_meta_dat_too(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    _strip(folder / "a.jpg")
    noise = np.random.default_rng(9).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    write_picture(folder / "b.jpg", noise)  # another picture under a saved name
    (folder / "e.jpg").write_bytes(b"\xff\xd8\xff broken")
    before = files_of(folder)
    restore(workspace, RESTORE, Report())
    told = capsys.readouterr().out
    assert "b.jpg is none of the saved faces" in told
    assert "e.jpg" in told
    assert "meta.dat is kept" in told
    after = files_of(folder)
    assert {name for name in after if after[name] != before[name]} == {"a.jpg"}


def test_a_face_that_moved_with_its_data_is_not_given_anothers(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.jpg").rename(folder / "x")
    (folder / "b.jpg").rename(folder / "a.jpg")
    (folder / "x").rename(folder / "b.jpg")
    before = files_of(folder)
    restore(workspace, RESTORE, Report())
    assert "2 pictures carry another face's data" in capsys.readouterr().out
    after = files_of(folder)
    assert all(after[name] == before[name] for name in NAMES)


def test_a_face_whose_mask_was_changed_gets_what_was_saved(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata]
) -> None:
    changed = replace(written["a.jpg"], xseg_mask=b"mask", eyebrows_expand_mod=2.0)
    (folder / "a.jpg").write_bytes(with_metadata((folder / "a.jpg").read_bytes(), changed))
    restore(workspace, RESTORE, Report())
    assert _same(read_face(folder / "a.jpg").metadata, written["a.jpg"])


def test_saving_again_does_not_lose_what_stripped_pictures_had(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata]
) -> None:
    _strip(folder / "a.jpg")
    save(workspace, SAVE, Report())  # too late, but no harm
    restore(workspace, RESTORE, Report())
    assert _same(_faces(folder)["a.jpg"], written["a.jpg"])


def test_the_originals_meta_dat_alone_is_enough(
    workspace: Workspace, folder: Path, written: dict[str, FaceMetadata]
) -> None:
    for name in ("c.png", "d.webp", FACESET_INDEX):
        (folder / name).unlink()
    _strip(folder / "a.jpg")
    _strip(folder / "b.jpg")
    restore(workspace, RESTORE, Report())
    found = _faces(folder)
    assert all(_same(found[name], written[name]) for name in ("a.jpg", "b.jpg", "e.jpg"))


def test_recorded_metadata_are_restored_as_the_original_does(workspace: Workspace, folder: Path, shared: Path) -> None:
    recorded = shared / "original" / "aligned"
    names = [path.name for path in sorted(recorded.glob("*.jpg"))]
    for name in [*names, META_DAT]:
        shutil.copyfile(recorded / name, folder / name)
    for name in names:
        _strip(folder / name)
    restore(workspace, RESTORE, Report())
    found = {face.name: face for face in list_faceset(folder)}
    assert sorted(found) == names
    for name, face in found.items():
        assert face.shape == (256, 256, 3)
        assert _same(face.metadata, read_face(recorded / name).metadata)
    assert not (folder / META_DAT).exists()


def test_without_anything_saved_or_with_a_damaged_file_nothing_is_touched(
    workspace: Workspace, folder: Path, write_faces: Any
) -> None:
    with pytest.raises(UserError, match="no faces"):
        save(workspace, SAVE, Report())
    write_faces(folder, "a.jpg")
    with pytest.raises(UserError, match=r"neither meta\.dat nor"):
        restore(workspace, RESTORE, Report())
    (folder / META_DAT).write_bytes(b"cos\nsystem\n(Vtouch ran\ntR.")
    before = files_of(folder)
    with pytest.raises(UserError, match=r"meta\.dat"):
        restore(workspace, RESTORE, Report())
    assert files_of(folder) == before


@pytest.mark.slow
def test_restoring_can_be_killed_anywhere(
    workspace: Workspace, folder: Path, write_faces: Any, kill_at_every: Any
) -> None:
    written = write_faces(folder, "a.jpg", "b.jpg", "c.png")
    gather_notes(folder)
    save(workspace, SAVE, Report())
    _strip(folder / "a.jpg")
    _strip(folder / "b.jpg", lambda picture: cv2.resize(picture, (40, 40)))
    _strip(folder / "c.png", lambda picture: cv2.resize(picture, (40, 40)))
    sides = {"a.jpg": 64, "b.jpg": 40, "c.png": 40}
    before = files_of(folder)

    def prepare() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in before.items():
            (folder / name).write_bytes(content)

    def check(operation: int) -> None:
        if (folder / META_DAT).exists():
            restore(workspace, RESTORE, Report())
        found = _faces(folder)
        assert sorted(found) == ["a.jpg", "b.jpg", "c.png"]
        assert _same(found["a.jpg"], written["a.jpg"])
        assert {face.name: face.shape[0] for face in list_faceset(folder)} == sides
        for name, side in sides.items():
            assert np.allclose(found[name].landmarks, written[name].landmarks * side / 64, atol=1e-4)
        assert not (folder / META_DAT).exists()

    assert kill_at_every(lambda: restore(workspace, RESTORE, Report()), prepare, check) >= 4
