"""The order of faces: fair, repeatable, the same from any starting place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.data.prefetch import MAX_BEGUN
from dfl.data.sampler import EvenYawSampler, HardExampleSampler, ShuffledSampler


@given(count=st.integers(1, 40), seed=st.integers(0, 2**32), round_number=st.integers(0, 1000))
def test_every_face_comes_once_per_round(count: int, seed: int, round_number: int) -> None:
    order = ShuffledSampler(count, (seed,))
    faces = [order(round_number * count + at) for at in range(count)]
    assert sorted(faces) == list(range(count))


def test_rounds_and_seeds_differ() -> None:
    order, other = ShuffledSampler(50, (1,)), ShuffledSampler(50, (2,))
    first, second = ([order(turn * 50 + at) for at in range(50)] for turn in (0, 1))
    assert first != second
    assert first != [other(at) for at in range(50)]


def test_going_on_in_the_middle_gives_the_same_faces() -> None:
    whole, late = ShuffledSampler(7, (3,)), ShuffledSampler(7, (3,))
    late(1000)
    faces = [whole(place) for place in range(40)]
    assert faces[25:] == [late(place) for place in range(25, 40)]


def test_a_rare_direction_comes_as_often_as_a_common_one() -> None:
    yaws = np.array([0.0] * 97 + [0.7, 2.0, -2.0])
    order = EvenYawSampler(yaws, (5,))
    faces = [order(place) for place in range(400)]
    counts = np.bincount(faces, minlength=100)
    assert counts[97:].tolist() == [100, 100, 100]
    assert counts[:97].sum() == 100
    assert counts[:97].min() >= 1


@settings(deadline=None)
@given(yaws=st.lists(st.floats(-1.6, 1.6), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_even_yaw_leaves_no_face_out(yaws: list[float], seed: int) -> None:
    order = EvenYawSampler(np.array(yaws), (seed,))
    assert {order(place) for place in range(len(yaws) * len(yaws))} == set(range(len(yaws)))


def _run(order: HardExampleSampler, losses: Any, batches: range, batch_size: int, ahead: int) -> list[list[int]]:
    """The faces of some batches; `ahead` batches are made before the first one is told."""
    made: dict[int, list[int]] = {}
    for batch in batches:
        for coming in range(batch, batch + 1 + ahead):
            if coming not in made:
                made[coming] = [order(coming * batch_size + at) for at in range(batch_size)]
        faces = np.array(made[batch])
        order.update(batch, faces, np.float32(losses[faces]))
    return [made[batch] for batch in batches]


def test_faces_of_high_loss_come_three_times_as_often_and_none_is_left_out() -> None:
    losses = np.ones(40)
    losses[[3, 7, 11, 15, 19, 23, 27, 31, 35, 39]] = 2
    batches = _run(HardExampleSampler(40, 4, (1,)), losses, range(300), 4, ahead=0)
    counts = np.bincount(np.concatenate(batches[60:]), minlength=40)
    high = losses == 2
    assert counts[high].mean() == pytest.approx(3 * counts[~high].mean(), rel=0.1)
    assert counts.min() >= 14


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 9),
    stop=st.integers(1, 40),
    seed=st.integers(0, 9),
    lag=st.integers(0, 2),
)
def test_the_order_depends_on_the_losses_alone_and_goes_on_from_a_saved_state(
    count: int, batch_size: int, stop: int, seed: int, lag: int
) -> None:
    losses = np.random.default_rng(seed).random(count)
    whole = _run(HardExampleSampler(count, batch_size, (seed,)), losses, range(60), batch_size, ahead=MAX_BEGUN)
    order = HardExampleSampler(count, batch_size, (seed,))
    first = _run(order, losses, range(stop), batch_size, ahead=lag)
    later = HardExampleSampler(count, batch_size, (seed,), first_batch=stop, state=order.state())
    rest = _run(later, losses, range(stop, 60), batch_size, ahead=MAX_BEGUN)
    assert first + rest == whole


def test_without_its_state_or_with_one_that_does_not_fit_a_run_goes_on_all_the_same() -> None:
    losses = np.arange(20.0)
    order = HardExampleSampler(20, 4, (1,))
    _run(order, losses, range(50), 4, ahead=0)
    for state in (None, HardExampleSampler(21, 4, (1,)).state()):
        faces = _run(HardExampleSampler(20, 4, (1,), 50, state), losses, range(50, 60), 4, ahead=3)
        assert np.unique(np.concatenate(faces)).size > 10
    other_batch_size = HardExampleSampler(20, 8, (1,), 25, order.state())
    counts = np.bincount(np.concatenate(_run(other_batch_size, losses, range(25, 45), 8, ahead=0)), minlength=20)
    assert counts[15:].min() > counts[:15].max(), "what was learned of the losses is kept"


def test_losses_that_are_no_numbers_do_not_count() -> None:
    order = HardExampleSampler(8, 4, (1,))
    losses = np.array([np.nan, np.inf, 1, 1, 1, 1, 3, 3])
    counts = np.bincount(np.concatenate(_run(order, losses, range(200), 4, ahead=0)[60:]), minlength=8)
    assert counts[6:].min() > 2 * counts[:6].max()


def test_asking_too_far_ahead_is_a_bug_that_shows() -> None:
    with pytest.raises(RuntimeError, match="not reported"):
        HardExampleSampler(20, 4, (1,))(1000)
