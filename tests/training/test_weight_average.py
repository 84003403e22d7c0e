"""The average of the weights that is validated and kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from flowkit.training import train
from flowkit.training.weight_average import WeightAverage

from .examples import D, Shift, generator, options, rows


@pytest.mark.parametrize("sharpness", [0.0, 2.0, 8.0])
def test_an_average_is_over_the_last_part_of_the_steps(sharpness):
    vector = torch.zeros(3)
    average = WeightAverage(vector, sharpness)
    for step in range(1, 2001):
        vector.fill_(step)
        average.add_step()
    # The mean of t / n under the density (1 + s) (t / n) ** s.
    expected = (1 + sharpness) / (2 + sharpness)
    np.testing.assert_allclose(average.values / 2000, expected, atol=0.005)


def test_a_horizon_bounds_what_is_remembered():
    vector = torch.zeros(3)
    average = WeightAverage(vector, horizon=20)
    for step in range(2000):
        vector.fill_(float(step >= 1800))
        average.add_step()
    assert (average.values > 0.999).all()


def test_putting_the_average_in_is_undone_and_done_once():
    vector = torch.zeros(3)
    average = WeightAverage(vector, sharpness=0.0)
    for value in (1.0, 3.0):
        vector.fill_(value)
        average.add_step()
    for _ in range(2):
        average.put_in()
        assert torch.equal(vector, torch.full((3,), 2.0))
    for _ in range(2):
        average.take_out()
        assert torch.equal(vector, torch.full((3,), 3.0))


def test_an_average_restarts_at_the_present_weights():
    vector = torch.full((3,), 5.0)
    average = WeightAverage(vector)
    average.add_step()
    average.put_in()
    vector.fill_(7.0)
    average.restart()
    average.take_out()
    assert torch.equal(vector, torch.full((3,), 7.0))
    assert torch.equal(average.values, vector)


class Path(Callback):
    """Weights after each step, and at the end of each epoch."""

    def __init__(self):
        self.steps, self.ends = [], []

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.steps.append(net.module_.mean.detach().clone())

    def on_epoch_end(self, net, **kwargs):
        self.ends.append((len(self.steps), net.module_.mean.detach().clone()))


def averaged(steps):
    vector = torch.zeros(D)
    average = WeightAverage(vector, horizon=50)
    for mean in steps:
        vector.copy_(mean)
        average.add_step()
    return average.values


@pytest.mark.parametrize("has_holdout", [True, False])
def test_epochs_end_with_the_average_and_training_goes_on_from_the_path(has_holdout):
    paths = []
    for holdout in (rows(30, seed=1) if has_holdout else None, None):
        path, module = Path(), Shift()
        record = train(module, rows(), holdout, options(callbacks=[path]), generator())
        for n_steps, mean in path.ends:
            torch.testing.assert_close(mean, averaged(path.steps[:n_steps]))
        torch.testing.assert_close(module.mean.detach(), path.ends[record.best_epoch - 1][1])
        paths.append(torch.stack(path.steps))
    assert len(paths[0]) == 30
    assert torch.equal(*paths)
