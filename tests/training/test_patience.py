"""Patience of early stopping, and gains that come late."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowkit.modules import DensityModule
from flowkit.training import TrainingRecord, train

from .examples import generator, options, rows


class Scripted(DensityModule):
    """Gives log densities of a list, one a validation, the first for the initial weights."""

    def __init__(self, log_densities):
        super().__init__(2)
        self.level = torch.nn.Parameter(torch.zeros(()))
        self.log_densities = list(log_densities)

    def loss(self, batch):
        return 0 * self.level

    def validation_loss(self, batch):
        return self.level - self.log_densities.pop(0)


FALL = [24.7, 21.8, 16.1, 11.2]


@pytest.mark.parametrize(
    ("log_densities", "n_epochs", "best_epoch"),
    [
        # Back above the start long after patience would have run out, and better than it.
        ([*FALL, *np.arange(12, 28)], 19, 19),
        # Where the first epoch was a gain by chance.
        ([24.7, 24.8, 16.1, 11.2, *np.arange(12, 28)], 19, 19),
        # It falls for as long as patience lasts elsewhere, and gains only then.
        ([24.7, 20.0, 19.0, 18.0, 17.0, *np.arange(18, 28)], 14, 14),
        # Rising, with falls on the way.
        ([24.7, 8.0, 9.0, 15.0, 16.0, 10.0, 17.0, 18.0, 19.0, 15.0, 20.0, 23.0, 25.0], 12, 12),
        # It rises for a while, but not above the start.
        ([*FALL, 12.0, 13.0, 13.0, 13.0, 12.0, 13.0, 12.0, *[13.0] * 9], 11, 0),
        # It keeps falling, with ups that are none.
        ([5.0, 4.0, 3.0, 3.5, 1.0, 0.0, -1.0, -0.5, *[-2.0, -1.5] * 9], 8, 0),
        # Back above the start, patience is what it is elsewhere.
        ([*FALL, 20.0, 25.0, 24.8, 24.9, *[24.8] * 9], 9, 5),
        # Above the start patience is what it was.
        ([1.0, 2.0, 3.0, 2.5, 2.9, 2.0, 2.9], 6, 2),
        # A late fall is no new start.
        ([1.0, 2.0, 3.0, 2.5, 2.9, 0.0, 0.1, 0.2], 6, 2),
    ],
)
def test_patience_waits_for_what_is_coming_back_from_a_fall(log_densities, n_epochs, best_epoch):
    # The list is longer than training should be.
    module = Scripted([*log_densities, *[-99.0] * 20])
    settings = options(max_epochs=len(log_densities) - 1, patience=4)
    record = train(module, rows(), rows(30), settings, generator())
    assert (record.n_epochs, record.best_epoch) == (n_epochs, best_epoch)


@pytest.mark.parametrize(("n_steps", "n_epochs"), [(0, 6), (24, 6), (25, 7), (60, 12)])
def test_patience_lasts_for_a_number_of_steps_too(n_steps, n_epochs):
    # Six steps an epoch, the last gain in epoch 2.
    module = Scripted([1.0, 2.0, 3.0, *[2.5] * 30])
    settings = options(max_epochs=30, patience=4, patience_steps=n_steps)
    record = train(module, rows(), rows(30), settings, generator())
    assert (record.n_epochs, record.best_epoch) == (n_epochs, 2)


def record_of(valid, **changes):
    return TrainingRecord(
        {"valid_log_density": np.asarray(valid, dtype=float)}, len(valid) - 1, **changes
    )


def test_late_gains_are_those_of_a_training_that_its_length_ended():
    rising = np.linspace(0.0, 10.0, 41)
    gain, n_epochs = record_of(rising).late_gain()
    assert n_epochs == 20
    assert gain == pytest.approx(5.0)
    assert record_of(rising, ended_by="max_time").late_gain()[0] == gain
    for reason in ("patience", "callback", "interrupt"):
        assert record_of(rising, ended_by=reason).late_gain()[0] == 0
    # Few epochs, no hold-out, a fit that has converged, one lucky epoch.
    lucky = np.zeros(41)
    lucky[-1] = 1.0
    for quiet in (rising[:15], np.full(41, np.nan), np.minimum(rising, 5.0), rising[::-1], lucky):
        assert record_of(quiet).late_gain()[0] <= 0.1
