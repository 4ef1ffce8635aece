"""The growing array of losses."""

import numpy as np
import pytest

from dfl.training.monitoring.loss_history import LossHistory


def test_it_grows_cuts_and_goes_on():
    history = LossHistory(np.ones((3, 2), np.float32), 2)
    for value in range(5000):
        history.append(np.array([value, -value], np.float32))
    assert len(history) == 5003
    assert history.rows()[-1].tolist() == [4999, -4999]
    history.cut(4)
    history.append(np.array([9, 9], np.float32))
    assert history.rows().tolist() == [[1, 1], [1, 1], [1, 1], [0, 0], [9, 9]]


def test_means_leave_out_what_is_no_number():
    history = LossHistory(np.zeros((0, 1), np.float32), 1)
    assert history.mean_of_last(5) == ()
    for value in (10, 2, np.nan, 4):
        history.append(np.array([value], np.float32))
    assert history.mean_of_last(3) == pytest.approx((3.0,))
    assert history.mean_of_last(0) == pytest.approx((4.0,))
