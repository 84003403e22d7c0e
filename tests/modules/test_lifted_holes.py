"""Holes of lifted rows: where the search ends, and what chains draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit import bijections as b
from flowkit.modules import Flow
from flowkit.modules.inpainting import fill
from flowkit.modules.langevin import langevin
from flowkit.modules.lifted_holes import LiftedHoles
from flowkit.priors import Normal

from ..bijections.test_lifting import lifting_of
from ..tensors import perturbed, rows_in


def gaussian_lifting(shape, d):
    """A lifting that is linear: no network, and the same scales whatever is around."""
    lifting = b.Lifting(d, shape, n_components=0, hidden_units=4)
    generator = torch.Generator().manual_seed(0)
    for phase in lifting.phases:
        noise = torch.randn(phase.weight.shape, generator=generator)
        phase.weight.copy_(0.3 * noise * phase.mask)
        phase.steer[:, 1, 0] = -0.5
        phase.bias += 0.1
    return lifting.double().requires_grad_(False)


def gaussian_of(lifting):
    """Mean and covariance of its rows."""
    d = lifting.n_features
    zero = torch.zeros(d).double()
    mean = lifting.inverse(zero[None])[0][0]
    factor = torch.autograd.functional.jacobian(lambda z: lifting.inverse(z[None])[0][0], zero)
    return mean, factor @ factor.T


@pytest.fixture(scope="module")
def linear():
    """Rows with holes of their own, of several sizes, and the Gaussian of these."""
    shape = (4, 3, 2)
    lifting = gaussian_lifting(shape, 24)
    mean, covariance = gaussian_of(lifting)
    masks = np.random.default_rng(1).random((5, 24)) < 0.3
    masks[0], masks[1, 3:] = np.arange(24) == 7, False
    masks[1, 0] = True
    rows = rows_in("real", 5, 24)
    expected = []
    for row, mask in zip(rows, torch.from_numpy(masks), strict=True):
        gain = torch.linalg.solve(covariance[~mask][:, ~mask], covariance[~mask][:, mask]).T
        centre = mean[mask] + gain @ (row - mean)[~mask]
        expected.append((centre, covariance[mask][:, mask] - gain @ covariance[~mask][:, mask]))
    rows = torch.where(torch.from_numpy(masks), 0.0, rows)
    return LiftedHoles(lifting, Normal(24).double(), rows, masks), rows, masks, expected


def values_in(holes, rows, masks, values):
    """Values (k, n_hole) of each row, in the order of its columns."""
    filled = holes.put(rows, values)
    return [row[:, torch.from_numpy(mask)] for row, mask in zip(filled, masks, strict=True)]


def test_one_step_finds_the_conditional_mean_of_a_gaussian(linear):
    holes, rows, masks, expected = linear
    mode = holes.most_likely(1)
    _, values = holes.evaluate(mode[:, None])
    for found, (centre, _) in zip(values_in(holes, rows, masks, values), expected, strict=True):
        torch.testing.assert_close(found[0], centre, rtol=1e-8, atol=1e-8)


def test_starts_have_the_conditional_law_of_a_gaussian_and_chains_keep_it(linear):
    holes, rows, masks, expected = linear
    mode, generator, k = holes.most_likely(1), torch.Generator().manual_seed(0), 600
    factor = torch.linalg.cholesky(holes.precision(mode))
    start = holes.starts(mode, factor, k, generator)
    _, drawn = holes.evaluate(start)
    *_, walked = langevin(holes, start, factor, 6, generator)
    assert (walked != drawn).any()
    for values in (drawn, walked):
        found = values_in(holes, rows, masks, values)
        for own, (centre, covariance) in zip(found, expected, strict=True):
            deviation = covariance.diagonal().sqrt()
            error = (own.mean(0) - centre) / deviation
            assert error.abs().max() < 5 / k**0.5
            scaled = (own - centre) / deviation
            correlation = covariance / torch.outer(deviation, deviation)
            assert (scaled.T @ scaled / k - correlation).abs().max() < 6 * (2 / k) ** 0.5


def test_the_log_density_of_latents_is_that_of_values_and_of_their_slopes():
    """Between two fillings, the log density of rows differs as that of their latents."""
    lifting = perturbed(b.Lifting(20, (4, 5), n_components=2, n_boxes=1, hidden_units=8), 0.3)
    lifting.requires_grad_(False)
    prior = Normal(20).double()
    masks = np.random.default_rng(0).random((3, 20)) < 0.3
    rows = rows_in("real", 3, 20)
    holes = LiftedHoles(lifting, prior, rows, masks)
    noise = torch.randn(3, 2, holes.size, generator=torch.Generator().manual_seed(4)).double()
    density, values = holes.evaluate(noise)
    filled = holes.put(rows, values)
    flow = Flow(lifting, prior)
    scores = torch.stack([flow.log_prob(part) for part in filled.unbind(1)], 1)

    def log_slope(row, mask):
        """Of values in the hole along their latents."""
        columns = torch.from_numpy(np.flatnonzero(mask))
        jacobian = torch.autograd.functional.jacobian(
            lambda v: lifting(row.index_copy(0, columns, v)[None])[0][0, columns], row[columns]
        )
        return torch.linalg.slogdet(jacobian)[1]

    slopes = torch.stack(
        [
            torch.stack([log_slope(row, mask) for row in part])
            for part, mask in zip(filled, masks, strict=True)
        ]
    )
    difference = scores - slopes - density
    torch.testing.assert_close(difference[:, 0], difference[:, 1])


def test_chains_follow_the_conditional_density_where_a_box_stands_out():
    """In a missing column the density given the others can be integrated."""
    torch.manual_seed(0)
    lifting = lifting_of((1, 4), n_components=2, n_boxes=1).requires_grad_(False)
    for phase in lifting.phases:
        phase.boxes.fill_(0.4)
        phase.box_width.fill_(0.5)
    flow, row = Flow(lifting, Normal(4).double()), rows_in("real", 1, 4)
    holes = LiftedHoles(lifting, flow.prior, row, np.array([[False, False, True, False]]))
    mode, generator = holes.most_likely(5), torch.Generator().manual_seed(0)
    factor = torch.linalg.cholesky(holes.precision(mode))
    start = holes.starts(mode, factor, 500, generator)
    *_, draws = langevin(holes, start, factor, 60, generator)
    draws = holes.put(row, draws)[0, :, 2].numpy()
    # Tails are long, and the box is narrow.
    grid = torch.linspace(-14, 14, 6001, dtype=torch.float64).sinh()
    rows = row.repeat(len(grid), 1)
    rows[:, 2] = grid
    with torch.no_grad():
        density = flow.log_prob(rows).exp()
    cumulative = torch.cumulative_trapezoid(density, grid)
    uniform = np.interp(draws, grid[1:].numpy(), (cumulative / cumulative[-1]).numpy())
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_means_are_those_of_what_chains_see():
    """With a map behind the lifting's rows, it is values behind it that are averaged."""
    lifting = gaussian_lifting((3, 3), 9)
    mask = np.arange(9)[None] == 4
    start = np.zeros((1, 9))
    options = {
        "n_steps": 1, "learning_rate": 0.1, "n_langevin_steps": 10, "n_chains": 2000,
        "generator": torch.Generator(),
    }  # fmt: skip
    prior = Normal(9).double()
    mean = fill(lifting, prior, start, mask, torch.exp, statistic="mean", **options)
    assert mean.shape == (1, 1, 9)
    mode = fill(lifting, prior, start, mask, torch.exp, statistic="mode", **options)[0, 0, 4]
    draws = fill(lifting, prior, start, mask, torch.exp, statistic="draws", **options)[:, 0, 4]
    spread = np.log(draws).std()
    assert mean[0, 0, 4] == pytest.approx(mode * np.exp(spread**2 / 2), rel=0.05)
    assert mean[0, 0, 4] > 1.02 * mode


def test_rows_without_a_hole_stay_out():
    lifting = gaussian_lifting((3, 3), 9)
    mask = np.zeros((2, 9), dtype=bool)
    options = {"n_steps": 1, "learning_rate": 0.1, "n_langevin_steps": 1, "n_chains": 1}
    generator = torch.Generator()
    found = fill(
        lifting, Normal(9).double(), np.ones((2, 9)), mask, torch.exp,
        statistic="mode", generator=generator, **options,
    )  # fmt: skip
    assert not found.any()
