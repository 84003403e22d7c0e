"""Holes of a flow: draws of their conditional density, and the search for the likeliest."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from flowkit import bijections as b
from flowkit.modules import Flow
from flowkit.modules.langevin import langevin
from flowkit.modules.lattice_holes import LatticeHole, most_likely
from flowkit.priors import Laplace, Product

from ..tensors import perturbed, rows_in


def test_langevin_draws_follow_the_conditional_density():
    """In two missing columns the density given the others can be integrated."""
    torch.manual_seed(3)
    lattice = perturbed(b.Lattice(6, hidden_units=8, n_layers=1), 0.4)
    prior = Product([Laplace(6, scale=0.7).double()], [range(6)])
    flow = Flow(lattice, prior)
    row = rows_in("real", 1, 6)
    hole = LatticeHole(lattice.cone(np.array([False, True, True, False, False, False])), prior, row)
    mode = most_likely(hole, 100, 0.1)
    factor, generator = (
        torch.linalg.cholesky(hole.precision(mode)),
        torch.Generator().manual_seed(0),
    )
    *_, draws = langevin(hole, hole.starts(mode, factor, 1500, generator), factor, 60, generator)
    draws = draws[0].numpy()
    grid = torch.linspace(-10, 10, 201, dtype=torch.float64)
    rows = row.repeat(len(grid) ** 2, 1)
    rows[:, 1:3] = torch.cartesian_prod(grid, grid)
    with torch.no_grad():
        log_density = flow.log_prob(rows).view(201, 201)
        at_mode = row.clone()
        at_mode[:, 1:3] = mode
        assert flow.log_prob(at_mode).item() >= log_density.max().item() - 0.05
    density = log_density.exp()
    for column in (0, 1):
        marginal = density.sum(1 - column)
        cumulative = torch.cumulative_trapezoid(marginal, grid)
        uniform = np.interp(
            draws[:, column], grid[1:].numpy(), (cumulative / cumulative[-1]).numpy()
        )
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_one_step_of_the_search_is_one_step():
    lattice = perturbed(b.Lattice(16, image_shape=(4, 4), hidden_units=8), 0.3)
    prior = Product([Laplace(16).double()], [range(16)])
    rows = rows_in("real", 3, 16)
    hole = LatticeHole(lattice.cone(np.arange(16) < 5), prior, rows)
    start = hole.log_density(hole.start)
    assert (hole.log_density(most_likely(hole, 1, 0.01)) > start).all()
