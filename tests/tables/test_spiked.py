"""Columns of numbers, some of which have a probability of their own."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import flowkit
from flowkit import FlowDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.nested import score_copies

from .examples import N, mixture_table

INNER = {
    "flow": FlowDensity(n_transforms=1, hidden_units=8, max_epochs=2, random_state=0),
    "mixture": GaussianMixture(4, random_state=0),
    "kernel": KernelDensity(bandwidth=0.3),
}


def _with(values, shares, rest):
    def build(rng):
        chosen = rng.choice(len(values) + 1, N, p=[*shares, 1 - sum(shares)])
        return np.choose(chosen, [*values, rest(rng)])

    return build


SPIKED = {
    "zeros": (_with([0.0], [0.6], lambda rng: rng.exponential(3, N)), None, [0.0]),
    "upper end": (_with([9.0], [0.2], lambda rng: 9 - rng.gamma(3, 1, N)), None, [9.0]),
    "inside": (_with([1.0], [0.3], lambda rng: rng.normal(0, 2, N)), None, [1.0]),
    "two": (_with([0.0, 1.0], [0.2, 0.2], lambda rng: rng.normal(0, 2, N)), None, [0, 1]),
    "both ends": (lambda rng: np.clip(rng.normal(0.5, 0.4, N), 0, 1), (0, 1), [0, 1]),
    "bounded": (_with([0.5], [0.3], lambda rng: rng.beta(2, 2, N)), (0, 1), [0.5]),
    "open below": (_with([0.0], [0.6], lambda rng: rng.gamma(3, 1, N)), (None, None), [0.0]),
}
spiked = pytest.mark.parametrize(("build", "bounds", "spikes"), SPIKED.values(), ids=SPIKED)


def frame(values):
    return pd.DataFrame({"x": np.asarray(values, dtype=float)})


def table(x, bounds=None, density=None, **parameters):
    declared = None if bounds is None else {"x": bounds}
    return mixture_table(density, bounds=declared, **parameters).fit(frame(x))


def probability_between(fitted, low, high):
    """Integral over an open interval, in steps that shrink next to its finite ends."""
    both = np.isfinite(low + high)
    total = 0.0
    for end, sign in ((low, 1), (high, -1)):
        if np.isfinite(end):
            reach = np.sqrt((high - low) / 2) if both else 1e3
            # The density may rise as one over the square root of the distance.
            root = np.geomspace(1e-9, reach, 5001)
            density = np.exp(fitted.score_samples(frame(end + sign * root**2)))
            total += trapezoid(density * 2 * root, root)
    return total


@spiked
@pytest.mark.parametrize("density", INNER.values(), ids=INNER)
def test_probabilities_and_the_integral_add_up_to_one(build, bounds, spikes, density, rng):
    x = build(rng)
    fitted = table(x, bounds, density)
    assert fitted.kinds_ == ["spiked"]
    mass = np.exp(fitted.score_samples(frame(spikes)))
    cuts = [fitted._kinds[0].bounds[0], *spikes, fitted._kinds[0].bounds[1]]
    pairs = [pair for pair in itertools.pairwise(cuts) if pair[0] < pair[1]]
    integral = sum(probability_between(fitted, low, high) for low, high in pairs)
    assert_allclose(mass.sum() + integral, 1, atol=2e-3)
    assert_allclose(mass, [np.mean(x == value) for value in spikes], atol=0.05)
    drawn = fitted.sample(4 * N, random_state=0)["x"].to_numpy()
    assert_allclose(mass, [np.mean(drawn == value) for value in spikes], atol=0.03)
    assert np.isfinite(fitted.score_samples(frame(drawn[:200]))).all()


def test_least_and_largest_values_are_bounds_if_nothing_else_is_declared(rng):
    x = SPIKED["zeros"][0](rng)
    closed, opened = table(x), table(x, (None, None))
    assert closed.score_samples(frame([-1e-9]))[0] == -np.inf
    assert np.isfinite(opened.score_samples(frame([-1e-9]))[0])
    assert closed.sample(N, random_state=0)["x"].min() == 0


@pytest.mark.parametrize("cells", ["density", "probability"])
def test_whole_numbers_stay_whole_and_add_up_to_one(cells, rng):
    x = np.where(rng.random(N) < 0.5, 0, rng.integers(30, 900, N))
    fitted = mixture_table(cells=cells).fit(pd.DataFrame({"x": x}))
    assert fitted.kinds_ == ["spiked"]
    probability = np.exp(fitted.score_samples(pd.DataFrame({"x": np.arange(6000)})))
    assert_allclose(probability.sum(), 1, atol=0.01)
    assert_allclose(probability[0], np.mean(x == 0), atol=0.03)
    drawn = fitted.sample(N, random_state=0)["x"]
    assert drawn.dtype == x.dtype
    assert_allclose(np.mean(drawn == 0), probability[0], atol=0.05)
    assert fitted.score_samples(pd.DataFrame({"x": [30.5]}))[0] == -np.inf
    seen = mixture_table(bounds="seen").fit(pd.DataFrame({"x": x}))
    assert seen.sample(5 * N, random_state=0)["x"].between(0, x.max()).all()


def test_a_spike_depends_on_other_columns(rng):
    smokes = rng.choice(["yes", "no"], N)
    packs = np.where(smokes == "no", 0.0, rng.gamma(3, 1, N).round(1) + 0.1)
    X = pd.DataFrame({"smokes": smokes, "packs": packs})
    fitted = mixture_table(GaussianMixture(4, random_state=0)).fit(X)
    drawn = fitted.sample(N, random_state=0)
    assert np.mean((drawn["smokes"] == "no") == (drawn["packs"] == 0)) > 0.97
    assert_array_equal(drawn["packs"], drawn["packs"].round(1))
    given = fitted.sample(200, random_state=0, given={"smokes": "no"})
    assert np.mean(given["packs"] == 0) > 0.95
    given = fitted.sample(200, random_state=0, given={"packs": 0.0})
    assert np.mean(given["smokes"] == "no") > 0.95


def test_the_cumulative_probability_jumps_at_a_spike(rng):
    x = SPIKED["inside"][0](rng)
    fitted = table(x, density=GaussianMixture(4, random_state=0))
    values = np.array([-2.0, 1 - 1e-9, 1.0, 1 + 1e-9, 3.0])
    expected = [np.mean(x <= value) for value in values]
    found = fitted.cdf(frame(values), "x")
    assert_allclose(found, expected, atol=0.03)
    mass = np.exp(fitted.score_samples(frame([1.0])))
    assert_allclose(found[2] - found[1], mass[0], atol=1e-3)
    assert fitted.quantile([found[1] + 0.1], "x")[0] == 1.0


@spiked
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_what_decodes_to_at_most_a_value_ends_where_its_probability_does(
    build, bounds, spikes, decimals, rng
):
    x = 40 * build(rng)
    x = x if decimals is None else np.round(x, decimals)
    bounds = bounds if bounds in (None, (None, None)) else tuple(40 * np.array(bounds))
    x = x.astype(int) if decimals == 0 else x
    fitted = mixture_table(
        bounds=None if bounds is None else {"x": bounds}, kinds={"x": "spiked"}
    ).fit(pd.DataFrame({"x": x}))
    codec = fitted._codecs[0]
    y = np.linspace(-20, 30, 2003)
    decoded = codec.decode(y)
    beside = np.concatenate([x + shift for shift in (-0.05, 0.0, 0.05)])
    values = np.unique(np.concatenate([beside, [x.min() - 50, x.max() + 50]]))[::9]
    values = np.append(values, 40.0 * np.array(spikes))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ends = codec.upper_ends(values)
    assert not np.isnan(ends).any()
    # Rounding may move what lies on an end.
    clear = np.abs(y - ends[:, None]) > 1e-6
    at_most = decoded <= values[:, None] + 1e-9
    assert_array_equal(at_most[clear], (y <= ends[:, None])[clear])


def test_all_is_at_most_the_upper_bound(rng):
    x = np.append([0.0] * 40, rng.uniform(0, 10, 60))
    for first in (10.0, 5.0):
        fitted = table(np.append(first, x), bounds=(0, 10))
        assert fitted.kinds_ == ["spiked"]
        found = fitted.cdf(frame([-1.0, 9.99, 10.0, 11.0]), "x")
        assert 0 < found[1] < 1
        assert_array_equal(found[[0, 2, 3]], [0, 1, 1])


def test_rounded_columns_have_the_law_of_their_draws(rng):
    fitted = table(np.round(SPIKED["zeros"][0](rng) * 5) / 5)
    drawn = fitted.sample(40_000, random_state=0)["x"].to_numpy()
    values = np.array([0, 0.2, 0.4, 0.6, 1, 2, 4])
    expected = [np.mean(drawn <= value + 1e-9) for value in values]
    assert_allclose(fitted.cdf(frame(values), "x"), expected, atol=0.008)


def test_a_score_does_not_depend_on_the_rows_beside_it(rng):
    x = SPIKED["two"][0](rng)
    X = frame(x).assign(level=rng.choice(["a", "b"], N))
    fitted = mixture_table().fit(X)
    together = fitted.score_samples(X[:40])
    alone = [fitted.score_samples(X[i : i + 1])[0] for i in range(40)]
    assert_allclose(alone, together, rtol=0, atol=1e-9)


def test_the_report_tells_shares_by_weight(rng):
    x = np.repeat([0.0, 1.0], [100, 300])
    x[100:] += rng.exponential(size=300)
    fitted = mixture_table(FlowDensity(n_transforms=1, hidden_units=8, max_epochs=1))
    heavy = fitted.fit(frame(x), sample_weight=np.where(x == 0, 3.0, 1.0))
    assert "0 in 50.0%" in heavy.report()
    assert "0 in 25.0%" in heavy.fit(frame(x)).report()


def test_it_is_saved_and_loaded(rng, tmp_path):
    X = frame(SPIKED["both ends"][0](rng))
    fitted = mixture_table().fit(X)
    flowkit.save(fitted, tmp_path / "table.flowkit")
    loaded = flowkit.load(tmp_path / "table.flowkit")
    assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))
    pd.testing.assert_frame_equal(
        loaded.sample(9, random_state=0), fitted.sample(9, random_state=0)
    )
    assert "0 in" in loaded.report()


@pytest.mark.parametrize("name", ["zeros", "upper end", "inside", "open below"])
@pytest.mark.parametrize("unit", [1e-3, 1.0])
def test_values_that_overflow_beside_a_spike_have_scores(name, unit, rng):
    x = unit * SPIKED[name][0](rng)
    fitted = table(x, density=INNER["flow"])
    far = fitted.score_samples(frame([-np.finfo(float).max, -1e300, 1e300, np.finfo(float).max]))
    assert (far < fitted.score_samples(frame(x)).min()).all()


def test_what_has_no_spikes_is_refused(rng):
    X = frame(rng.normal(size=N))
    with pytest.raises(InvalidDataError, match=r"column x is declared spiked.*but none does"):
        mixture_table(kinds={"x": "spiked"}).fit(X)
    with pytest.raises(InvalidDataError, match="all of its values do"):
        mixture_table(kinds={"x": "spiked"}).fit(frame(rng.integers(0, 2, N)))
    zeros = frame(SPIKED["zeros"][0](rng))
    with pytest.raises(InvalidParameterError, match="spiked and has a period"):
        mixture_table(kinds={"x": "spiked"}, periods={"x": 3}).fit(zeros)
    with pytest.raises(InvalidParameterError, match="must rise"):
        mixture_table(kinds={"x": "spiked"}, bounds={"x": (3, 1)}).fit(zeros)
    with pytest.raises(InvalidDataError, match="outside"):
        mixture_table(bounds={"x": (1, None)}).fit(zeros)


def with_kernels(rng, missing=None):
    """A density of kernels of two columns, half of whose rows lie on a spike, and these rows."""
    X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    X["b"] = X["b"].where(rng.random(40) < 0.5, 0.0)
    kernels = FlowDensity(
        prior="kernel",
        n_transforms=0,
        early_stopping=False,
        max_epochs=1,
        missing=missing,
        random_state=0,
    )
    return mixture_table(kernels).fit(X), X


def test_the_kernel_on_a_row_beside_a_spike_is_left_out_of_what_is_given_too(rng):
    fitted, X = with_kernels(rng)
    beside, encoded = X["b"] != 0, fitted._encoded_density()
    joint, given = fitted.score_samples(X), fitted.score_samples(X, given=["a"])
    rows = X.to_numpy()
    points, known = encoded.middles(rows), np.array([True, False])
    own = fitted.density_._own_kernels(points)
    assert (own[beside] >= 0).all()
    asked = np.where(known, points, np.nan)
    questions = encoded.questions
    counted, left_out = (questions.log_density(asked, 64, kernel)[0] for kernel in (None, own))
    assert (np.abs(left_out - counted)[beside] > 1e-4).any()
    # Only rows beside the spike are points.
    assert_allclose(given[beside], (joint - left_out)[beside], atol=1e-8)
    assert_allclose(given[~beside], (joint - counted)[~beside], atol=1e-8)


def test_copies_of_rows_beside_a_spike_are_scored_without_the_kernels_on_these(rng):
    fitted, X = with_kernels(rng)
    # Two copies a row, of which the second is changed.
    copies = X.loc[X.index.repeat(2)].reset_index(drop=True)
    copies.loc[1::2, "a"] += 0.1
    scores, plain = score_copies(fitted, copies, X), fitted.score_samples(copies)
    points = fitted._encoded_density().middles(copies.to_numpy())
    origins = points[::2]
    beside = np.repeat(X["b"].to_numpy() != 0, 2)
    inner = score_copies(fitted.density_, points, origins)
    volume = plain - fitted.density_.score_samples(points)
    assert_allclose(scores[beside], (inner + volume)[beside], atol=1e-8)
    assert_allclose(scores[~beside], plain[~beside], atol=1e-8)
    assert (scores < plain - 1e-4)[1::2].any()


@pytest.mark.parametrize("missing", [None, "marginalize"])
def test_copies_moved_onto_a_spike_are_scored_without_the_kernels_on_their_rows(missing, rng):
    fitted, X = with_kernels(rng, missing)
    copies = X.loc[X.index.repeat(2)].reset_index(drop=True)
    copies.loc[1::2, "b"] = 0.0
    scores = score_copies(fitted, copies, X)[1::2]
    density, codec = fitted.density_, fitted._codecs[1]
    own = density._own_kernels(fitted._encoded_density().middles(X.to_numpy()))
    (low,), (high,) = codec.cell_ends(np.zeros(1))
    y = np.linspace(low, high, 401)
    for i in np.flatnonzero(X["b"] != 0)[:5]:
        points = np.column_stack([np.full(len(y), X["a"][i]), y])
        log_density = density._log_density(points, np.full(len(y), own[i]))
        assert_allclose(np.exp(scores[i]), trapezoid(np.exp(log_density), y), rtol=4e-3)
