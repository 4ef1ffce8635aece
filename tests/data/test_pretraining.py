"""The pretraining set: every form it comes in, and the same samples as from whole metadata."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.data.batches import BatchMaker
from dfl.data.pretraining import load_pretraining_faces
from dfl.data.sample import SampleSettings
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.pak_format import PackedFace, write_pak
from dfl.faceset.segmentation import encode_mask


@pytest.fixture
def people(tmp_path: Path, make_face: Any) -> Path:
    """A folder of a face, and folders of three persons with two faces each, all with masks; one is empty."""
    left = np.zeros((64, 64, 1), np.float32)
    left[:, :32] = 1
    folder = tmp_path / "Leute 人"
    for number, person in enumerate([".", "Anna", "Anna", "Bob", "Bob", "Émile", "Émile"]):
        face = make_face(seed=number, xseg_mask=encode_mask(left))
        (folder / person).mkdir(parents=True, exist_ok=True)
        write_face(folder / person / f"{number}.jpg", face.picture, face.metadata)
    (folder / "Nobody").mkdir()
    return folder


def _packed(folder: Path, pak: Path) -> None:
    """The faces of a folder and its sub-folders as a pack of several persons."""
    places = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    faces = [(place.name, face) for place in places for face in list_faceset(place)]
    for _ in write_pak(
        pak,
        [PackedFace(face.path, face.metadata, face.shape, face.path.stat().st_size, who) for who, face in faces],
    ):
        pass


def test_a_folder_its_sub_folders_and_packs_of_any_name_are_read(people: Path, tmp_path: Path) -> None:
    assert [face.name for face in load_pretraining_faces(people, Report())] == [f"{number}.jpg" for number in range(7)]
    own_name = tmp_path / "celebrities.pak"
    _packed(people, own_name)
    assert len(load_pretraining_faces(own_name, Report())) == 6
    inside = tmp_path / "inside"
    inside.mkdir()
    own_name.rename(inside / "faceset.pak")
    assert len(load_pretraining_faces(inside, Report())) == 6


def test_samples_are_those_of_whole_metadata(people: Path) -> None:
    settings = SampleSettings(64, FaceType.FULL, eyes_mouth="joint")
    batches = []
    for faces in (load_pretraining_faces(people / "Anna", Report()), list_faceset(people / "Anna")):
        maker = BatchMaker(faces, settings, 4, seed=1, uniform_yaw=True, memory_bytes=0)
        batches.append(next(maker))
        maker.close()
    assert batches[0].mask.mean() < 0.7, "the masks are used"
    for name in ("warped", "target", "mask", "eyes_mouth"):
        np.testing.assert_array_equal(getattr(batches[0], name), getattr(batches[1], name))


def test_little_of_a_face_stays_in_memory(people: Path) -> None:
    for face in load_pretraining_faces(people, Report()):
        values = [getattr(face.metadata, each.name) for each in dataclasses.fields(face.metadata)]
        assert sum(value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value) for value in values) < 1500


def test_nothing_to_learn_from_is_the_user_s_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no"):
        load_pretraining_faces(tmp_path / "missing", Report())
    write_picture(tmp_path / "holiday.jpg", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UserError, match="There are no faces in") as caught:
        load_pretraining_faces(tmp_path, Report())
    assert "for each person" in caught.value.todo
    (tmp_path / "broken.pak").write_bytes(b"no pack")
    with pytest.raises(UserError, match=r"broken\.pak"):
        load_pretraining_faces(tmp_path / "broken.pak", Report())
