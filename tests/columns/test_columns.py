"""What is learned about columns before training: constants, lattices, heavy values, gaps."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import trapezoid
from sklearn.base import clone

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity
from flowkit import bijections as b
from flowkit.columns._gaps import lengthen, log_lengths, shorten
from flowkit.columns._moments import constant_columns, location_and_scale, moments
from flowkit.columns._noise import column_noise
from flowkit.columns._ties import find_ties
from flowkit.exceptions import ConstantColumnWarning, HeavyValueWarning, InvalidDataError
from flowkit.outliers._column_values import ColumnValues
from flowkit.training import Noise

from ..table import ESTIMATORS, FLOWS

N = 1000
CODE = -999.0
# One of each kind of density, and the prior that keeps rows without noise.
KINDS = ("default", "kernel", "fractal", "rg", "phvae")
TRAINED_VAE = {"n_components": 2, "max_epochs": 15, "learning_rate": 0.01, "batch_size": 32}
QUICK = FlowDensity(
    "affine_coupling", prior="normal", n_transforms=1, hidden_units=8, max_epochs=1, random_state=0
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def with_code(x, code=CODE, n=12):
    x = np.array(x, dtype=float)
    x[:n] = code
    return x


def pairs(n=300, seed=0):
    """Rows of two correlated columns of deviation about 5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(50, 5, n)
    return np.c_[x, x + rng.normal(0, 2, n)]


def coded(n=300, n_coded=9):
    X = pairs(n)
    X[:, 0] = with_code(X[:, 0], n=n_coded)
    return X


LATTICES = {
    "whole": (1, lambda r: r.integers(0, 10, N)),
    "rare counts": (1, lambda r: r.poisson(0.005, N)),
    "counts": (1, lambda r: np.where(r.random(N) < 0.7, 0, r.negative_binomial(1, 0.02, N))),
    "tenths": (0.1, lambda r: np.round(r.normal(50, 5, N), 1)),
    "thirds": (1 / 3, lambda r: r.integers(0, 10, N) / 3),
    "prices": (5, lambda r: r.choice([4.99, 9.99, 14.99, 19.99, 24.95], N)),
    "endings": (1, lambda r: np.round(r.lognormal(3, 0.7, N)) - 0.01),
    "two values": (1000, lambda r: r.choice([0, 1000], N)),
    "few of two values": (1000, lambda r: with_code(np.zeros(N), 1000, 3)),
    "one far": (1, lambda r: with_code(r.integers(0, 10, N), 999999, 1)),
    "some far": (1, lambda r: with_code(r.integers(0, 10, N), 999999, 20)),
    "most far": (1, lambda r: with_code(r.integers(0, 2, N), CODE, 600)),
    "far tenths": (0.1, lambda r: with_code(np.round(r.normal(50, 5, N), 1))),
    "zero and hundreds": (
        100,
        lambda r: np.where(r.random(N) < 0.6, 0, np.round(r.lognormal(10.5, 0.4, N), -2)),
    ),
}


@pytest.mark.parametrize("name", LATTICES)
def test_repeated_values_of_a_lattice_have_its_spacing(name, rng):
    spacing, draw = LATTICES[name]
    found, heavy, _ = find_ties(np.asarray(draw(rng), dtype=float))
    assert found == pytest.approx(spacing, rel=1e-6)
    assert all(value.of_lattice for value in heavy)


OTHERS = {
    "code": ([CODE], lambda r: with_code(r.normal(50, 5, N))),
    "few codes": ([CODE], lambda r: with_code(r.normal(50, 5, N), n=4)),
    "code nearby": ([0], lambda r: with_code(r.normal(50, 5, N), 0, 50)),
    "codes": ([-999, -998], lambda r: with_code(with_code(r.random(N), -998, 40), -999, 20)),
    "codes on both sides": (
        [-9999, 9999],
        lambda r: with_code(with_code(r.normal(size=N), -9999, 40), 9999, 20),
    ),
    "zeros": ([0], lambda r: np.where(r.random(N) < 0.6, 0, r.lognormal(0, 1, N))),
    "both ends": ([0, 1], lambda r: np.clip(r.normal(0.5, 0.5, N), 0, 1)),
    "one value and few others": ([0], lambda r: np.append(np.zeros(N), r.normal(size=5))),
}


