"""Lids hide the eyes, and an open mouth is dark inside."""

import pytest

from dfl.base.pictures import Picture
from dfl.demo.expression import EYES, close_eyes, open_mouth
from dfl.demo.portraits import COLLINS, HOPPER, Portrait, still

SIZE = 480


@pytest.mark.parametrize("person", [COLLINS, HOPPER], ids=["collins", "hopper"])
def test_closed_lids_hide_the_iris(person: Portrait) -> None:
    picture, mesh = still(person, SIZE)
    shut = picture.copy()
    close_eyes(shut, mesh, 1.0)
    for upper, lower in EYES:
        corners = mesh[list(upper + lower), :2]
        left, top = corners.min(axis=0).astype(int)
        right, bottom = corners.max(axis=0).astype(int) + 1
        above_lashes = slice(top, top + 1 + (bottom - top) * 2 // 3), slice(left, right)

        def dark(image: Picture, part: tuple[slice, slice] = above_lashes) -> int:
            return int((image[part].max(axis=2) < 70).sum())

        assert dark(shut) < 0.5 * dark(picture)


def test_opened_mouth_is_dark_and_only_the_lower_face_moves() -> None:
    still_picture, mesh = still(HOPPER, SIZE)
    opened = still_picture.copy()
    open_mouth(opened, mesh, 0.1)
    x, y = mesh[14, :2].round().astype(int)
    inside = slice(y + 8, y + 13), slice(x - 5, x + 6)
    assert opened[inside].mean() < 0.6 * still_picture[inside].mean()
    assert (opened[: y - 8] == still_picture[: y - 8]).all()
    chin = int(mesh[152, 1])
    assert (
        opened[chin - 10 : chin + 10, x - 10 : x + 10] != still_picture[chin - 10 : chin + 10, x - 10 : x + 10]
    ).any()


@pytest.mark.parametrize("change", [close_eyes, open_mouth])
def test_nothing_asked_changes_nothing(change) -> None:  # type: ignore[no-untyped-def]
    picture, mesh = still(COLLINS, SIZE)
    same = picture.copy()
    change(same, mesh, 0.0)
    assert (same == picture).all()
