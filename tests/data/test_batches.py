"""Batches: repeatable from any batch on, whatever the threads do; bad faces left out; never hanging."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.data.batches import BatchMaker, load_training_faces
from dfl.data.sample import SampleSettings, SideBatch
from dfl.data.sampler import HardExampleSampler
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import list_faceset
from dfl.faceset.pak_format import PackedFace, write_pak
from dfl.imaging.transfers import TRAINING_TRANSFERS

SETTINGS = SampleSettings(resolution=32, face_type=FaceType.FULL, flip=True)
Make = Callable[..., BatchMaker]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes BatchMakers of batches of 4 and closes them."""
    opened: list[BatchMaker] = []

    def open_maker(folder: Path, settings: SampleSettings = SETTINGS, seed: int = 1, **how: Any) -> BatchMaker:
        opened.append(BatchMaker(list_faceset(folder), settings, 4, seed, **how))
        return opened[-1]

    yield open_maker
    for maker in opened:
        maker.close()


def _take(maker: BatchMaker, count: int) -> list[SideBatch]:
    return [next(maker) for _ in range(count)]


def _assert_equal(first: SideBatch, second: SideBatch) -> None:
    for name in ("warped", "target", "mask", "eyes_mouth", "faces"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_shapes_and_types(faceset: Path, make: Make) -> None:
    batch = next(make(faceset, dataclasses.replace(SETTINGS, eyes_mouth="joint")))
    assert batch.warped.shape == batch.target.shape == (4, 32, 32, 3)
    assert batch.eyes_mouth is not None
    assert batch.mask.shape == batch.eyes_mouth.shape == (4, 32, 32, 1)
    assert {part.dtype for part in (batch.warped, batch.target, batch.mask, batch.eyes_mouth)} == {np.dtype("float32")}
    assert next(make(faceset)).eyes_mouth is None


@pytest.mark.parametrize("uniform_yaw", [False, True])
def test_going_on_gives_the_batches_of_the_first_run(faceset: Path, make: Make, uniform_yaw: bool) -> None:
    settings = dataclasses.replace(SETTINGS, transfer="rct", hsv_power=0.1)
    how = {"partners": list_faceset(faceset), "uniform_yaw": uniform_yaw}
    first = _take(make(faceset, settings, **how, workers=1), 9)
    # Other threads, no memory for faces, begun at batch 5.
    second = _take(make(faceset, settings, **how, workers=3, memory_bytes=0, first_batch=5), 4)
    for one, other in zip(first[5:], second, strict=True):
        _assert_equal(one, other)


def test_a_packed_faceset_gives_the_same_batches(faceset: Path, make: Make) -> None:
    loose = _take(make(faceset, partners=list_faceset(faceset)), 3)
    _pack_files(faceset)
    assert [path.name for path in faceset.iterdir()] == ["faceset.pak"]
    packed = _take(make(faceset, partners=list_faceset(faceset)), 3)
    for one, other in zip(loose, packed, strict=True):
        _assert_equal(one, other)


def test_a_pack_that_goes_away_during_training_is_the_user_s_to_mend(faceset: Path) -> None:
    _pack_files(faceset)
    maker = BatchMaker(list_faceset(faceset), SETTINGS, 4, seed=1, memory_bytes=0)
    (faceset / "faceset.pak").unlink()
    with pytest.raises(UserError, match="None of the 6 faces"):
        _take(maker, 20)
    assert len(maker.problems) == 6  # each of the faces in the one file
    maker.close()


def _pack_files(faceset: Path) -> None:
    """Put the faces of a folder into a pack, and delete the files."""
    faces = list_faceset(faceset)
    packed = [PackedFace(face.path, face.metadata, face.shape, face.path.stat().st_size) for face in faces]
    for _ in write_pak(faceset / "faceset.pak", packed):
        pass
    for face in faces:
        face.path.unlink()


def test_other_seeds_give_other_batches(faceset: Path, make: Make) -> None:
    assert np.abs(next(make(faceset, seed=1)).warped - next(make(faceset, seed=2)).warped).max() > 0.05


def test_every_face_comes_once_per_round(faceset: Path, make: Make) -> None:
    # Without warp and a model of the faces' own type and size, the middle of a target tells its face.
    for number, path in enumerate(sorted(faceset.iterdir())):
        _paint(path, 40 * number + 20)
    batches = _take(make(faceset), 6)
    colours = np.concatenate([batch.target[:, 16, 16, 0] for batch in batches])
    faces = np.round((colours * 255 - 20) / 40).astype(int)
    for turn in faces.reshape(4, 6):
        assert sorted(turn) == [0, 1, 2, 3, 4, 5]


def test_a_batch_names_its_faces(faceset: Path, make: Make) -> None:
    for number, path in enumerate(sorted(faceset.iterdir())):
        _paint(path, 40 * number + 20)
    (faceset / "00002_0.jpg").write_bytes(b"")
    faces = list_faceset(faceset)
    faces.insert(2, dataclasses.replace(faces[0], path=faceset / "00002_0.jpg"))
    maker = BatchMaker(faces, SETTINGS, 4, seed=1)
    for batch in _take(maker, 6):
        colours = np.round((batch.target[:, 16, 16, 0] * 255 - 20) / 40).astype(int)
        assert batch.faces.tolist() == colours.tolist()
        assert 2 not in batch.faces
    maker.close()


def test_faces_of_high_loss_are_drawn_again_while_batches_are_made_ahead(faceset: Path, make: Make) -> None:
    order = HardExampleSampler(6, 4, (1,))
    maker = make(faceset, sampler=order)
    seen = []
    for number in range(60):
        batch = next(maker)
        seen.append(batch.faces)
        order.update(number, batch.faces, np.float32(batch.faces == 5))
    counts = np.bincount(np.concatenate(seen[20:]), minlength=6)
    assert counts[5] > 2 * counts[:5].max()


@pytest.mark.slow
@pytest.mark.parametrize("mode", TRAINING_TRANSFERS)
@pytest.mark.parametrize("memory_bytes", [None, 0])
def test_every_transfer_changes_the_faces_as_one_sample_would(
    faceset: Path, make: Make, mode: Any, memory_bytes: int | None
) -> None:
    settings = dataclasses.replace(SETTINGS, transfer=mode)
    first, again = (
        _take(make(faceset, settings, partners=list_faceset(faceset)[:1], memory_bytes=memory_bytes, **how), 2)
        for how in ({"workers": 1}, {"workers": 3})
    )
    for one, other in zip(first, again, strict=True):
        _assert_equal(one, other)
    plain = _take(make(faceset), 1)[0]
    assert (mode == "none") == np.array_equal(first[0].target, plain.target)


def _paint(path: Path, grey: int) -> None:
    """Make the face's picture one grey."""
    from dfl.faceset.aligned_face import read_face, write_face

    face = read_face(path)
    write_face(path, np.full_like(face.picture, grey), face.metadata)


def test_an_unreadable_face_is_named_once_and_replaced(faceset: Path, make: Make) -> None:
    broken = faceset / "00003_0.jpg"
    faces = list_faceset(faceset)
    broken.write_bytes(b"")
    for workers in (1, 3):
        maker = BatchMaker(faces, SETTINGS, 4, seed=1, workers=workers)
        batches = _take(maker, 6)
        maker.close()
        assert len(maker.problems) == 1
        assert str(broken) in maker.problems[0]
        if workers == 1:
            first = batches
    for one, other in zip(first, batches, strict=True):
        _assert_equal(one, other)


def test_a_face_deleted_during_training_is_left_out(faceset: Path) -> None:
    faces = list_faceset(faceset)
    (faceset / "00000_0.jpg").unlink()
    maker = BatchMaker(faces, SETTINGS, 6, seed=1)
    next(maker)
    maker.close()
    assert len(maker.problems) == 1


def test_no_readable_face_at_all_is_the_user_s_to_mend(faceset: Path) -> None:
    faces = list_faceset(faceset)
    shutil.rmtree(faceset)
    maker = BatchMaker(faces, SETTINGS, 4, seed=1)
    for _ in range(8):  # and again at each further batch: it must not hang
        with pytest.raises(UserError, match="None of the 6 faces"):
            next(maker)
    maker.close()


def test_a_failure_in_a_thread_reaches_the_trainer(faceset: Path, make: Make) -> None:
    maker = make(faceset, dataclasses.replace(SETTINGS, transfer="rct"))  # but no partners
    for _ in range(8):
        with pytest.raises(ValueError, match="partner"):
            next(maker)


def test_waiting_is_counted_and_closing_twice_is_fine(faceset: Path, make: Make) -> None:
    maker = make(faceset)
    next(maker)
    assert maker.waited_seconds > 0
    maker.close()
    maker.close()


def test_training_without_faces_says_which_stage_to_run(workspace: Any, faceset: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_training_faces(workspace.aligned("dst"))
    assert "extract-faces dst" in caught.value.todo
    write_picture(workspace.aligned("src") / "holiday.jpg", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UserError) as caught:
        load_training_faces(workspace.aligned("src"))
    assert "extract-faces src" in caught.value.todo
    assert len(load_training_faces(faceset)) == 6