@pytest.mark.parametrize("name", OTHERS)
def test_heavy_values_beside_others_that_do_not_repeat_are_no_lattice(name, rng):
    values, draw = OTHERS[name]
    x = draw(rng)
    spacing, heavy, _ = find_ties(x)
    assert spacing == 0
    assert [value.value for value in heavy] == values
    others = x[~np.isin(x, values)]
    for value in heavy:
        assert value.share == pytest.approx((x == value.value).mean())
        assert 0 < value.width <= max(np.abs(x[x != value.value] - value.value).min(), 1e-3)
        assert value.width <= 0.11 * others.std()


def test_columns_that_hardly_repeat_have_no_ties(rng):
    for x in (rng.normal(size=N), rng.standard_cauchy(N), np.round(rng.lognormal(3, 1, N), 3)):
        assert find_ties(x) == (0.0, [], [])
    two_states = np.where(rng.random(N) < 0.5, 0, 9999) + 0.01 * rng.normal(size=N)
    assert find_ties(two_states) == (0.0, [], [])


@pytest.mark.parametrize(
    ("x", "far"),
    [
        (with_code(np.random.default_rng(0).normal(50, 5, N)), True),
        (with_code(np.random.default_rng(0).integers(0, 10, N)), True),
        (np.where(np.arange(N) < 600, 0, np.random.default_rng(0).random(N)), False),
        (with_code(np.random.default_rng(0).integers(18, 91, N), -1, 30), False),
    ],
    ids=["code", "code of counts", "zeros", "code nearby"],
)
def test_a_warning_names_column_value_and_share(x, far):
    frame = pd.DataFrame({"plain": np.random.default_rng(1).normal(size=N), "income": x})
    value = x[0]
    share = f"{(x == value).mean():.1%}"
    reason = "looks like a code for missing" if far else "state of its own"
    with pytest.warns(HeavyValueWarning) as caught:
        clone(QUICK).fit(frame)
    (message,) = (str(w.message) for w in caught if w.category is HeavyValueWarning)
    assert f"column income holds {value:g} in {share} of the rows" in message
    assert reason in message
    assert "plain" not in message


GAPS = find_ties(with_code(with_code(np.random.default_rng(0).normal(50, 5, N), -9999, 40), 9999))[
    2
]


def test_shortened_gaps_come_back_with_their_lengths():
    assert len(GAPS) == 2
    ends = [end for _, low, high, *_ in GAPS for end in (low, high)]
    x = np.r_[-9999, 9999, np.linspace(-12000, 12000, 999), np.linspace(20, 80, 99), ends][:, None]
    u = shorten(x, GAPS)
    np.testing.assert_allclose(lengthen(u, GAPS), x, rtol=1e-12, atol=1e-9)
    near = (x > 25) & (x < 75)
    np.testing.assert_array_equal(u[near], x[near])
    assert -100 < u[0] < u[1] < 200
    inner = ~np.isin(x[:, 0], ends)
    slope = (shorten(x + 1e-4, GAPS) - shorten(x - 1e-4, GAPS))[inner] / 2e-4
    np.testing.assert_allclose(-np.log(slope), log_lengths(u, GAPS)[inner], atol=1e-3)
    assert np.isnan(shorten(np.array([[np.nan]]), GAPS)).all()


@pytest.mark.parametrize("code", [-1e9, 1e20, float(np.finfo(np.float32).min), 1e300])
def test_codes_too_large_for_digits_beside_them_keep_their_place(code):
    x = with_code(np.random.default_rng(0).normal(50, 5, N), code)
    x[-3:] = 9999
    _, heavy, gaps = find_ties(x)
    assert {value.value for value in heavy} == {code, 9999}
    u = shorten(x[:, None], gaps)[:, 0]
    np.testing.assert_allclose(lengthen(u[:, None], gaps)[:, 0], x, rtol=1e-12)
    others = np.abs(x - 50) < 45
    assert np.ptp(u[x == code]) == 0
    assert np.abs(u[x == code] - u[others].mean()).min() > 2 * np.ptp(u[others]) / 2
    assert np.abs(u).max() < 300


def test_a_density_with_gaps_integrates_to_one():
    density = FlowDensity(n_transforms=1, max_epochs=2, random_state=0).fit(coded(N, 30)[:, :1])
    total = 0.0
    for low, high in ((-1100, -980), (-980, 10), (10, 100)):
        x = np.linspace(low, high, 40_001)
        total += trapezoid(np.exp(density.score_samples(x[:, None])), x)
    assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", [*KINDS[:4], pytest.param("phvae", marks=pytest.mark.slow)])
