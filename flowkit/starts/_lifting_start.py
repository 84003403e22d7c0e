"""Lifting of images that begins at linear prediction, by least squares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..bijections import Lifting
from ..bijections.lifting_phase import LOG_SCALES, LiftingPhase

# Images at a time; values of a phase that its regression sees, and those its mixture sees.
_CHUNK_ROWS, _MAX_VALUES, _MAX_MIXTURE_VALUES = 64, 200_000, 20_000
# Images from which the usual residual of each place is found, and rows that draw it to the mean.
_MAX_PLACE_ROWS, _PRIOR_ROWS = 2048, 10.0
# Ridges that are tried, as shares of the mean square of a feature; every fifth chunk judges.
_RIDGES, _HOLD_OUT_EVERY = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1), 5
# Values weigh as the inverse of their local variance and this share of the usual one.
_USUAL_SHARE = 0.1
# Deviations below this share of the usual one are no less.
_FLOOR_SHARE, _LEAST_FLOOR = 0.03, 1e-5
# Initial log scales of components are this far apart.
_SPREAD, _N_ITERATIONS = 1.0, 60
# Slopes are penalised as by so many values.
_PRIOR_VALUES = 0.3
# An activity that hardly varies is not magnified further.
_LEAST_SIZE = 1e-3


def start_lifting(
    lifting: Lifting,
    Z: np.ndarray,
    weight: np.ndarray | None,
    rng: np.random.RandomState,
    effort: float = 1.0,
) -> None:
    """Set linear predictions, and what the mixtures make of the local activity, in place.

    Values without a mixture are predicted from none: they are centred and scaled.

    Parameters
    ----------
    lifting : Lifting
        The map, of single precision.
    Z : ndarray of shape (n, d)
        Standardised rows with their noise, in any order.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    rng : RandomState
        Draws places and images where there are more than needed.
    effort : float, default=1.0
        Share of the usual number of values and steps that mixtures are fitted with.
    """
    rows = _Rows(Z, weight, rng)
    # Activities know the residuals of coarser phases.
    for phase in reversed(lifting.phases):
        phase.bias.zero_()
        phase.weight.zero_()
        _set_floor(phase, rows)
        _set_prediction(phase, rows)
        _set_places(phase, rows)
        if phase.n_components:
            _set_mixture(phase, rows, effort)
        else:
            _set_scale(phase)
        rows.remember(phase)


class _Rows:
    """Images in random order, some at a time."""

    def __init__(self, Z, weight, rng):
        # Only ratios count, and single precision holds few scales.
        weight = None if weight is None else weight / weight.mean()
        self.Z, self.weight, self.rng = Z, weight, rng
        self.order = rng.permutation(len(Z))
        # Residuals of the first rows so far.
        self.errors = torch.zeros(Z.shape[1], min(len(Z), _MAX_PLACE_ROWS))
        # Few rows still make chunks enough to judge by.
        self.chunk = max(1, min(_CHUNK_ROWS, len(Z) // (2 * _HOLD_OUT_EVERY)))

    def chunks(self, n_most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Columns (d, n) and weights (n,)."""
        order = self.order[:n_most]
        for i in range(0, len(order), self.chunk):
            rows = order[i : i + self.chunk]
            weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
            columns = torch.from_numpy(np.ascontiguousarray(self.Z[rows].T)).float()
            yield columns, torch.from_numpy(weight).float()

    def remember(self, phase: LiftingPhase) -> None:
        """Keep the residuals of a phase, of the first rows."""
        with torch.no_grad():
            i = 0
            for columns, _ in self.chunks(self.errors.shape[1]):
                residuals = columns[phase.columns] - phase.predict(phase.windows(columns))
                part = self.errors[:, i : i + columns.shape[1]]
                part[phase.columns.reshape(-1)] = residuals.flatten(0, 1)
                i += columns.shape[1]

    def values(
        self, phase: LiftingPhase, n_values: int, n_most: int | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        """Places in each image, as many as make up `n_values`: columns, weights and places."""
        n_pixels = phase.columns.shape[1]
        n_most = len(self.Z) if n_most is None else min(n_most, len(self.Z))
        n_places = int(np.ceil(min(n_pixels, n_values / n_most)))
        n_rows = min(n_most, max(1, n_values // n_places))
        for columns, weight in self.chunks(n_rows):
            places = np.sort(self.rng.permutation(n_pixels)[:n_places])
            yield columns, weight, torch.from_numpy(places)


@torch.no_grad()
def _set_floor(phase, rows):
    if phase.n_known:
        columns, _ = next(rows.chunks(_CHUNK_ROWS))
        usual = phase.surroundings(phase.windows(columns))[1][:2].median().exp()
        phase.floor.fill_(max(_FLOOR_SHARE * usual.item(), _LEAST_FLOOR))


@torch.no_grad()
def _set_prediction(phase, rows):
    """Least squares with a constant, weighted by the inverse of the local variance.

    Without mixtures the constant alone.
    """
    n_windowed, n_channels = phase.index.shape[0], len(phase.columns)
    size = n_windowed + 1 + n_channels
    fitted, judged = torch.zeros(2, size, size, dtype=torch.float64)
    for i, (columns, weight, places) in enumerate(rows.values(phase, _MAX_VALUES)):
        windows = phase.windows(columns, places)
        weight = weight.expand(windows.shape[1:])
        if phase.n_known:
            variance = (2 * phase.surroundings(windows)[1][1]).exp().mean(0)
            weight = weight / (variance + _USUAL_SHARE * variance.mean())
        targets = columns[phase.columns[:, places]]
        every = torch.cat((windows, torch.ones_like(targets[:1]), targets)).flatten(1)
        total = fitted if i % _HOLD_OUT_EVERY else judged
        total += (every * weight.reshape(-1)) @ every.t()
    for channel in range(n_channels):
        read = phase.mask[channel].nonzero()[:, 0].tolist() if phase.n_components else []
        given = [*read, n_windowed]
        weights = ridge_regression(fitted, judged, given, n_windowed + 1 + channel).float()
        phase.weight[channel, given[:-1]] = weights[:-1]
        phase.bias[channel] = weights[-1]


def ridge_regression(fitted: Tensor, judged: Tensor, given: list[int], target: int) -> Tensor:
    """Least squares with the ridge that is judged best.

    Parameters
    ----------
    fitted, judged : Tensor of shape (n_values, n_values)
        Sums of products, over the rows that are fitted and those that judge.
    given : list of int
        Features, the last a constant.
    target : int
        What they predict.

    Returns
    -------
    Tensor of shape (n_given,)
        Their weights, by all rows.
    """

    def solve(moments, ridge):
        inner = moments[given][:, given]
        penalty = ridge * inner.diagonal()[:-1].mean() if len(given) > 1 else 0.0
        shrunk = inner + penalty * torch.eye(len(given))
        shrunk[-1, -1] = inner[-1, -1]
        return torch.linalg.solve(shrunk, moments[given, target])

    def loss(ridge):
        weights = solve(fitted, ridge)
        return weights @ judged[given][:, given] @ weights - 2 * weights @ judged[given, target]

    return solve(fitted + judged, min(_RIDGES, key=loss))


@torch.no_grad()
def _set_places(phase, rows):
    """Mean and usual size of the residuals at each place, drawn to those of all places."""
    total, squares, count = 0.0, 0.0, 0.0
    for columns, weight in rows.chunks(_MAX_PLACE_ROWS):
        residuals = columns[phase.columns] - phase.predict(phase.windows(columns))
        total, squares = total + residuals @ weight, squares + residuals.square() @ weight
        count += weight.sum()
    mean = total / (count + _PRIOR_ROWS)
    phase.bias += mean
    squares = (squares - count * mean.square()).clamp_min(0) + 1e-12
    pooled = squares.mean(1, keepdim=True) / count
    phase.usual.copy_(0.5 * ((squares + _PRIOR_ROWS * pooled) / (count + _PRIOR_ROWS)).log())


@torch.no_grad()
def _set_scale(phase):
    """One scale for all places, that of their deviations from the mean."""
    phase.steer.zero_()
    phase.steer[:, 1, 0] = 0.5 * (2 * phase.usual).exp().mean(1).log()


def _set_mixture(phase, rows, effort):
    """Mixtures whose parameters are linear in the activities, of the largest likelihood."""
    found = [[] for _ in phase.columns]
    with torch.no_grad():
        n_values, first = int(effort * _MAX_MIXTURE_VALUES), 0
        for columns, weight, places in rows.values(phase, n_values, rows.errors.shape[1]):
            windows = phase.windows(columns, places)
            errors = None
            if phase.n_known:
                errors = rows.errors[:, first : first + len(weight)]
                errors = phase.near_errors(errors, places)
            first += len(weight)
            means, deviations = phase.surroundings(windows, errors, places)
            values, prediction = columns[phase.columns[:, places]], phase.predict(windows, places)
            for channel, seen in enumerate(found):
                residuals = values - prediction
                given = prediction[channel], means, deviations, residuals, channel, places
                activities = phase.activities(*given).flatten(1)
                boxed = (values[channel].flatten() - phase.boxes[:, None]).abs()
                inside = boxed <= phase.box_width / 2
                share = weight.expand(residuals.shape[1:]).flatten()
                seen.append((activities, residuals[channel].flatten(), inside, share))
    for channel, seen in enumerate(found):
        values = [torch.cat(part, -1) for part in zip(*seen, strict=True)]
        phase.steer[channel] = _fit_mixture(phase, channel, *values, int(effort * _N_ITERATIONS))


def _fit_mixture(phase, channel, activities, residuals, inside, weight, n_iterations):
    k, centre = phase.n_components, phase.usual[channel].mean()
    scaled, weight = residuals * (-centre).exp(), weight / weight.sum()
    size = activities.square().mean(1).sqrt().clamp_min(_LEAST_SIZE)
    design = activities / size[:, None]
    log_box = torch.where(inside, centre - phase.box_width.log(), -torch.inf)
    lowest, highest = (bound - centre.item() for bound in LOG_SCALES)
    penalty = _PRIOR_VALUES / residuals.numel()
    steer = torch.zeros_like(phase.steer[channel])
    steer[k : 2 * k, 0] = _SPREAD * (torch.arange(k) - (k - 1) / 2) - 0.6
    steer.requires_grad_()
    optimiser = torch.optim.LBFGS([steer], max_iter=n_iterations, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        raw = steer @ design
        shift, weights = raw[:k], raw[2 * k :].log_softmax(0)
        log_scale = raw[k : 2 * k].clamp(lowest, highest)
        u = scaled * (-log_scale).exp() - shift
        density = weights[:k] - F.softplus(-u) - F.softplus(u) - log_scale
        density = torch.cat((density, weights[k:] + log_box))
        loss = -(weight @ density.logsumexp(0)) + penalty * steer[:, 1:].square().sum()
        loss.backward()
        return loss

    begun = steer.detach().clone()
    try:
        optimiser.step(closure)
    except RuntimeError as error:
        # Steps so long that torch cannot hold them.
        if "overflow" not in str(error):
            raise
    steer = steer.detach()
    steer = (steer if steer.isfinite().all() else begun) / size
    steer[k : 2 * k, 0] += centre
    return steer
