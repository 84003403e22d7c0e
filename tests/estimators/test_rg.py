"""What RGFlowDensity offers beyond other densities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits

from flowkit import RGFlowDensity
from flowkit.bijections.lattice_layout import ABSENT, lattice_layout
from flowkit.exceptions import InvalidDataError, InvalidParameterError, OutsideSupportError

from ..tensors import perturbed


# The estimator
@pytest.fixture(scope="module")
def digits():
    return load_digits().data


@pytest.fixture(scope="module")
def density(digits):
    return RGFlowDensity(
        (8, 8), n_layers=1, hidden_units=16, max_epochs=15, random_state=0
    ).fit(digits[:600])  # fmt: skip


@pytest.fixture(scope="module")
def images():
    """Blobs at random places: 8-bit colour images with something to learn."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((16, 16))
    centre = rng.uniform(3, 13, (150, 2, 1, 1))
    blob = np.exp(-((rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2) / 12)
    colour = rng.uniform(60, 220, (150, 1, 1, 3))
    return (blob[..., None] * colour + rng.uniform(0, 20, (150, 16, 16, 3))).astype(np.uint8)


def test_untrained_grey_levels_have_the_known_bits():
    """Identity flow behind the published logit: uniform noise, black and middle grey."""
    d = 12
    rng = np.random.default_rng(0)
    for prior, expected in (("laplace", (8.33, 10.24, 6.65)), ("normal", (8.21, 11.23, 7.48))):
        model = RGFlowDensity((2, 2, 3), prior=prior, max_epochs=1, n_layers=1, hidden_units=4)
        X = rng.integers(0, 256, (3000, d)).astype(np.uint8)
        model.fit(X[:50])
        with torch.no_grad():
            for name, parameter in model.module_.bijection.named_parameters():
                if name.endswith(("log_scale", "shift", "scale")):
                    parameter.zero_()
        assert model.bits_per_dim(X) == pytest.approx(expected[0], abs=0.02)
        black = np.zeros((3000, d), dtype=np.uint8)
        assert model.bits_per_dim(black) == pytest.approx(expected[1], abs=0.01)
        middle = -model.score(np.full((1, d), 127.5)) / (d * math.log(2))
        assert middle == pytest.approx(expected[2], abs=0.01)


def test_levels_share_out_the_log_density(density, digits):
    X = digits[600:640]
    shares = density.score_levels(X)
    np.testing.assert_allclose(shares.scores.sum(1), density.score_samples(X), rtol=1e-10)
    np.testing.assert_allclose(shares.prior + shares.log_det, shares.scores, rtol=1e-10)
    assert shares.maps.shape == (40, 2, 8, 8)
    np.testing.assert_allclose(shares.maps.sum((2, 3)), shares.scores, rtol=1e-8)


def test_shares_of_grey_levels_and_topics_sum_up_too(images):
    model = RGFlowDensity(
        (16, 16, 3), n_layers=1, hidden_units=8, max_epochs=2, top_prior="topic", n_topics=2,
        random_state=0,
    ).fit(images)  # fmt: skip
    shares = model.score_levels(images)
    np.testing.assert_allclose(shares.scores.sum(1), model.score_samples(images), rtol=1e-10)
    assert shares.maps.shape == (150, 3, 16, 16)
    # The finest level hears of a damaged pixel within two blocks of it, and nowhere else.
    damaged = images.copy()
    damaged[:, 9, 9] = 0
    change = np.abs(model.score_levels(damaged).maps - shares.maps).max(0)
    near = np.zeros((16, 16), dtype=bool)
    near[np.ix_([6, 7, 8, 9, 10, 11, 12, 13], [6, 7, 8, 9, 10, 11, 12, 13])] = True
    assert (change[0][~near] < 1e-9).all()
    assert change[0][near].max() > 0.1


def test_pyramid_holds_the_latents_and_leads_back(density, digits):
    X = digits[:7]
    pyramid = density.latent_pyramid(X)
    assert [level.shape for level in pyramid] == [(7, 48), (7, 16)]
    Z = density.transform(X)
    for level, latents in enumerate(pyramid):
        np.testing.assert_array_equal(latents, Z[:, density.latent_levels_ == level])
    np.testing.assert_allclose(density.inverse_latent_pyramid(pyramid), X, atol=1e-8)
    with pytest.raises(InvalidDataError, match=r"\(n, 48\), \(n, 16\), got"):
        density.inverse_latent_pyramid(pyramid[::-1])


def test_styles_mix_between_content_and_style(density, digits):
    content, style = digits[:5], digits[5:10]
    np.testing.assert_allclose(density.mix_styles(content, style, 0), content, atol=1e-8)
    np.testing.assert_allclose(density.mix_styles(content, style, 2), style, atol=1e-8)
    mixed = density.latent_pyramid(density.mix_styles(content, style, 1))
    np.testing.assert_allclose(mixed[0], density.latent_pyramid(style)[0], atol=1e-6)
    np.testing.assert_allclose(mixed[1], density.latent_pyramid(content)[1], atol=1e-6)
    with pytest.raises(InvalidDataError, match="level must be an int from 0 to 2, got 3"):
        density.mix_styles(content, style, 3)
    with pytest.raises(InvalidDataError, match="rows come in pairs, got 5 and 4"):
        density.mix_styles(content, style[:4], 1)


def test_walks_move_one_latent_or_along_a_direction(density, digits):
    X = digits[:3]
    rows = density.walk(X, 1, 4, steps=(-1.0, 0.0, 2.0))
    assert rows.shape == (3, 3, 64)
    np.testing.assert_allclose(rows[1], X, atol=1e-8)
    moved = density.transform(rows[2]) - density.transform(X)
    column = np.flatnonzero(density.latent_levels_ == 1)[4]
    np.testing.assert_allclose(moved, 2.0 * (np.arange(64) == column) * np.ones((3, 1)), atol=1e-6)
    direction = np.eye(16)[4]
    np.testing.assert_allclose(density.walk(X, 1, direction, steps=(-1.0, 0.0, 2.0)), rows)
    for wrong in (16, -1):
        with pytest.raises(InvalidDataError, match="ints from 0 to 15, got"):
            density.walk(X, 1, wrong)
    with pytest.raises(InvalidDataError, match="ints from 0 to 15, got"):
        density.receptive_fields(1, [(2, 2)])
    with pytest.raises(InvalidDataError, match=r"direction of shape \(16,\)"):
        density.walk(X, 1, np.ones(3))
    assert density.walk(X, 1, steps=2.0).shape == (1, 3, 64)
    with pytest.raises(InvalidDataError, match="at least one number"):
        density.walk(X, 1, steps=[])


def test_temperature_scales_latents_level_by_level(density):
    cold = density.sample(3, random_state=0, temperature=0.0)
    np.testing.assert_allclose(cold[0], cold[1])
    np.testing.assert_allclose(cold[:1], density.inverse_transform(np.zeros((1, 64))), atol=1e-9)
    plain, half = (
        density.latent_pyramid(density.sample(4, random_state=0, temperature=t))
        for t in (1.0, [1.0, 0.5])
    )
    np.testing.assert_allclose(half[0], plain[0], atol=1e-6)
    np.testing.assert_allclose(half[1], 0.5 * plain[1], atol=1e-6)
    np.testing.assert_array_equal(
        density.sample(4, random_state=0), density.sample(4, random_state=0, temperature=[1, 1])
    )
    for wrong in ([1, 1, 1], -1, np.inf, "hot"):
        with pytest.raises(InvalidDataError, match="or 2 of them"):
            density.sample(1, temperature=wrong)


def test_receptive_fields_are_mean_absolute_derivatives(density):
    fields = density.receptive_fields(1, [0, 7], n_samples=3)
    assert fields.shape == (2, 8, 8)
    generator = density._evaluator.generator(0)
    z = density.module_.prior.sample(3, generator)
    column = np.flatnonzero(density.latent_levels_ == 1)[7]
    derivatives = [
        torch.autograd.functional.jacobian(lambda r: density.module_.decode(r[None])[0], row)
        for row in z
    ]
    expected = torch.stack(derivatives)[:, :, column].abs().mean(0).numpy() * density.scale_
    np.testing.assert_allclose(fields[1].ravel(), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("coupling", ["affine", "spline"])
def test_receptive_fields_end_at_the_geometric_bound(coupling):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (40, 32, 32)).astype(np.uint8)
    model = RGFlowDensity(
        (32, 32), coupling=coupling, n_layers=1, hidden_units=4, max_epochs=1, random_state=0
    ).fit(X)
    perturbed(model.module_.bijection, 0.3)
    layout = model._lattice().layout
    for level, edge in enumerate((8, 24, 32, 32)):
        own = np.flatnonzero(model.latent_levels_ == level)
        latents = rng.choice(len(own), 4, replace=False)
        fields = model.receptive_fields(level, latents, n_samples=2)
        for latent, field in zip(latents, fields, strict=True):
            reach = layout.reach(own[latent]).reshape(32, 32)
            assert (reach.any(0).sum(), reach.any(1).sum()) == (edge, edge)
            assert (field[~reach] == 0).all()
            assert (field[reach] > 0).mean() > 0.9


def test_inpainting_fills_the_hole_and_nothing_else(density, digits):
    X = digits[600:620]
    hole = np.zeros((8, 8), dtype=bool)
    hole[3:6, 2:5] = True
    damaged = X.copy()
    damaged[:, hole.ravel()] = np.nan
    filled = density.inpaint(damaged, hole, n_steps=30)
    assert filled.shape == X.shape
    np.testing.assert_array_equal(filled[:, ~hole.ravel()], X[:, ~hole.ravel()])
    by_mean = np.where(hole.ravel(), density.location_, X)
    assert (density.score_samples(filled) > density.score_samples(by_mean)).all()
    # What the hole held has no say, and neither have other rows.
    np.testing.assert_array_equal(filled, density.inpaint(X, hole.ravel(), n_steps=30))
    np.testing.assert_allclose(filled[3:4], density.inpaint(X[3:4], hole, n_steps=30), rtol=1e-6)
    error = ((filled - X)[:, hole.ravel()] ** 2).mean()
    assert error < ((by_mean - X)[:, hole.ravel()] ** 2).mean()


def test_every_row_may_have_a_hole_of_its_own(density, digits):
    X = digits[:4]
    masks = np.zeros((4, 64), dtype=bool)
    masks[0, 10:14] = masks[2, 40:50] = masks[3, 10:14] = True
    filled = density.inpaint(X, masks, n_steps=5)
    np.testing.assert_array_equal(filled[1], X[1])
    for i in (0, 2, 3):
        alone = density.inpaint(X[i : i + 1], masks[i], n_steps=5)
        np.testing.assert_allclose(filled[i], alone[0], rtol=1e-6)


def test_draws_for_a_hole_vary_and_repeat(density, digits):
    hole = np.zeros(64, dtype=bool)
    hole[27:30] = True
    X = digits[:3]
    options = {"n_samples": 5, "n_steps": 10, "n_langevin_steps": 20}
    draws = density.inpaint(X, hole, **options)
    assert draws.shape == (5, 3, 64)
    assert (draws[:, :, ~hole] == X[:, ~hole]).all()
    assert (draws[:, :, hole].std(0) > 0).all()
    np.testing.assert_array_equal(draws, density.inpaint(X, hole, **options))
    assert (draws != density.inpaint(X, hole, **options, random_state=1)).any()


def test_draws_for_grey_levels_stay_grey_levels(images):
    model = RGFlowDensity(
        (16, 16, 3), n_layers=1, hidden_units=8, max_epochs=2, random_state=0
    ).fit(images)  # fmt: skip
    hole = np.zeros((16, 16, 3), dtype=bool)
    hole[4:6, 4:6] = True
    filled = model.inpaint(images[:2], hole[..., 0], n_samples=3, n_steps=5, n_langevin_steps=5)
    assert filled.shape == (3, 2, 768)
    rows, likeliest = images[:2].reshape(2, -1), model.inpaint(images[:2], hole, n_steps=1)
    draws = model.sample(20, 0), model.sample(20, 0, temperature=3.0)
    walked = model.walk(images[:2], 1, steps=(0, 9))
    mixed = model.mix_styles(images[:2], images[2:4], 1)
    for grey in (filled, likeliest, *draws, walked, mixed):
        np.testing.assert_array_equal(grey, grey.astype(np.uint8))
        assert not np.signbit(grey).any()
    np.testing.assert_array_equal(walked[0], rows)
    np.testing.assert_array_equal(model.mix_styles(images[:2], images[2:4], 0), rows)
    # The way back from the latent is that of the density, of which grey levels are cells.
    between = rows + 0.3
    np.testing.assert_allclose(model.inverse_transform(model.transform(between)), between)
    pyramid = model.latent_pyramid(between)
    np.testing.assert_allclose(model.inverse_latent_pyramid(pyramid), between)
    np.testing.assert_array_equal(
        filled[:, :, ~hole.ravel()],
        np.broadcast_to(images[:2].reshape(2, -1)[:, ~hole.ravel()], (3, 2, 768 - 12)),
    )


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (np.zeros(64), {}, "dtype bool"),
        (np.zeros(63, dtype=bool), {}, "one of the shapes"),
        (
            np.zeros(64, dtype=bool),
            {"learning_rate": -1},
            "learning_rate must be positive and at most .*, got -1",
        ),
        (np.zeros(64, dtype=bool), {"n_steps": 0}, "n_steps must be an int of at least 1"),
        (np.zeros(64, dtype=bool), {"n_samples": 0}, "n_samples must be an int"),
    ],
)
def test_holes_that_cannot_be_are_refused(density, digits, mask, options, message):
    with pytest.raises(InvalidDataError, match=message):
        density.inpaint(digits[:2], mask, **options)


