from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, write_picture
from dfl.faces.reference import LIKE_REFERENCE, nearest_person, references_of


def test_a_picture_with_one_face_is_a_reference(astronaut: Picture, tmp_path: Path) -> None:
    path = tmp_path / "Fräulein 顔.png"
    write_picture(path, astronaut)
    references = references_of([path])
    assert references.shape == (1, 128)
    assert references.dtype == np.float32
    smaller = tmp_path / "smaller.jpg"
    write_picture(smaller, np.ascontiguousarray(astronaut[::2, ::2]))
    assert nearest_person(references, references_of([smaller]))[1][0] < LIKE_REFERENCE


def test_a_folder_stands_for_its_pictures(astronaut: Picture, tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        write_picture(tmp_path / name, astronaut)
    (tmp_path / "notes.txt").write_text("no picture")
    assert references_of([tmp_path]).shape == (2, 128)


@pytest.mark.parametrize(
    ("copies", "words"),
    [(0, "shows no face that"), (2, "shows 2 faces that")],
)
def test_a_reference_with_no_face_or_several_is_refused_by_name(
    astronaut: Picture, tmp_path: Path, copies: int, words: str
) -> None:
    path = tmp_path / "reference.png"
    write_picture(path, np.concatenate([astronaut] * copies, axis=1) if copies else np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(UserError, match=words) as caught:
        references_of([path])
    assert "reference.png" in caught.value.what


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture"):
        references_of([tmp_path])


def test_the_nearest_of_several_references_counts() -> None:
    references = np.zeros((2, 128), np.float32)
    references[1, 0] = 1
    faces = np.zeros((3, 128), np.float32)
    faces[:, 0] = (0.25, 0.75, 2)
    nearest, distances = nearest_person(faces, references)
    assert nearest.tolist() == [0, 1, 1]
    assert distances.tolist() == [0.25, 0.25, 1.0]


@pytest.mark.slow
def test_every_still_of_a_person_is_like_one_still_of_theirs_and_no_other(shared: Path) -> None:
    folders = sorted((shared / "identities").glob("person_*"))
    everybody = [references_of([folder]) for folder in folders]
    first = np.concatenate([stills[:1] for stills in everybody])
    for number, stills in enumerate(everybody):
        nearest, distances = nearest_person(stills, first)
        assert set(nearest.tolist()) == {number}
        assert distances.max() < LIKE_REFERENCE
        others = np.delete(first, number, axis=0)
        assert nearest_person(stills, others)[1].min() > LIKE_REFERENCE
