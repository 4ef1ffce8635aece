"""The two portraits are there, and what is found in them fits."""

import pytest

from dfl.demo.expression import CHIN
from dfl.demo.portraits import COLLINS, HOPPER, Portrait, still


@pytest.mark.parametrize("person", [COLLINS, HOPPER], ids=["collins", "hopper"])
def test_still_has_the_wanted_size_and_the_mesh_lies_on_the_face(person: Portrait) -> None:
    picture, mesh = still(person, 400)
    assert picture.shape == (400, 400, 3)
    assert mesh.shape == (468, 3)
    # Nose tip between the outer corners of the eyes, chin below, and the nose nearest to the viewer.
    assert mesh[33, 0] < mesh[4, 0] < mesh[263, 0]
    assert mesh[33, 1] < mesh[4, 1] < mesh[CHIN, 1]
    assert mesh[4, 2] < mesh[[33, 263, CHIN, 234, 454], 2].min()
    assert picture[mesh[5, 1].astype(int), mesh[5, 0].astype(int), 2] > 150  # skin, BGR
