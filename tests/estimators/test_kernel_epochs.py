"""How many rows an epoch of training with kernels visits."""

from __future__ import annotations

import numpy as np
import pytest
from skorch.callbacks import Callback

from flowkit import FlowDensity
from flowkit.estimators import flow as flow_module

X = np.random.default_rng(0).normal(size=(200, 2))


@pytest.fixture
def visited():
    """Sizes of the batches of each training with the callback beside it."""
    sizes = []

    class Visits(Callback):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            if training:
                sizes.append(len(batch[0]))

    return sizes, Visits


@pytest.mark.parametrize(
    ("prior", "fit", "expected"),
    [("kernel", "fit", 100), ("normal", "fit", 400), ("kernel", "partial_fit", 200)],
)
def test_an_epoch_with_kernels_visits_few_of_many_rows(visited, monkeypatch, prior, fit, expected):
    assert flow_module._MAX_KERNEL_EPOCH == 20_000
    monkeypatch.setattr(flow_module, "_MAX_KERNEL_EPOCH", 50)
    sizes, callback = visited
    density = FlowDensity(
        prior=prior,
        n_transforms=1,
        hidden_units=8,
        max_epochs=2,
        early_stopping=False,
        callbacks=[callback],
        random_state=0,
    )
    getattr(density, fit)(X)
    assert sum(sizes) == expected
    assert np.isfinite(density.score_samples(X)).all()
