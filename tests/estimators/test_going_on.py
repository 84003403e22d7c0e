"""Training that goes on: histories, warm starts, and streams of chunks."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.datasets import make_moons
from skorch.callbacks import Callback

from flowkit import FlowDensity
from flowkit.exceptions import FitDivergedError

from .examples import SMALL, correlated, every_class


def test_history_has_one_entry_an_epoch_and_one_for_the_start(fitted):
    history = fitted.history_
    assert set(history) == {
        "epoch",
        "train_log_density",
        "valid_log_density",
        "learning_rate",
        "seconds",
    }
    assert all(len(column) == fitted.n_iter_ + 1 for column in history.values())
    np.testing.assert_array_equal(history["epoch"], np.arange(fitted.n_iter_ + 1))
    assert fitted.best_epoch_ == np.argmax(history["valid_log_density"])


def test_history_is_in_the_units_of_x(X):
    density = FlowDensity(**{**SMALL, "early_stopping": False, "dropout": 0.0}).fit(X)
    assert density.history_["train_log_density"][-1] == pytest.approx(density.score(X), abs=0.3)


def test_warm_start_goes_on_from_the_weights(X):
    density = FlowDensity(**SMALL, warm_start=True).fit(X)
    location = density.location_
    first = density.history_["valid_log_density"][density.best_epoch_]
    density.fit(X)
    assert density.location_ is location
    # The hold-out is the same, so the second fit starts where the first one ended.
    assert density.history_["valid_log_density"][0] == pytest.approx(first, abs=1e-4)
    cold = FlowDensity(**SMALL).fit(X)
    start = cold.history_["valid_log_density"][0]
    assert cold.fit(X).history_["valid_log_density"][0] == pytest.approx(start)


def test_partial_fit_learns_from_chunks():
    X = make_moons(2000, noise=0.05, random_state=0)[0]
    density = FlowDensity(n_transforms=2, hidden_units=32, prior="normal", random_state=0)
    scores = []
    for _ in range(10):
        for chunk in np.array_split(X, 4):
            density.partial_fit(chunk)
        scores.append(density.score(X))
    assert scores[-1] > scores[0] + 0.2
    assert density.n_iter_ == 40
    np.testing.assert_array_equal(density.history_["epoch"], np.arange(1, 41))
    assert len(density.history_["epoch"]) == 40
    again = FlowDensity(n_transforms=2, hidden_units=32, prior="normal", random_state=0)
    for _ in range(10):
        for chunk in np.array_split(X, 4):
            again.partial_fit(chunk)
    np.testing.assert_array_equal(again.score_samples(X), density.score_samples(X))


def test_partial_fit_keeps_the_first_chunks_scale_and_goes_on_after_pickling(X):
    density = FlowDensity(**SMALL).partial_fit(X[:100])
    location = density.location_.copy()
    before = density.score_samples(X)
    density = pickle.loads(pickle.dumps(density)).partial_fit(X[100:] + 50)
    density.partial_fit(X[:1])
    np.testing.assert_array_equal(density.location_, location)
    assert (density.score_samples(X) != before).any()


def _judged(density, X):
    """What a stream keeps weights by: where it is a bound, the density may fall below."""
    return density.elbo(X).mean() if hasattr(density, "elbo") else density.score(X)


@every_class
def test_a_chunk_leaves_the_density_of_the_next_no_lower_than_before(build):
    X = correlated(3000)
    X[:, 1] += 0.1 * X[:, 0] ** 2
    chunks = np.array_split(X, 6)
    density = build(learning_rate=0.03).partial_fit(chunks[0])
    first = _judged(density, chunks[-1])
    for chunk, following in pairwise(chunks[1:]):
        before = density.score(following)
        density.partial_fit(chunk)
        # Judges err as a hundred rows do.
        assert density.score(following) > before - 0.1
    assert _judged(density, chunks[-1]) >= first
    assert np.isfinite(density.history_["valid_log_density"]).all()
    assert len(density.history_["epoch"]) == density.n_iter_ == 5
    assert 0 <= density.best_epoch_ <= 5


@every_class
def test_a_stream_that_changes_is_followed(build):
    rng = np.random.default_rng(0)
    density, scores = build(learning_rate=0.03, batch_size=40), []
    for i in range(8):
        density.partial_fit(rng.normal(1.5 * (i >= 2), 1.0, size=(400, 2)))
        scores.append(density.score(rng.normal(1.5, 1.0, size=(500, 2))))
    best = 2 * stats.norm.logpdf(rng.normal(size=2000)).mean()
    assert scores[1] < best - 1.0
    # Kernels stay on rows of the first chunk, so that a map has to do it all.
    share = 0.0 if getattr(density, "prior", None) == "kernel" else 0.7
    assert scores[-1] > scores[1] + share * (best - scores[1])


@every_class
def test_small_chunks_are_trained_on_too(build, X):
    density = build().partial_fit(X[:12])
    for start in (12, 14, 16):
        density.partial_fit(X[start : start + 2])
    assert density.n_iter_ == 4
    if getattr(density, "prior", None) != "kernel":
        for row in X[18:22]:
            density.partial_fit(row[None])
        assert density.n_iter_ == 8
        # One row in ten is held out, here at the ends of the second ten and before.
        assert len(density._stream.rows) == 2
        assert np.isnan(density.history_["train_log_density"]).sum() == 1
    assert np.isfinite(density.score_samples(X)).all()


def test_rows_held_out_of_a_stream_are_never_trained_on():
    seen = []

    class Sees(Callback):
        def __deepcopy__(self, memo):
            return self

        def on_batch_begin(self, net, batch=None, **kwargs):
            seen.append(batch[0].numpy().copy())

    X = correlated(30_000)
    density = FlowDensity(**{**SMALL, "dtype": "float64", "prior": "normal"}, callbacks=[Sees()])
    for chunk in np.split(X, [200, 300, 301, 302, 12_000]):
        density.partial_fit(chunk)
        held = density._stream.rows
        trained = {row.tobytes() for part in seen for row in part}
        assert not trained & {row.tobytes() for row in held}
    # Half of them are of the last chunk, which could have given all.
    assert held.shape == (1000, 3)
    last = {row.tobytes() for row in density._columns.standardise(X[12_000:])}
    assert sum(row.tobytes() in last for row in held) == 500
    assert sum(map(len, seen)) == 30_000 - 20 - 10 - 0 - 500 - 500
    assert density._stream.n_seen == 30_000


def test_without_early_stopping_no_row_is_held_out_of_a_stream(X):
    density = FlowDensity(**SMALL, early_stopping=False).partial_fit(X)
    density.partial_fit(X)
    assert len(density._stream.rows) == 0
    assert np.isnan(density.history_["valid_log_density"]).all()
    assert density.best_epoch_ == 2


def test_passes_over_a_chunk_are_a_parameter(X):
    one = FlowDensity(**SMALL).partial_fit(X)
    many = FlowDensity(**SMALL, partial_fit_epochs=10).partial_fit(X)
    assert (one.n_iter_, many.n_iter_) == (1, 10)
    np.testing.assert_array_equal(many.history_["epoch"], np.arange(1, 11))
    valid = many.history_["valid_log_density"]
    assert (np.diff(valid) >= 0).all()
    assert valid[-1] > one.history_["valid_log_density"][-1]
    assert many.partial_fit(X[:50]).n_iter_ == 20


def test_a_stream_goes_on_where_it_was_after_pickling(X):
    """Only the moments of the optimiser are lost."""
    density = FlowDensity(**SMALL).partial_fit(X[:200])
    again = pickle.loads(pickle.dumps(density))
    for name in ("n_seen", "rows", "weight"):
        kept, before = (getattr(other._stream, name) for other in (again, density))
        np.testing.assert_array_equal(kept, before)
    for name, value in density._stream.net.module_.state_dict().items():
        np.testing.assert_array_equal(again._stream.path[name], value.numpy())
    still = {"learning_rate": 1e-12, "weight_decay": 0.0}
    again.set_params(**still).partial_fit(X[200:])
    for name, value in again._stream.path.items():
        np.testing.assert_allclose(value, density._stream.path[name], atol=1e-6)


def test_fit_forgets_a_stream(X):
    density = FlowDensity(**SMALL).partial_fit(X).fit(X)
    assert density._stream.n_seen == 0
    assert density._stream.net is None
    before = density.score(X)
    for chunk in np.array_split(correlated(2000, seed=1), 4):
        density.partial_fit(chunk)
    assert density.score(X) > before - 0.1


def test_a_chunk_that_diverges_changes_nothing_and_the_stream_goes_on(X):
    class Explodes(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            if batch[0].max() > 100:
                batch[0].fill_(np.inf)

    density = FlowDensity(**SMALL, callbacks=[Explodes()]).partial_fit(X)
    before, state = density.score_samples(X), density._stream
    with pytest.raises(FitDivergedError):
        density.partial_fit(X * 1000)
    np.testing.assert_array_equal(density.score_samples(X), before)
    assert density._stream.rows is state.rows
    assert density._stream.path is state.path
    assert density.partial_fit(X).n_iter_ == 2


def test_weights_of_a_stream_count(X):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (400, 1)), rng.normal(3, 1, (400, 1))])
    weight = np.repeat([9.0, 1.0], 400)
    density = FlowDensity(random_state=0)
    for part in np.array_split(rng.permutation(800), 4):
        density.partial_fit(X[part], sample_weight=weight[part])
    assert set(np.unique(density._stream.weight)) == {1.0, 9.0}
    t = np.linspace(-15, 15, 3001)
    values = np.exp(density.score_samples(t[:, None]))
    assert trapezoid(values[t < 0], t[t < 0]) == pytest.approx(0.9, abs=0.06)


def test_a_chunk_that_is_refused_leaves_the_stream_as_it_was(X):
    chunks = np.array_split(X, 3)
    streams = [FlowDensity(**SMALL).partial_fit(chunks[0]) for _ in range(2)]
    with pytest.raises(ValueError, match="infinity"):
        streams[0].partial_fit(np.full((3, X.shape[1]), np.inf))
    scores = [stream.partial_fit(chunks[1]).score_samples(X) for stream in streams]
    np.testing.assert_array_equal(*scores)