def test_a_code_leaves_the_density_of_all_other_rows(name):
    # What a decoder is not trained to tell apart, its one deviation has to cover.
    options, tolerance = (TRAINED_VAE, 0.5) if name == "phvae" else ({"max_epochs": 1}, 0.2)
    X, new = coded(), pairs(200, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeavyValueWarning)
        density = ESTIMATORS[name](**options).fit(X)
    np.testing.assert_array_equal(density.dequantization_, 0)
    assert [value[:2] for value in density.heavy_values_] == [(0, CODE)]
    # A share of 3 % costs 0.03 nats.
    clean = ESTIMATORS[name](**options).fit(pairs())
    assert density.score(new) > clean.score(new) - tolerance
    between = np.c_[[-900.0, -500.0, -100.0, 150.0, 500.0], [50.0] * 5]
    usual = np.quantile(density.score_samples(new), 0.01)
    assert (density.score_samples(between) < usual - 1).all()
    drawn = density.sample(1000, random_state=0)[:, 0]
    nowhere = ((drawn > CODE + 50) & (drawn < 0)) | (drawn < CODE - 50) | (drawn > 100)
    assert nowhere.mean() < 0.02


@pytest.mark.parametrize("name", ["normal_prior", "rg", "phvae"])
def test_further_training_keeps_gaps_and_noise(name):
    X = coded()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeavyValueWarning)
        first = ESTIMATORS[name](max_epochs=1).fit(X)
        chunks = ESTIMATORS[name](max_epochs=1).partial_fit(X[:200]).partial_fit(X[200:])
    assert [value[:2] for value in chunks.heavy_values_] == [(0, CODE)]
    assert np.isfinite(chunks.score_samples(X)).all()
    before = first.heavy_values_, first.score(X[20:])
    first.set_params(warm_start=True).fit(X)
    assert first.heavy_values_ == before[0]
    assert first.score(X[20:]) > before[1] - 1
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_allclose(again.score_samples(X), first.score_samples(X), rtol=1e-9)


@pytest.mark.parametrize("name", ["default", "rg"])
def test_codes_beside_missing_values(name):
    X = coded()
    X[100:130, 0], X[130:160, 1] = np.nan, np.nan
    with pytest.warns(HeavyValueWarning, match=r"column 0 holds -999 in 3\.3% of the rows"):
        density = FLOWS[name](max_epochs=2, missing="marginalize").fit(X)
    assert [value[:2] for value in density.heavy_values_] == [(0, CODE)]
    # What is known of a row in a gap is as unlikely there.
    known, gap = density.score_samples([[50.0, np.nan], [-500.0, np.nan]])
    assert known > -6
    assert gap < known - 3
    filled = density.impute(X, random_state=0)[100:130, 0]
    assert ((np.abs(filled - CODE) < 25) | (np.abs(filled - 50) < 40)).all()


def test_parts_of_the_log_density_count_gaps():
    X = coded()
    rows = np.r_[X[:20], [[-500.0, 50.0]]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeavyValueWarning)
        rg = FLOWS["rg"](max_epochs=1).fit(X)
        fractal = FLOWS["fractal"](max_epochs=1).fit(X)
    np.testing.assert_allclose(rg.score_levels(rows).scores.sum(1), rg.score_samples(rows))
    prior = fractal.module_.prior.log_prob(torch.from_numpy(fractal.transform(rows))).detach()
    shares = fractal.log_det_tree(rows).shares.sum(1)
    np.testing.assert_allclose(shares + prior.numpy(), fractal.score_samples(rows), rtol=1e-6)


def test_receptive_fields_count_gaps():
    with pytest.warns(HeavyValueWarning):
        rg = FLOWS["rg"](max_epochs=1).fit(coded())
    draws = rg.transform([[-500.0, 50.0], [45.0, 52.0], [-100.0, 40.0]])
    rg.module_.prior.sample = lambda *_: torch.from_numpy(draws)
    step = 1e-5 * np.eye(2)
    above, below = (
        rg.inverse_transform((draws[:, None] + move).reshape(-1, 2)) for move in (step, -step)
    )
    slopes = np.abs((above - below).reshape(3, 2, 2) / 2e-5)
    assert slopes[0].max() > 20 * slopes[1].max()
    fields = np.concatenate([rg.receptive_fields(level) for level in range(rg.n_levels_)])
    order = np.argsort(rg.latent_levels_, kind="stable")
    np.testing.assert_allclose(fields, slopes.mean(0)[order], rtol=1e-3, atol=1e-9)


