"""When training counts as no longer getting better."""

import numpy as np

from dfl.training.monitoring.early_stopping import EarlyStopping


def stops_at(losses, patience: int) -> int:
    plateau = EarlyStopping(patience)
    for iteration, loss in enumerate(losses, start=1):
        plateau.update_step(iteration, [loss / 2, loss / 2])
        if plateau.is_reached:
            return iteration
    return 0


def test_a_falling_loss_never_stops():
    assert stops_at(np.geomspace(2, 0.2, 3000), 100) == 0


def test_a_noisy_loss_that_stays_does():
    noise = np.random.default_rng(0).normal(1, 0.02, 5000)
    falling = np.geomspace(5, 1, 1000)
    stopped = stops_at(np.concatenate([falling, noise]), 500)
    assert 1500 <= stopped < 2600


def test_less_than_half_a_percent_is_no_progress():
    assert stops_at(1 - 1e-6 * np.arange(1000), 200) > 0


def test_without_patience_it_goes_on():
    assert stops_at(np.ones(1000), 0) == 0


def test_losses_of_held_out_faces_count_as_they_are():
    plateau = EarlyStopping(100)
    for iteration, loss in ((50, 1.0), (100, 0.9), (150, 0.899), (199, 0.899)):
        plateau.update(iteration, loss)
        assert not plateau.is_reached
    plateau.update(200, 0.899)
    assert plateau.is_reached
