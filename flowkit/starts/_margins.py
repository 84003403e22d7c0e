"""Maps of single columns that a density begins with: for heavy tails, and onto known marginals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import norm

from ..bijections import Arcsinh, Bijection, ElementwiseSpline

_N_BINS = 16
# In standard deviations; beyond it the splines are the identity.
_BOUND = 10.0
# Shares of the rows within the linear part of a bend that are tried.
_LINEAR_SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8)
# Rows by which a bend is chosen.
_MAX_BEND_ROWS = 1_000
# Gain of the mean log density of a column, in nats, from which a bend is worth trying.
_NOTABLE_GAIN = 0.2
# Location, scale, centre and width.
_N_BEND_NUMBERS = 4


@dataclass(frozen=True)
class Margins:
    """Maps of single columns: a bend of heavy tails, then splines.

    Parameters
    ----------
    bend : tuple of ndarray or None
        What `flowkit.bijections.Arcsinh` is initialised from, None for no bend.
    knots : tuple of ndarray or None
        Knots of data and latent of the splines, None for none.
    """

    bend: tuple[np.ndarray, ...] | None = None
    knots: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def form(self) -> tuple[str, ...]:
        """Names of the maps, of which `margin_steps` builds them."""
        given = {"arcsinh": self.bend, "spline": self.knots}
        return tuple(name for name, start in given.items() if start is not None)

    @property
    def n_parameters(self) -> int:
        """How many numbers were taken from the rows."""
        n_bent = 0 if self.bend is None else int(self.bend[-1].sum())
        return _N_BEND_NUMBERS * n_bent + (0 if self.knots is None else self.knots[0].size)

    @torch.no_grad()
    def apply(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows behind the maps, and their log-determinants."""
        steps = [step.double() for step in margin_steps(self.form, Z.shape[1])]
        self.start(steps)
        x, total = torch.from_numpy(Z), torch.zeros(len(Z), dtype=torch.float64)
        for step in steps:
            x, log_det = step(x)
            total += log_det
        return x.numpy(), total.numpy()

    def start(self, steps: Sequence[Bijection]) -> None:
        """Initialise what `margin_steps` built, the first of some steps."""
        starts = [start for start in (self.bend, self.knots) if start is not None]
        for step, start in zip(steps, starts, strict=False):
            # Copies, as models may lie in read-only memory.
            step.start(*map(torch.tensor, start))


def margin_steps(form: Sequence[str], d: int) -> list[Bijection]:
    """Maps of single columns, not initialised.

    Parameters
    ----------
    form : sequence of str
        `Margins.form`.
    d : int
        Number of columns.

    Returns
    -------
    list of Bijection
        The maps in order.
    """
    builds = {
        "arcsinh": lambda: Arcsinh(d),
        "spline": lambda: ElementwiseSpline(d, n_bins=_N_BINS, tail_bound=_BOUND),
    }
    return [builds[name]() for name in form]


def margin_forms(Z: np.ndarray, bends: bool = True) -> list[tuple[str, ...]]:
    """Forms worth trying: none, splines, and where tails are heavy a bend, with and without these.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows, in random order.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.

    Returns
    -------
    list of tuple of str
        The forms, that of the identity first.
    """
    forms = [(), ("spline",)]
    if bends and bend_of(Z) is not None:
        forms += [("arcsinh",), ("arcsinh", "spline")]
    return forms


def fit_margins(form: Sequence[str], Z: np.ndarray, target=norm) -> Margins:
    """Maps of a form that make the columns of rows nearest to independent draws of a target.

    Parameters
    ----------
    form : sequence of str
        One of `margin_forms`.
    Z : ndarray of shape (n, d)
        Standardised rows, in random order.
    target : ColumnTarget or frozen distribution of scipy.stats, default=norm
        Symmetric density of the latent of each column.

    Returns
    -------
    Margins
        The maps.
    """
    margins = Margins(bend_of(Z) if "arcsinh" in form else None)
    if "spline" in form:
        margins = replace(margins, knots=score_knots(margins.apply(Z)[0], target))
    return margins


def normal_scores(Z: np.ndarray) -> np.ndarray:
    """Rows whose columns are made about standard normal, so that none of them is far away."""
    return fit_margins(("spline",), Z).apply(Z)[0]


def choose_margins(Z: np.ndarray, target, bends: bool = True) -> Margins:
    """Maps of the lowest BIC for columns that are independent at first.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    target : ColumnTarget or frozen distribution of scipy.stats
        Symmetric density of the latent of each column.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.

    Returns
    -------
    Margins
        The maps.
    """

    def bic(margins):
        scores, log_det = margins.apply(Z)
        fit = target.logpdf(scores).sum() + log_det.sum()
        return np.log(len(Z)) * margins.n_parameters - 2 * fit

    return min((fit_margins(form, Z, target) for form in margin_forms(Z, bends)), key=bic)


def score_knots(Z: np.ndarray, target=norm) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of each column and those of a symmetric target of the same ranks."""
    # Ranks further out rest on less than about ten rows.
    reach = target.ppf(1 - min(0.25, 10 / len(Z)))
    z = np.linspace(-reach, reach, _N_BINS - 1)
    x = np.quantile(Z, target.cdf(z), axis=0)
    inside = _BOUND * (1 - 1e-3)
    return np.clip(x, -inside, inside), np.repeat(z[:, None], Z.shape[1], axis=1)


def bend_of(Z: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """The bend that makes each heavy-tailed column nearest to normal.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows, in random order.

    Returns
    -------
    tuple of ndarray or None
        What `flowkit.bijections.Arcsinh` is initialised from; None where no column gains by a bend.
    """
    bends = np.array([_bend_of_column(z) for z in Z[:_MAX_BEND_ROWS].T])
    bent = bends[:, 1] < np.inf
    if not bent.any():
        return None
    bends[~bent] = [0.0, 1.0, 0.0, 1.0]
    return *bends.T.copy(), bent


def _bend_of_column(z):
    """Location, scale, centre and width of the likeliest bend; an infinite scale for none."""
    best, best_fit = (0.0, np.inf, 0.0, 1.0), -np.log(z.std()) + _NOTABLE_GAIN if z.std() else 0.0
    # Tails on both sides, or on the far side of an edge.
    for location in (np.median(z), z.min(), z.max()):
        distance = np.abs(z - location)
        scales = np.quantile(distance, _LINEAR_SHARES)
        for scale in scales[scales > 0]:
            u = (z - location) / scale
            bent = np.arcsinh(u)
            width = bent.std()
            if width == 0:
                continue
            fit = -np.log(width) - np.log(scale) - np.log(np.hypot(1.0, u)).mean()
            if fit > best_fit:
                best, best_fit = (location, scale, bent.mean(), width), fit
    return best
