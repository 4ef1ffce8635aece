import numpy as np
import pytest

from dfl.training.monitoring.divergence import DivergenceDetector


def _losses(value: float) -> np.ndarray:
    return np.array([value, value], np.float32)


def _after_a_while(seed: int = 0) -> DivergenceDetector:
    guard = DivergenceDetector()
    random = np.random.default_rng(seed)
    for _ in range(200):
        assert guard.check(_losses(1.0) + random.uniform(-0.3, 0.3, 2).astype(np.float32)) == ""
    return guard


def test_one_bad_batch_is_no_breakdown() -> None:
    guard = _after_a_while()
    for value in (np.nan, 1.0, np.inf, 1.1, 9.0, 9.0, 1.0, 9.0, 9.0, 9.0, 9.0, 1.0):
        assert guard.check(_losses(value)) == ""


@pytest.mark.parametrize(("value", "said"), [(np.nan, "no number"), (np.inf, "no number"), (4.0, "exploded")])
def test_several_in_a_row_are_a_breakdown(value: float, said: str) -> None:
    guard = _after_a_while()
    answers = [guard.check(_losses(value)) for _ in range(5)]
    assert said in next(filter(None, answers))
    guard.forget()
    assert guard.check(_losses(value if np.isfinite(value) else 1.0)) == "", "what is usual must be learned anew"


def test_one_side_is_enough() -> None:
    guard = _after_a_while()
    assert any(guard.check(np.array([1.0, 5.0], np.float32)) for _ in range(5))


def test_the_high_losses_of_a_new_model_are_usual_for_it() -> None:
    guard = DivergenceDetector()
    assert not any(guard.check(_losses(8.0 / (1 + step / 20))) for step in range(400))
