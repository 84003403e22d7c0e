"""Training on chunks of a stream."""

from __future__ import annotations

import numpy as np
import torch
from skorch.callbacks import Callback

from flowkit.training import callbacks, make_stream, train_chunk

from .examples import Clock, D, Shift, generator, options, rows


def stream_of(module, **changes):
    settings = options(schedule=False, max_setbacks=0, max_epochs=1, **changes)
    net = make_stream(module, None, settings, generator())
    return lambda x, judges: train_chunk(net, x, judges, settings, generator())


def test_weights_that_judges_like_less_are_not_kept_but_the_path_goes_on():
    module = Shift()
    go_on = stream_of(module)
    kept, record = go_on(rows(mean=3.0), rows(mean=-1.0))
    assert record.best_epoch == 0
    assert torch.equal(kept.mean.detach(), torch.zeros(D))
    assert module.mean.detach().min() > 0
    kept, record = go_on(rows(mean=3.0), rows(mean=3.0))
    assert record.best_epoch == 1
    assert kept.mean.detach().min() > 0


def test_without_judges_the_average_is_kept():
    module = Shift()
    kept, record = stream_of(module)(rows(2000, mean=3.0), None)
    assert record.best_epoch == 1
    assert np.isnan(record.history["valid_log_density"]).all()
    assert (kept.mean.detach() > 0).all()
    assert (kept.mean < module.mean).all()


def test_the_rate_of_a_stream_rises_over_its_first_steps_and_stays():
    seen = []

    class Rate(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    go_on = stream_of(Shift(), callbacks=[Rate()])
    for seed in range(3):
        go_on(rows(1000, seed=seed), None)
    expected = 0.05 * np.minimum(1, np.arange(1, 151) / 100)
    # skorch copies no callbacks, so that all rates are seen.
    np.testing.assert_allclose(seen, expected)


def test_a_chunk_ends_in_time(monkeypatch):
    monkeypatch.setattr(callbacks, "time", Clock())
    _, record = stream_of(Shift(), max_time=20.0)(rows(1000), rows())
    assert record.ended_by == "max_time"
    assert record.n_epochs == len(record.history["valid_log_density"]) == 1
