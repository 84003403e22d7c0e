"""Scores of disentanglement: known answers, bounds, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.inspection import (
    active_units,
    dci,
    mutual_information_gap,
    separated_attribute_predictability,
)

SEEDS = range(2)
GAPS = [mutual_information_gap, separated_attribute_predictability]
SCORES = [*GAPS, dci]


def grid(*levels):
    """Each combination of whole numbers once."""
    return np.indices(levels).reshape(len(levels), -1).T.astype(float)


def flipped(factor, n_wrong):
    """Bits, of which the first few of each class are wrong."""
    code = factor.copy()
    for value in (0, 1):
        code[np.flatnonzero(factor == value)[:n_wrong]] = 1 - value
    return code


def uncorrelated(rng, n, columns):
    """Columns of mean 0 and variance 1 without any sample correlation."""
    return np.sqrt(n) * np.linalg.qr(np.c_[np.ones(n), rng.normal(size=(n, columns))])[0][:, 1:]


def entropy_of_bit(p):
    return -p * np.log(p) - (1 - p) * np.log(1 - p)


def factors_and_codes(seed, n=300, noise=0.3):
    """One discrete and two continuous factors, noisy latents of them, and one of noise only."""
    rng = np.random.default_rng(seed)
    factors = np.c_[rng.integers(0, 4, n), rng.uniform(-1, 1, (n, 2))]
    codes = factors + noise * rng.normal(size=(n, 3))
    return factors, np.c_[codes, rng.normal(size=n)]


# Axis-aligned latents


@pytest.mark.parametrize("levels", [(2, 2), (4, 4, 4), (3, 5, 20)])
def test_aligned_latents_of_discrete_factors_have_the_largest_gaps(levels):
    factors = grid(*levels)
    mig = mutual_information_gap(-3 * factors, factors, per_factor=True)
    np.testing.assert_allclose(mig, 1, atol=1e-12)
    sap = separated_attribute_predictability(-3 * factors, factors, per_factor=True)
    np.testing.assert_allclose(sap, 1 - 1 / np.array(levels), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_jitter_that_keeps_classes_apart_costs_next_to_nothing(seed):
    factors = np.tile(grid(4, 5), (200, 1))
    codes = factors + np.random.default_rng(seed).uniform(-0.3, 0.3, factors.shape)
    mig = mutual_information_gap(codes, factors, per_factor=True)
    sap = separated_attribute_predictability(codes, factors, per_factor=True)
    # Next to nothing: what the latents of other factors seem to know by chance.
    for gap, most in [(mig, 1), (sap, [0.75, 0.8])]:
        np.testing.assert_array_less(gap, np.array(most) + 1e-12)
        np.testing.assert_allclose(gap, most, atol=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_aligned_latents_of_continuous_factors(seed):
    rng = np.random.default_rng(seed)
    factors = uncorrelated(rng, 2000, 3)
    assert separated_attribute_predictability(factors, factors) == pytest.approx(1, abs=1e-12)
    assert 0.95 < mutual_information_gap(factors, factors) < 1
    scores = dci(factors, factors, random_state=seed)
    assert min(scores.disentanglement, scores.completeness, scores.informativeness) > 0.98
    np.testing.assert_allclose(scores.importances, np.eye(3), atol=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_aligned_latents_of_discrete_factors_have_perfect_dci(seed):
    factors = np.tile(grid(3, 4, 5), (10, 1))
    scores = dci(factors[:, [2, 0, 1]], factors, random_state=seed)
    assert scores.informativeness == 1
    np.testing.assert_allclose(scores.importances, np.eye(3)[[2, 0, 1]], atol=0.02)
    assert min(scores.disentanglement, scores.completeness) > 0.95


# Rotated, split and shared latents


@pytest.mark.parametrize("levels", [5, 32])
def test_rotation_by_45_degrees_leaves_no_gap(levels):
    factors = grid(levels, levels)
    rotated = factors @ [[1, 1], [1, -1]]
    assert mutual_information_gap(rotated, factors) == pytest.approx(0, abs=1e-12)
    for discrete in ([True, True], [False, False]):
        gap = separated_attribute_predictability(rotated, factors, discrete=discrete)
        assert gap == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_rotation_by_45_degrees_has_low_dci_but_keeps_the_information(seed):
    factors = np.random.default_rng(seed).uniform(size=(2000, 2))
    scores = dci(factors @ [[1, 1], [1, -1]], factors, random_state=seed)
    assert 0 <= scores.disentanglement < 0.05
    assert 0 <= scores.completeness < 0.05
    assert scores.informativeness > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_a_factor_split_over_two_latents_is_disentangled_but_not_complete(seed):
    digits = np.tile(grid(3, 3, 9), (8, 1))
    factors = np.c_[3 * digits[:, 0] + digits[:, 1], digits[:, 2]]
    mig = mutual_information_gap(digits, factors, per_factor=True)
    np.testing.assert_allclose(mig, [0, 1], atol=1e-12)
    scores = dci(digits, factors, random_state=seed)
    assert scores.disentanglement > 0.97
    assert scores.informativeness == 1
    # Two latents of three for one factor, one for the other.
    assert scores.completeness == pytest.approx((1 - np.log(2) / np.log(3) + 1) / 2, abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_latent_shared_by_two_factors_is_complete_but_not_disentangled(seed):
    factors = np.tile(grid(3, 3, 4), (20, 1))
    codes = np.c_[3 * factors[:, 0] + factors[:, 1], factors[:, 2]]
    assert mutual_information_gap(codes, factors) == pytest.approx(1, abs=1e-12)
    scores = dci(codes, factors, random_state=seed)
    assert scores.completeness > 0.97
    # Weights 2 and 1 of the two latents, of which the first has two factors of three.
    assert scores.disentanglement == pytest.approx(
        (2 * (1 - np.log(2) / np.log(3)) + 1) / 3, abs=0.05
    )


# Values between the extremes


@pytest.mark.parametrize(("few", "many"), [(10, 30), (1, 2), (5, 50)])
def test_gaps_of_noisy_bits_are_those_of_binary_channels(few, many):
    factor = np.tile([0.0, 1.0], 100)
    codes = np.c_[flipped(factor, many), flipped(factor, few)]
    mig = mutual_information_gap(codes, factor[:, None])
    lead = entropy_of_bit(many / 100) - entropy_of_bit(few / 100)
    assert mig == pytest.approx(lead / np.log(2), abs=1e-12)
    sap = separated_attribute_predictability(codes, factor[:, None])
    assert sap == pytest.approx((many - few) / 100, abs=1e-12)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_predictability_of_a_continuous_factor_is_a_squared_correlation(correlation, seed):
    factor, noise = uncorrelated(np.random.default_rng(seed), 200, 2).T
    other = correlation * factor + np.sqrt(1 - correlation**2) * noise
    gap = separated_attribute_predictability(np.c_[other, factor], factor[:, None])
    assert gap == pytest.approx(1 - correlation**2, abs=1e-12)


def test_rare_classes_count_as_much_as_common_ones():
    factor = np.repeat([0.0, 1.0], [180, 20])[:, None]
    assert separated_attribute_predictability(factor, factor) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("gap", GAPS)
def test_a_second_copy_of_each_latent_closes_the_gap(gap):
    factors, codes = factors_and_codes(0)
    assert gap(codes, factors) > 0.1
    assert gap(np.c_[codes, -codes], factors) == pytest.approx(0, abs=1e-12)


def test_noise_in_the_latents_lowers_every_score():
    values = []
    for noise in (0.05, 0.3, 1.0):
        factors, codes = factors_and_codes(0, 600, noise)
        scores = dci(codes, factors, random_state=0)
        gaps = [gap(codes, factors) for gap in GAPS]
        values.append([*gaps, scores.disentanglement, scores.completeness, scores.informativeness])
    assert (np.diff(values, axis=0) < -0.02).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_importance_does_not_leak_to_latents_that_only_fit_noise(seed):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(1500, 2))
    codes = np.c_[factors + 0.5 * rng.normal(size=(1500, 2)), rng.normal(size=(1500, 4))]
    scores = dci(codes, factors, random_state=seed)
    # The best prediction has R^2 = 1 / (1 + 0.5^2).
    assert scores.informativeness == pytest.approx(0.8, abs=0.08)
    np.testing.assert_allclose(scores.importances[:2], np.eye(2), atol=0.06)


# Latents that say nothing


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_knows_nothing_of_factors(seed):
    rng = np.random.default_rng(seed)
    factors = np.c_[rng.integers(0, 4, 4000), rng.uniform(size=(4000, 2))]
    codes = rng.normal(size=(4000, 4))
    assert 0 <= mutual_information_gap(codes, factors) < 0.01
    assert 0 <= separated_attribute_predictability(codes, factors) < 0.02
    scores = dci(codes, factors[:, 1:], random_state=seed)
    assert scores.disentanglement < 0.05
    assert scores.completeness < 0.05
    assert scores.informativeness < 0.01


@pytest.mark.parametrize("gap", GAPS)
def test_constant_latents_are_exactly_nothing(gap):
    factors, codes = factors_and_codes(0)
    constant = np.full((len(codes), 2), 0.1)
    assert gap(constant, factors) == pytest.approx(0, abs=1e-12)
    # One latent alone leads by as much as one beside a constant.
    alone = gap(codes[:, :1], factors, per_factor=True)
    assert alone[0] > 0.3
    np.testing.assert_allclose(gap(np.c_[codes[:, 0], constant], factors, per_factor=True), alone)


def test_constant_latents_have_no_importance():
    factors, codes = factors_and_codes(0)
    constant = np.full((len(codes), 1), 0.1)
    scores = dci(np.c_[constant, codes], factors, random_state=0)
    assert (scores.importances[0] == 0).all()
    np.testing.assert_allclose(scores.importances.sum(0), 1)
    nothing = dci(np.c_[constant, constant], factors[:, 1:], random_state=0)
    assert (nothing.disentanglement, nothing.completeness) == pytest.approx((0, 0), abs=1e-12)
    assert (nothing.importances == 0).all()
    assert nothing.informativeness <= 0


# What must not matter


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_do_not_depend_on_order_sign_and_unit(gap, seed):
    rng = np.random.default_rng(seed)
    factors, codes = factors_and_codes(seed)
    expected = gap(codes, factors, per_factor=True)
    latents = rng.permutation(4)
    units = rng.choice([-1, 1], 4) * 10.0 ** rng.integers(-3, 4, 4)
    rows = rng.permutation(len(codes))
    moved = (codes[:, latents] * units + rng.normal(size=4))[rows]
    np.testing.assert_allclose(gap(moved, factors[rows], per_factor=True), expected, atol=1e-9)
    order = rng.permutation(3)
    np.testing.assert_array_equal(gap(codes, factors[:, order], per_factor=True), expected[order])


@pytest.mark.parametrize("seed", SEEDS)
def test_dci_depends_on_order_and_sign_by_its_own_chance_only(seed):
    rng = np.random.default_rng(seed)
    factors, codes = factors_and_codes(seed, 600)
    latents, order = rng.permutation(4), rng.permutation(3)
    scores = dci(codes, factors, random_state=seed)
    moved = dci(-codes[:, latents], factors[:, order], random_state=seed)
    for name in ("disentanglement", "completeness", "informativeness"):
        assert getattr(moved, name) == pytest.approx(getattr(scores, name), abs=0.03)
    np.testing.assert_allclose(moved.importances, scores.importances[latents][:, order], atol=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_increasing_maps_of_latents_keep_information_and_dci(seed):
    factors, codes = factors_and_codes(seed)
    warped = np.exp(3 * codes)
    assert mutual_information_gap(warped, factors) == mutual_information_gap(codes, factors)
    assert dci(warped, factors, random_state=seed) == dci(codes, factors, random_state=seed)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.filterwarnings("error")
def test_extreme_units_do_no_harm(score, scale):
    factors, codes = factors_and_codes(0)
    factors = factors[:, 1:]
    options = {"random_state": 0} if score is dci else {}
    expected = score(codes, factors, **options)
    moved = score(scale * codes, scale * factors, **options)
    if score is dci:
        expected, moved = expected.disentanglement, moved.disentanglement
    assert moved == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("score", SCORES)
def test_large_offsets_do_no_harm(score):
    factors, codes = factors_and_codes(0)
    options = {"random_state": 0} if score is dci else {}
    expected = score(codes, factors, **options)
    moved = score(codes + 1e8, factors, **options)
    if score is dci:
        expected, moved = expected.disentanglement, moved.disentanglement
    assert moved == pytest.approx(expected, abs=1e-3)


# Options


@pytest.mark.parametrize("gap", GAPS)
def test_gap_is_the_mean_over_factors(gap):
    factors, codes = factors_and_codes(1)
    each = gap(codes, factors, per_factor=True)
    assert each.shape == (3,)
    assert np.ptp(each) > 0.01
    assert gap(codes, factors) == pytest.approx(each.mean(), abs=1e-12)
    for j, expected in enumerate(each):
        assert gap(codes, factors[:, [j]]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.arange(300) % 20, True),
        (np.arange(300) % 21, False),
        (np.arange(300) % 20 / 2, False),
        (np.arange(300) % 2 == 0, True),
    ],
)
def test_few_whole_numbers_are_classes(column, expected):
    factors, codes = column[:, None], factors_and_codes(0)[1]
    codes[:, 0] += 0.1 * column
    auto, as_classes, as_numbers = (
        separated_attribute_predictability(codes, factors, discrete=discrete)
        for discrete in ("auto", [True], [False])
    )
    assert as_classes != pytest.approx(as_numbers, abs=1e-3)
    assert auto == (as_classes if expected else as_numbers)


def test_dci_scores_classes_by_accuracy_and_numbers_by_r2():
    factors, codes = factors_and_codes(0)
    factors = factors[:, :1]
    as_classes, as_numbers, auto = (
        dci(codes, factors, discrete=discrete, random_state=0)
        for discrete in ([True], [False], "auto")
    )
    assert auto == as_classes
    assert auto != as_numbers
    # An accuracy is a share of the 75 rows held out.
    assert as_classes.informativeness * 75 == pytest.approx(
        round(as_classes.informativeness * 75), abs=1e-9
    )
    # Classes need not be whole numbers.
    assert dci(codes, factors / 3, discrete=[True], random_state=0) == as_classes


def test_bins_resolve_what_they_can():
    factors = grid(40, 40)
    coarse = factors // 2
    # 20 bins do not see the last bit of 40 levels; as many bins as levels do.
    assert mutual_information_gap(coarse, factors) == pytest.approx(1, abs=1e-12)
    fine = mutual_information_gap(coarse, factors, n_bins=40)
    assert fine == pytest.approx(np.log(20) / np.log(40), abs=1e-12)


def test_rare_values_keep_bins_of_their_own_while_there_are_enough():
    factor = np.repeat([0.0, 1.0, 2.0], [96, 2, 2])[:, None]
    merged = np.minimum(factor, 1)
    share = entropy_of_bit(0.04) / (entropy_of_bit(0.04) + 0.04 * np.log(2))
    gap = mutual_information_gap(merged, factor, n_bins=3)
    assert gap == pytest.approx(share, abs=1e-12)


def test_ties_share_a_bin():
    rng = np.random.default_rng(0)
    factor = np.r_[np.zeros(300), rng.uniform(1, 2, 100)][:, None]
    # Whatever the bins, the copy determines them.
    for n_bins in (2, 7, 20):
        gap = mutual_information_gap(factor, factor, n_bins=n_bins)
        assert gap == pytest.approx(1, abs=1e-12)


def test_dci_repeats_with_its_seed_and_leaves_the_global_generator_alone():
    factors, codes = factors_and_codes(0)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again = (dci(codes, factors, random_state=3) for _ in range(2))
    other = dci(codes, factors, random_state=4)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert first == again
    np.testing.assert_array_equal(first.importances, again.importances)
    assert first != other


def test_dci_of_one_factor_or_one_latent():
    factors, codes = factors_and_codes(0)
    assert dci(codes, factors[:, :1], random_state=0).disentanglement == pytest.approx(1)
    assert dci(codes[:, :1], factors, random_state=0).completeness == pytest.approx(1)


def test_inputs_are_left_as_they_were():
    factors, codes = factors_and_codes(0)
    copies = factors.copy(), codes.copy()
    for score in (*SCORES, lambda codes, _: active_units(codes)):
        score(codes, factors)
    np.testing.assert_array_equal(factors, copies[0])
    np.testing.assert_array_equal(codes, copies[1])


# Active units


@pytest.mark.parametrize("threshold", [0.01, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_active_units_are_those_whose_variance_exceeds_the_threshold(threshold, seed):
    rng = np.random.default_rng(seed)
    variances = threshold * np.array([0, 1e-4, 0.5, 0.999, 1.001, 2, 100])
    codes = uncorrelated(rng, 300, 7) * np.sqrt(variances) + rng.normal(size=7)
    assert active_units(codes, threshold=threshold) == 3
    assert active_units(rng.permutation(-codes.T).T, threshold=threshold) == 3
    for n_active in range(7):
        assert active_units(codes[:, : n_active + 1], threshold=threshold) == max(0, n_active - 3)


def test_constant_latents_are_inactive_at_any_threshold():
    codes = np.tile([0.1, 1 / 3, 1e6 + 0.1], (1000, 1))
    assert active_units(codes, threshold=0) == 0
    assert active_units(np.c_[codes, np.arange(1000) / 1e9], threshold=0) == 1


# Errors


@pytest.mark.parametrize("score", [*SCORES, active_units])
@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros(10), r"codes: .*\(n_samples, n_latents\).* shape \(10,\)"),
        (np.zeros((10, 2, 2)), r"codes: .* shape \(10, 2, 2\)"),
        (np.zeros((10, 0)), r"codes: .* shape \(10, 0\)"),
        ([["a"]] * 10, "codes: .* got list: could not convert"),
        (np.diag([1.0] * 9 + [np.nan]), r"codes: .* column\(s\) \[9\]"),
        (np.full((10, 2), np.inf), r"codes: .* column\(s\) \[0, 1\]"),
    ],
)
def test_codes_must_be_a_matrix_of_finite_numbers(score, codes, message):
    arguments = [codes] if score is active_units else [codes, grid(2, 5)]
    with pytest.raises(InvalidDataError, match=message):
        score(*arguments)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.arange(10), r"factors: .*\(n_samples, n_factors\).* shape \(10,\)"),
        (np.full((10, 1), np.nan), r"factors: .* column\(s\) \[0\]"),
        (grid(2, 6), "factors: expected the 10 rows of codes, got 12 rows"),
        (np.c_[grid(2, 5), np.full(10, 0.1)], r"factors: .* column\(s\) \[2\]"),
    ],
)
def test_factors_must_match_the_codes_and_vary(score, factors, message):
    with pytest.raises(InvalidDataError, match=message):
        score(np.eye(10), factors)


def test_dci_needs_rows_to_hold_out():
    assert 0 <= dci(np.eye(8), grid(2, 4), random_state=0).disentanglement <= 1
    with pytest.raises(InvalidDataError, match=r"at least 8 rows.* got 7"):
        dci(np.eye(7), grid(2, 4)[:7])


@pytest.mark.parametrize("score", [separated_attribute_predictability, dci])
@pytest.mark.parametrize("discrete", ["all", True, [True], [0, 1], [[True, False]]])
def test_discrete_is_auto_or_a_flag_for_each_factor(score, discrete):
    with pytest.raises(InvalidParameterError, match=r"discrete must be 'auto' or 2 bools.* got"):
        score(np.eye(10), grid(2, 5), discrete=discrete)


@pytest.mark.parametrize("n_bins", [1, 0, 2.5, "20", None])
def test_bins_are_counted_from_two(n_bins):
    with pytest.raises(InvalidParameterError, match=f"n_bins must be .* got {n_bins!r}"):
        mutual_information_gap(np.eye(10), grid(2, 5), n_bins=n_bins)


@pytest.mark.parametrize("threshold", [-0.01, np.nan, "0.01", None])
def test_threshold_is_a_variance(threshold):
    with pytest.raises(InvalidParameterError, match=r"threshold must be .* got"):
        active_units(np.eye(10), threshold=threshold)
