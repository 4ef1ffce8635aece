"""XSeg's batches: the labelled faces of both sides, repeatable from any batch on, bad faces left out."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.data.xseg_batches import XsegBatch, XsegBatchMaker, labelled_faces
from dfl.data.xseg_sample import XsegSettings
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import read_face, write_face
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset.segmentation import Polygon, encode_mask

SETTINGS = XsegSettings(FaceType.FULL, resolution=64)
Make = Callable[..., XsegBatchMaker]


@pytest.fixture
def make() -> Iterator[Make]:
    opened: list[XsegBatchMaker] = []

    def open_maker(faces: list[FaceFile], settings: XsegSettings = SETTINGS, seed: int = 1, **how: Any) -> Any:
        opened.append(XsegBatchMaker(faces, settings, 3, seed, **how))
        return opened[-1]

    yield open_maker
    for maker in opened:
        maker.close()


def _label(path: Path, **metadata: Any) -> None:
    face = read_face(path)
    write_face(path, face.picture, dataclasses.replace(face.metadata, **metadata))


@pytest.fixture
def labelled(faceset: Path) -> list[FaceFile]:
    """Six faces with applied masks; two of them have outlines."""
    outline = Polygon(True, np.array([(20, 20), (120, 20), (120, 120), (20, 120)], np.float32))
    mask = encode_mask(np.ones((64, 64, 1), np.float32))
    for number, path in enumerate(sorted(faceset.iterdir())):
        _label(path, xseg_mask=mask, polygons=(outline,) if number in (1, 4) else ())
    return list_faceset(faceset)


def test_faces_with_outlines_are_used_alone_and_those_with_masks_only_without(
    labelled: list[FaceFile], faceset: Path
) -> None:
    assert labelled_faces(labelled) == [labelled[1], labelled[4]]
    others = [face for number, face in enumerate(labelled) if number not in (1, 4)]
    assert labelled_faces(others) == others
    empty = [dataclasses.replace(face, metadata=_bare(face)) for face in labelled]
    with pytest.raises(UserError, match="no labelled faces: none of the 6 faces"):
        labelled_faces(empty)
    with pytest.raises(UserError, match="no labelled faces"):
        labelled_faces([])


def _bare(face: FaceFile) -> Any:
    return dataclasses.replace(face.metadata, polygons=(), xseg_mask=None)


def _assert_equal(first: XsegBatch, second: XsegBatch) -> None:
    for name in ("picture", "mask", "faces"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("kind", ["labelled", "pretraining", "plain"])
def test_going_on_gives_the_batches_of_the_first_run(labelled: list[FaceFile], make: Make, kind: Any) -> None:
    settings = dataclasses.replace(SETTINGS, kind=kind)
    maker = make(labelled, settings, workers=1)
    first = [next(maker) for _ in range(7)]
    again = make(labelled, settings, workers=3, memory_bytes=0, first_batch=4)
    for one in first[4:]:
        _assert_equal(one, next(again))
    assert first[0].picture.shape == (3, 64, 64, 3)
    assert first[0].mask.shape == (3, 64, 64, 1)
    assert {first[0].picture.dtype, first[0].mask.dtype} == {np.dtype("float32")}
    rounds = np.concatenate([batch.faces for batch in first])[:18].reshape(3, 6)
    assert all(sorted(one) == [0, 1, 2, 3, 4, 5] for one in rounds)


def test_an_unreadable_face_is_named_once_and_replaced(labelled: list[FaceFile], make: Make) -> None:
    labelled[2].path.write_bytes(b"")
    maker = make(labelled)
    for _ in range(5):
        assert 2 not in next(maker).faces
    assert len(maker.problems) == 1
    assert labelled[2].name in maker.problems[0]
    assert maker.waited_seconds > 0
    for face in labelled:
        face.path.unlink(missing_ok=True)
    broken = make(labelled, memory_bytes=0)
    with pytest.raises(UserError, match="None of the 6 faces"):
        [next(broken) for _ in range(9)]
