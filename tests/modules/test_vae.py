"""The polynomial hierarchical VAE as a torch module: its closed forms against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit import bijections as b
from flowkit import modules as m
from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError
from flowkit.nets import GroupedMLP, Polynomials, ResidualMLP

from ..nets.examples import seeded
from ..tensors import perturbed

NET = {"hidden_units": 12, "n_hidden_layers": 2}


def vae(d=4, k=2, degree=3, likelihood=None, n_context=0, learnable=True, scale=0.3, **options):
    """A small model in float64, moved away from its start."""
    likelihood = likelihood or m.LocationScaleLikelihood(p.Normal(d))
    module = m.PolynomialVAE(
        Polynomials(degree),
        GroupedMLP(d, 2 * k + n_context, degree, generator=seeded(), **NET),
        ResidualMLP(k * degree, likelihood.n_outputs * d, generator=seeded(1), **NET),
        likelihood,
        p.HierarchicalNormal(k, degree, learnable),
        **options,
    )
    return perturbed(module, scale)


def rows(n=6, d=4, seed=3):
    return 1.5 * torch.randn(n, d, dtype=torch.float64, generator=seeded(seed))


def monte_carlo(module, x, n=200_000):
    """Draws of the log-ratio of each order, and their sum, of one row."""
    posterior = module.posterior(x[None])
    noise = torch.randn(n, module.mixing.shape[0], dtype=torch.float64, generator=seeded(5))
    z, _ = posterior.repeated(n).draw(noise)
    # Independent of the module's own density: the normal of mean and covariance.
    root = posterior.log_deviation[0].exp() * posterior.mixing
    reference = stats.multivariate_normal(posterior.mean[0], root @ root.T)
    log_q = torch.from_numpy(reference.logpdf(z))
    by_column = -0.5 * (noise.square() + math.log(2 * math.pi)) - posterior.log_deviation
    by_order = by_column.unflatten(1, (module.base.degree, -1)).sum(2)
    torch.testing.assert_close(by_order.sum(1), log_q, rtol=1e-6, atol=1e-6)
    return by_order - module.base.log_prob_by_order(z), log_q - module.prior.log_prob(z)


def agrees(draws, expected):
    error = draws.std() / math.sqrt(len(draws))
    assert abs(draws.mean() - expected) < 3 * error + 1e-9


@torch.no_grad()
@pytest.mark.parametrize("learnable", [True, False], ids=["hierarchical", "kl"])
def test_divergence_by_order_agrees_with_monte_carlo(learnable):
    module = vae(learnable=learnable, divergence="hierarchical" if learnable else "kl")
    for x in rows(2):
        by_order, total = monte_carlo(module, x)
        closed = module.divergence_by_order(module.posterior(x[None]))[0]
        assert (closed >= 0).all()
        for draws, expected in zip(by_order.T, closed, strict=True):
            agrees(draws, expected)
        agrees(total, closed.sum())


@torch.no_grad()
def test_divergence_is_that_of_the_joint_normals():
    """Against the closed form of torch.distributions, with the joint prior covariance."""
    module = vae()
    posterior = module.posterior(rows())
    root = posterior.log_deviation.exp()[:, None, :] * posterior.mixing
    whitening = torch.linalg.inv(module.base.whitening())
    q = torch.distributions.MultivariateNormal(posterior.mean, root @ root.mT)
    prior = torch.distributions.MultivariateNormal(
        torch.zeros(6, dtype=torch.float64), whitening @ whitening.T
    )
    expected = torch.distributions.kl_divergence(q, prior)
    torch.testing.assert_close(module.divergence_by_order(posterior).sum(1), expected)


@torch.no_grad()
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_moments_of_the_log_ratio_agree_with_monte_carlo(degree):
    module = vae(degree=degree, divergence="log_ratio", scale=0.15)
    for x in rows(2):
        _, total = monte_carlo(module, x)
        moments = module.log_ratio_moments(module.posterior(x[None]))[0]
        assert moments.shape == (degree,)
        for order, expected in enumerate(moments, start=1):
            agrees(total**order, expected)


@torch.no_grad()
def test_first_moment_is_the_divergence():
    module = vae(divergence="log_ratio")
    posterior = module.posterior(rows())
    expected = module.divergence_by_order(posterior).sum(1)
    torch.testing.assert_close(module.log_ratio_moments(posterior)[:, 0], expected)


def slow_vae(module, x, noise):
    """The evidence lower bound of a plain VAE, one row and one number at a time."""
    weight, bias = module.encoder_map.weight, module.encoder_map.bias
    total = []
    for row, e in zip(x, noise, strict=True):
        clipped = row.clamp(-3, 3) / 3 * math.sqrt(3)
        out = module.encoder(clipped[None, :, None])[0, :, 0]
        k = len(out) // 2
        by_order = module.order_map.weight[0] @ clipped + module.order_map.bias[0]
        z, divergence = [], 0.0
        for j in range(k):
            mean = out[j] + by_order[j] + weight[j] @ row + bias[j]
            log_deviation = 7 * math.tanh((out[k + j] + module.log_deviation[j]) / 7)
            variance = math.exp(2 * log_deviation)
            divergence += 0.5 * (variance + mean**2 - 1) - log_deviation
            z.append(mean + math.exp(log_deviation) * e[j])
        z = torch.stack(z)
        place = module.decoder(z[None])[0] + module.decoder_map(z[None])[0]
        reconstruction = 0.0
        for j in range(len(row)):
            deviation = math.exp(5 * math.tanh(module.likelihood.raw_scale[j] / 5))
            reconstruction += stats.norm(place[j].item(), deviation).logpdf(row[j].item())
        total.append(reconstruction - divergence)
    return torch.stack(total)


@torch.no_grad()
def test_degree_one_with_kl_is_a_plain_vae():
    module = vae(k=3, degree=1, learnable=False, divergence="kl").train()
    module.noise.generator = seeded(7)
    x = rows()
    objective = module.objective(x)
    noise = torch.empty(6, 3, dtype=torch.float64).normal_(generator=seeded(7))
    torch.testing.assert_close(objective, slow_vae(module, x, noise), rtol=0, atol=1e-6)


@torch.no_grad()
def test_weights_warmth_and_free_bits_act_on_the_orders():
    x = rows(50)

    def objective(**options):
        module = vae(**options).train()
        module.noise.generator = seeded()
        module.warmth = options.get("warmth", 1.0)
        return module, module.objective(x)

    module, plain = objective()
    terms = module.divergence_by_order(module.posterior(x))
    _, weighted = objective(weights=[1.0, 3.0, 0.5])
    torch.testing.assert_close(plain - weighted, terms @ torch.tensor([0, 2.0, -0.5]).double())
    module.noise.generator, module.warmth = seeded(), 0.25
    torch.testing.assert_close(module.objective(x) - plain, 0.75 * terms.sum(1))
    bits = terms.mean(0).median().item() + 1e-6
    _, free = objective(free_bits=bits)
    held = (terms.mean(0) > bits).double()
    expected = terms @ held + bits * (1 - held).sum()
    torch.testing.assert_close(plain - free, expected - terms.sum(1))


@torch.no_grad()
def test_what_is_monitored_are_the_means_of_the_batch():
    module = vae().train()
    x = rows(20)
    objective = module.objective(x)
    seen = module.monitored
    assert list(seen) == ["reconstruction_log_density", *(f"divergence_{i}" for i in (1, 2, 3))]
    terms = module.divergence_by_order(module.posterior(x)).mean(0)
    torch.testing.assert_close(torch.stack(list(seen.values())[1:]), terms)
    expected = seen["reconstruction_log_density"] - terms.sum()
    torch.testing.assert_close(objective.mean(), expected)


def test_gradients_reach_every_parameter():
    module = vae(
        n_context=2,
        posterior_flow=b.Compose([b.AffineCoupling(6, 6, **NET), b.Sylvester(6, 6, **NET)]),
        prior_flow=b.SplineCoupling(6, **NET),
    ).train()
    module.loss((rows(30), None)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def factor_model(d=5, k=3):
    """Factor analysis: loadings whose posterior is diagonal, means and deviations."""
    rng = np.random.default_rng(0)
    deviation = rng.uniform(0.3, 1.0, d)
    loadings = rng.normal(size=(d, k))
    _, rotation = np.linalg.eigh(loadings.T @ (loadings / deviation[:, None] ** 2))
    return loadings @ rotation, rng.normal(size=d), deviation


@torch.no_grad()
def test_started_as_a_factor_analysis_the_bound_is_the_exact_density():
    loadings, mean, deviation = factor_model()
    module = vae(d=5, k=3, scale=0.0)
    module.start(*(torch.from_numpy(a) for a in (loadings, mean, deviation)))
    x = rows(20, 5)
    reference = stats.multivariate_normal(mean, loadings @ loadings.T + np.diag(deviation**2))
    weights = module.log_weights(x, module.fixed_noise(7))
    for draw in weights.T:
        np.testing.assert_allclose(draw, reference.logpdf(x), rtol=1e-9)


@torch.no_grad()
def test_importance_weights_find_the_density_of_probabilistic_pca():
    """With a posterior that is off, the estimate agrees within its error and rises to it."""
    loadings, mean, _ = factor_model()
    deviation = np.full(5, 0.6)
    _, rotation = np.linalg.eigh(loadings.T @ loadings)
    loadings = loadings @ rotation
    module = vae(d=5, k=3, degree=1, scale=0.0)
    module.start(*(torch.from_numpy(a) for a in (loadings, mean, deviation)))
    module.encoder_map.bias += 0.2
    module.log_deviation += 0.3
    x = rows(40, 5)
    exact = stats.multivariate_normal(mean, loadings @ loadings.T + 0.36 * np.eye(5)).logpdf(x)
    weights = module.log_weights(x, module.fixed_noise(20_000)).numpy()
    ratio = np.exp(weights - exact[:, None])
    error = ratio.std(1) / math.sqrt(20_000)
    assert (np.abs(ratio.mean(1) - 1) < 4 * error).all()
    assert (error < 0.05).all()
    # Groups of more and more draws: the bound rises, and stays below.
    bounds = [np.log(ratio.reshape(40, -1, k).mean(2)).mean() for k in (1, 2, 5, 20, 100, 1000)]
    assert (np.diff(bounds) > 0).all()
    assert bounds[0] < -0.1
    assert abs(bounds[-1]) < 0.01


@torch.no_grad()
@pytest.mark.parametrize("defensive", [False, True], ids=["own", "defensive"])
@pytest.mark.parametrize(
    "build_flows",
    [
        dict,
        lambda: {"posterior_flow": b.Planar(2, 2, **NET), "n_context": 1},
        lambda: {"posterior_flow": b.Sylvester(2, 2, **NET), "n_context": 1},
        lambda: {"posterior_flow": b.AffineAutoregressive(2, 2, **NET), "n_context": 1},
        lambda: {"prior_flow": b.SplineCoupling(2, **NET)},
        lambda: {
            "posterior_flow": b.AffineCoupling(2, 2, **NET),
            "n_context": 1,
            "prior_flow": b.FractalCoupling(2, **NET),
        },
    ],
    ids=["none", "planar", "sylvester", "iaf", "prior", "both"],
)
def test_the_estimate_is_the_integral_over_the_latent(build_flows, defensive):
    """Against the integral of p(x|z) p(z) over a grid of two latent columns."""
    # Built here, not with the list above, so that the starting weights are the same in every run.
    module = vae(d=3, k=1, degree=2, scale=0.1, **build_flows())
    x = rows(4, 3)
    t = torch.linspace(-9, 9, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(t, t)
    log_prior, outputs = module.prior.log_prob(grid), module.outputs(grid)
    noise = module.fixed_noise(20_000)
    weights = module.log_weights(x, noise, defensive)
    estimate = torch.logsumexp(weights, 1) - math.log(len(noise))
    for row, got, weight in zip(x, estimate, weights, strict=True):
        joint = module.likelihood.log_prob(row.expand(len(grid), -1), outputs) + log_prior
        exact = torch.logsumexp(joint, 0) + 2 * math.log(t[1] - t[0])
        w = (weight - weight.max()).exp()
        error = (w.std() / w.mean() / math.sqrt(len(w))).item()
        assert error < 0.25
        # Evenly spread draws are far closer than independent ones would be.
        assert got.item() == pytest.approx(exact.item(), abs=2 * error + 0.01)


@torch.no_grad()
@pytest.mark.parametrize(
    "build_flows",
    [dict, lambda: {"posterior_flow": b.Planar(2, 2, **NET), "n_context": 1}],
    ids=["none", "planar"],
)
def test_densities_of_few_draws_integrate_to_one_on_the_average_over_draws(build_flows):
    """Draws are common to all rows, so that their error does not average out over rows."""
    module = vae(d=1, k=1, degree=2, scale=0.1, **build_flows())
    t = torch.linspace(-5, 5, 201, dtype=torch.float64)
    x, volume = t.sinh()[:, None], t.cosh() * (t[1] - t[0])
    integrals = np.empty(60)
    for seed in range(len(integrals)):
        weights = module.log_weights(x, module.fixed_noise(4, seed), defensive=True)
        integrals[seed] = (weights.exp().mean(1) * volume).sum()
    error = integrals.std() / math.sqrt(len(integrals))
    assert error < 0.1
    assert abs(integrals.mean() - 1) < 4 * error + 1e-6


@torch.no_grad()
def test_blocks_and_neighbours_do_not_change_an_estimate():
    module = vae(n_context=1, posterior_flow=b.AffineCoupling(6, 3, **NET))
    x, noise = rows(300), module.fixed_noise(40)
    together = module.importance_bound(x, noise)
    alone = torch.cat([module.importance_bound(row[None], noise) for row in x[:20]])
    torch.testing.assert_close(together[:20], alone, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_posterior_mean_of_a_flow_is_the_mean_of_its_draws():
    module = vae(n_context=1, posterior_flow=b.Planar(6, 3, **NET))
    module.n_importance_samples = 500
    x, noise = rows(3), module.fixed_noise(500)
    posterior = module.posterior(x).repeated(500)
    draws = posterior.draw(noise.repeat(3, 1))[0].view(3, 500, 6)
    torch.testing.assert_close(module.encode(x), draws.mean(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"divergence": "jensen"}, "divergence must be"),
        ({"linear_path": "second"}, "linear_path must be"),
        (
            {"weights": [1.0, 2.0, 1.0], "prior_flow": b.SplineCoupling(6, **NET)},
            "only the sum of their divergences means anything",
        ),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        vae(**options)


@torch.no_grad()
@pytest.mark.parametrize("linear_path", ["all", "first"])
def test_linear_paths_see_rows_beyond_the_clip(linear_path):
    module = vae(linear_path=linear_path)
    far = torch.full((1, 4), 10.0, dtype=torch.float64)
    mean, farther = module.posterior(far).mean[0], module.posterior(2 * far).mean[0]
    moved = (mean != farther).view(3, 2).all(1)
    assert moved.tolist() == [True, linear_path == "all", linear_path == "all"]


def flows():
    return {
        "n_context": 1,
        "posterior_flow": b.Sylvester(6, 3, **NET),
        "prior_flow": b.SplineCoupling(6, **NET),
    }


@torch.no_grad()
def test_with_flows_the_objective_averages_to_the_bound():
    module = vae(scale=0.1, n_importance_samples=4096, **flows())
    x, noise = rows(3), module.fixed_noise(4096)
    posterior = module.posterior(x).repeated(4096)
    objective = module._objective(x.repeat_interleave(4096, 0), posterior, noise.repeat(3, 1))
    torch.testing.assert_close(objective.view(3, -1).mean(1), module.elbo(x))


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"weights": [4.0] * 3}, {"free_bits": 1.0}])
def test_with_flows_the_scale_of_the_latent_does_not_matter(options):
    """Latents shrunk by a posterior flow that the prior flow expands again: the same model."""
    x, values = rows(20), []
    for log_scale in (0.0, 1.0):
        module = vae(
            k=1,
            posterior_flow=b.ElementwiseAffine(3),
            prior_flow=b.Inverse(b.ElementwiseAffine(3)),
            **options,
        ).train()
        scale = torch.full_like(module.posterior_flow.raw[0], log_scale)
        for affine in (module.posterior_flow, module.prior_flow.bijection):
            affine.raw[0], affine.raw[1] = scale, 0.0
        factor = module.posterior_flow(torch.ones(1, 3, dtype=torch.float64))[0]
        module.decoder_map.weight /= factor
        module.decoder.first.weight /= factor
        module.noise.generator = seeded()
        values.append(module.objective(x))
    torch.testing.assert_close(*values)


def test_state_holds_each_tensor_once():
    module = vae(**flows())
    state = module.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