def test_noise_of_a_heavy_value_is_its_own():
    x = torch.tensor([[0.0, 3.0]]).repeat(1000, 1)
    x[500:] = torch.tensor([1.0, 0.0])
    heavy = [(0, torch.tensor(0.0), torch.tensor(0.1))]
    noise = Noise(uniform=torch.tensor([0.0, 2.0]), heavy=heavy)
    moved = noise.add(x, torch.Generator().manual_seed(0)) - x
    assert 0.04 < moved[:500, 0].max() <= 0.05
    assert (moved[500:, 0] == 0).all()
    assert moved[:, 1].abs().max() > 0.9


def test_tables_spread_only_lattices():
    rng = np.random.default_rng(0)
    X = np.c_[with_code(rng.normal(size=N)), with_code(rng.integers(0, 15, N), 99, 20)]
    with pytest.warns(HeavyValueWarning):
        table = TableDensity(QUICK, random_state=0).fit(X)
    np.testing.assert_array_equal(table.density_.dequantization_, [0, 1])
    report = table.report()
    assert report.count("repeat") == report.count("repeat 1 apart") == 1


LARGEST = np.finfo(float).max
CONSTANTS = (0.5, 0.01, 0.3, 1 / 3, 1e9, 1e-300, -1e20)


@pytest.mark.parametrize("value", CONSTANTS)
def test_constants_are_found_whatever_their_mean_rounds_to(value):
    X = np.full((777, 1), value)
    location, deviation, constant = moments(X)
    assert constant.all()
    assert (location[0], deviation[0]) == (value, 0)
    assert constant_columns(np.append(X, np.nan)[:, None]).all()
    assert constant_columns(np.append(X, np.nextafter(value, 2 * value))[:, None]).all()
    assert not constant_columns(np.append(X, value * (1 + 1e-14))[:, None]).any()


@pytest.mark.parametrize("value", [1e17, -1e100, 1e300])
def test_noise_is_as_wide_as_what_rounding_makes_of_a_constant(value):
    X = np.array([[value], [value + 2 * np.spacing(value)]])
    constant = constant_columns(X)
    assert constant.all()
    widths, heavy, gaps = column_noise(X, constant, "auto")
    assert widths[0] == np.ptp(X) > 1
    assert (heavy, gaps) == ([], [])


@pytest.mark.parametrize("other", [0.0, 1.0, -LARGEST, LARGEST / 2])
def test_the_largest_number_is_not_all_others(other):
    assert constant_columns(np.array([[LARGEST]] * 3)).all()
    X = np.array([[LARGEST], [other]])
    assert not constant_columns(X).any()
    with pytest.raises(InvalidDataError, match="too large"):
        location_and_scale(X, None, None)


@pytest.mark.parametrize("value", CONSTANTS)
def test_rows_are_explained_beside_a_constant(value, rng):
    X = np.c_[rng.normal(size=(200, 2)), np.full(200, value)]
    with pytest.warns(ConstantColumnWarning) as caught:
        detector = DensityOutlierDetector(QUICK, random_state=0).fit(X)
    assert not [w for w in caught if w.category is RuntimeWarning]
    effects = np.asarray(detector.explain(X[:5]))
    assert np.isfinite(effects).all()
    assert (effects[:, 2] == 0).all()
    alone = DensityOutlierDetector(QUICK, random_state=0).fit(X[:, :2])
    np.testing.assert_allclose(effects[:, :2], np.asarray(alone.explain(X[:5, :2])), atol=0.7)


def test_regressions_leave_constants_out(rng):
    X = np.c_[rng.normal(size=(300, 2)), np.full(300, 0.3)]
    axes = ColumnValues.of(X).columns
    assert (axes[0].coefficients[[0, 2]] == 0).all()
    assert abs(axes[0].coefficients[1]) < 0.3


@pytest.mark.parametrize("name", ["kernel", "rg", "phvae"])
@pytest.mark.parametrize(("centre", "scale"), [(1e9, 1e-6), (0.0, 1e-200)])
def test_narrow_columns_keep_their_digits(name, centre, scale, rng):
    z = rng.normal(size=(300, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConstantColumnWarning)
        narrow = ESTIMATORS[name](max_epochs=1).fit(centre + scale * z)
        plain = ESTIMATORS[name](max_epochs=1).fit(z)
    expected = plain.score(z) - 2 * np.log(scale)
    assert narrow.score(centre + scale * z) == pytest.approx(expected, abs=0.2)
    drawn = (narrow.sample(500, random_state=0) - centre) / scale
    np.testing.assert_allclose(drawn.std(0), 1, atol=0.25)


def test_a_scale_does_not_start_from_the_rounding_of_a_constant():
    x = torch.full((777, 1), 0.3, dtype=torch.float64)
    step = b.ActNorm(1).double()
    step.start(x)
    assert step.log_scale.item() == 0