def test_missing_values_outside_the_hole_are_refused(density, digits):
    X = digits[:2].copy()
    X[0, 5] = np.nan
    with pytest.raises(InvalidDataError, match=r"NaN in column\(s\) 5\. .*mask=np\.isnan\(X\)"):
        density.inpaint(X, np.zeros(64, dtype=bool))


def test_coarsest_latents_cluster():
    """Two kinds of images, told apart by their overall brightness."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 300)
    X = rng.normal(size=(300, 64)) + 3 * kind[:, None]
    model = RGFlowDensity(
        (8, 8), top_prior="topic", n_topics=2, n_layers=1, hidden_units=8, max_epochs=5,
        random_state=0,
    ).fit(X)  # fmt: skip
    proportions = model.predict_proba(X)
    np.testing.assert_allclose(proportions.sum(1), 1)
    agreement = (model.predict(X) == kind).mean()
    assert max(agreement, 1 - agreement) > 0.95
    cold = model.sample(50, random_state=0, temperature=0.0)
    assert len(np.unique(cold.round(6), axis=0)) == 2
    plain = RGFlowDensity(max_epochs=1)
    assert not hasattr(plain, "predict_proba")
    with pytest.raises(AttributeError) as info:
        plain.predict_proba(X)
    assert "set top_prior='topic' before fit" in str(info.value.__cause__)


def test_images_without_their_shape_are_told_what_to_set(digits):
    with pytest.raises(InvalidDataError, match=r"set image_shape=\(8, 8\)"):
        RGFlowDensity().fit(digits[:20].reshape(-1, 8, 8))


@pytest.mark.parametrize("prior", ["laplace", "normal", "student_t"])
def test_starts_at_independent_columns_of_the_prior(prior):
    """At almost no learning rate the density is that of the marginals, whatever their form."""
    target = {"laplace": stats.laplace(scale=0.5**0.5), "normal": stats.norm(),
              "student_t": stats.t(5)}[prior]  # fmt: skip
    rng = np.random.RandomState(0)
    own = target.rvs((2000, 3), random_state=rng)
    # Student's t is wider than standardised columns are, so splines pay for its own rows too.
    for X, truth, spline in (
        (own, target.logpdf(own), prior == "student_t"),
        (target.cdf(own), np.zeros_like(own), True),
    ):
        model = RGFlowDensity(
            prior=prior, n_layers=1, hidden_units=4, max_epochs=1, learning_rate=1e-12
        ).fit(X)
        assert (model._entrance() is not None) == spline
        Z = model.transform(X)
        np.testing.assert_allclose(
            Z, model._evaluator.map(model._enter, model._columns.standardise(X))
        )
        shares = model.score_levels(X)
        np.testing.assert_allclose(shares.prior.sum(1), target.logpdf(Z).sum(1), atol=1e-5)
        assert model.score(X) == pytest.approx(truth.sum(1).mean(), abs=0.25)


def test_topics_start_where_the_lattice_ends():
    """K-means and the prior see the same numbers, splines of the marginals included."""
    rng = np.random.RandomState(0)
    X = np.exp(rng.normal(size=(400, 64)) + 2 * rng.randint(0, 2, (400, 1)))
    model = RGFlowDensity(
        (8, 8), top_prior="topic", n_topics=2, n_layers=1, hidden_units=4, max_epochs=1,
        learning_rate=1e-12, random_state=0,
    ).fit(X)  # fmt: skip
    assert model._entrance() is not None
    prior = model.module_.prior
    top = prior.parts(torch.from_numpy(model.transform(X)))[-1]
    independent = torch.distributions.Normal(0, 1).log_prob(top).sum(1).mean()
    assert prior.priors[-1].log_prob(top).mean() > independent + 3


def test_inpainting_leaves_the_model_trainable(digits):
    model = RGFlowDensity(
        (8, 8), top_prior="topic", n_topics=3, prior="student_t", coupling="spline",
        boundary="open", n_layers=1, hidden_units=8, max_epochs=2, warm_start=True, random_state=0,
        early_stopping=False,
    ).fit(digits[:200])  # fmt: skip
    model.inpaint(digits[:2], np.ones(64, dtype=bool), n_steps=2)
    assert all(p.requires_grad for p in model.module_.parameters())
    before = {k: v.clone() for k, v in model.module_.prior.state_dict().items()}
    for again in (model.fit, model.partial_fit):
        again(digits[:200])
        after = model.module_.prior.state_dict()
        assert (after["priors.1.means"] != before["priors.1.means"]).any()
        before = {k: v.clone() for k, v in after.items()}


def test_rows_without_density_have_no_share(density):
    far = np.full((1, 64), np.finfo(float).max)
    assert density.score_samples(far) == -np.inf
    shares = density.score_levels(far)
    assert (shares.scores == -np.inf).any()
    assert not np.isnan(shares.maps).any()


def test_grey_levels_that_later_rows_leave_are_refused(images):
    model = RGFlowDensity(
        (16, 16, 3), n_layers=1, hidden_units=4, max_epochs=1, warm_start=True
    ).fit(images)  # fmt: skip
    with pytest.raises(OutsideSupportError, match="1 training row"):
        model.fit(np.where(np.arange(150)[:, None] == 3, 300.0, images.reshape(150, -1)))


def test_open_and_periodic_chains_differ_only_at_the_ends():
    periodic, opened = (lattice_layout((16,), 4, p).sublayers[1].blocks for p in (True, False))
    inner = {tuple(sorted(block)) for block in periodic if set(np.diff(sorted(block))) == {1}}
    assert inner == {tuple(sorted(block)) for block in opened if ABSENT not in block}
    assert sum(ABSENT in block for block in opened) == 2


def test_number_of_layers_of_each_level_is_checked_before_training(digits):
    with pytest.raises(InvalidParameterError, match="list of 2 of them, one for each level"):
        RGFlowDensity((8, 8), n_layers=[1, 2, 3]).fit(digits[:100])
    model = RGFlowDensity((8, 8), n_layers=[1, 3], hidden_units=4, max_epochs=1).fit(digits[:100])
    assert [len(bijector.nets) for bijector in model._lattice().bijectors] == [1, 1, 3, 3]
