"""The order of faces: fair, repeatable, the same from any starting place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfl.samples.order import EvenYaw, ShuffledRounds


@given(count=st.integers(1, 40), seed=st.integers(0, 2**32), round_number=st.integers(0, 1000))
def test_every_face_comes_once_per_round(count: int, seed: int, round_number: int) -> None:
    order = ShuffledRounds(count, (seed,))
    faces = [order(round_number * count + at) for at in range(count)]
    assert sorted(faces) == list(range(count))


def test_rounds_and_seeds_differ() -> None:
    order, other = ShuffledRounds(50, (1,)), ShuffledRounds(50, (2,))
    first, second = ([order(turn * 50 + at) for at in range(50)] for turn in (0, 1))
    assert first != second
    assert first != [other(at) for at in range(50)]


def test_going_on_in_the_middle_gives_the_same_faces() -> None:
    whole, late = ShuffledRounds(7, (3,)), ShuffledRounds(7, (3,))
    late(1000)
    faces = [whole(place) for place in range(40)]
    assert faces[25:] == [late(place) for place in range(25, 40)]


def test_a_rare_direction_comes_as_often_as_a_common_one() -> None:
    yaws = np.array([0.0] * 97 + [0.7, 2.0, -2.0])
    order = EvenYaw(yaws, (5,))
    faces = [order(place) for place in range(400)]
    counts = np.bincount(faces, minlength=100)
    assert counts[97:].tolist() == [100, 100, 100]
    assert counts[:97].sum() == 100
    assert counts[:97].min() >= 1


@given(yaws=st.lists(st.floats(-1.6, 1.6), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_even_yaw_leaves_no_face_out(yaws: list[float], seed: int) -> None:
    order = EvenYaw(np.array(yaws), (seed,))
    assert {order(place) for place in range(len(yaws) * len(yaws))} == set(range(len(yaws)))
