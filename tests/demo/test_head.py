"""A still that turns: like the still at rest, without folds at the largest turn."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.demo.head import Head, Pose
from dfl.demo.portraits import COLLINS, HOPPER, Portrait, still

SIZE = 480


def test_pose_of_rest_gives_the_still_back() -> None:
    picture, mesh = still(COLLINS, SIZE)
    frame = Head(picture, mesh).frame(Pose(), SIZE)
    assert np.abs(frame.astype(int) - picture).max() <= 1


@pytest.mark.parametrize("person", [COLLINS, HOPPER], ids=["collins", "hopper"])
def test_no_fold_at_the_largest_turn(person: Portrait) -> None:
    """Walking through the moved picture, one never goes back in the still."""
    head = Head(*still(person, SIZE))
    for yaw in (-22, 22):
        x, y = head._source(Pose(yaw=np.radians(yaw), pitch=np.radians(8)))
        assert backward_share(x, 1) < 0.001
        assert backward_share(y, 0) < 0.001


def backward_share(field: NDArray[np.float32], axis: int) -> float:
    return float((np.diff(field, axis=axis) < 0).mean())


def test_light_from_one_side_brightens_that_side_of_the_face_alone() -> None:
    picture, mesh = still(COLLINS, SIZE)
    head = Head(picture, mesh)
    change = head.frame(Pose(light=(1.0, 0.0)), SIZE).astype(int) - picture
    y = int(mesh[50, 1])  # cheeks
    left, right = int(mesh[50, 0]), int(mesh[280, 0])
    assert change[y - 5 : y + 5, right - 5 : right + 5].mean() > 3
    assert change[y - 5 : y + 5, left - 5 : left + 5].mean() < -3
    assert np.abs(change[:, :40]).max() <= 1
