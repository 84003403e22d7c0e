"""What a density says of some columns given others, in the units of its rows.

Where columns are mixed by linear maps alone, and the prior knows its conditionals, the answers are
exact. Elsewhere they come from weighted draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..columns import Columns
from ..missing import N_DRAWS, Completion, resample, shares
from ..modules import Evaluator, Flow
from ._laws import DrawnLaw, LatentLaw, Law, MappedLaw, flow_law

# Draws of each row at first, how many times more where fewer than so many carry the weight, and at
# most; and how many values are worked on at once.
N_CANDIDATES, _MORE, _FEW, MAX_CANDIDATES = N_DRAWS, 8, 10, 2**16
_MAX_VALUES = 2**23
# Draws by which the points of a cell are weighed, and the fewest proposals at each.
_WEIGHING_DRAWS, _FEWEST_AT_A_POINT = 64, 8
_SEED = 0


class Questions:
    """Questions to a density; rows hold NaN where values are open.

    Subclasses implement all methods.

    Attributes
    ----------
    is_exact : bool
        Whether all answers have a closed form.
    """

    is_exact: bool

    def log_density(
        self, X: np.ndarray, n_draws: int | None, without: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density of what is known of rows, and its standard error.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows.
        n_draws : int or None
            Draws for each row, where they are needed. None takes few, and more for rows whose
            error is large.
        without : ndarray of int of shape (n,), default=None
            A kernel that each row is scored without.

        Returns
        -------
        log_density, error : ndarray of shape (n,)
            Nats; 0 where nothing is known.
        """
        raise NotImplementedError

    def draws(
        self,
        X: np.ndarray,
        n_draws: int,
        rng: np.random.RandomState,
        most: int = MAX_CANDIDATES,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Copies of rows with draws of what is open.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows.
        n_draws : int
            Number of copies.
        rng : RandomState
            Source of randomness.
        most : int, default=65536
            Proposals for a row, where they are needed, above which there are not more, however few
            of them carry the weight.

        Returns
        -------
        copies : ndarray of shape (n, n_draws, d)
            The copies.
        n_effective : ndarray of shape (n,)
            Number of draws that those of each row are as good as; infinite where they are exact.
        """
        raise NotImplementedError

    def draws_at_points(
        self,
        points: np.ndarray,
        log_weight: np.ndarray,
        n_draws: int,
        rng: np.random.RandomState,
        most: int = MAX_CANDIDATES,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Copies of rows of which several points stand for what is known.

        Parameters
        ----------
        points : ndarray of shape (n, n_points, d)
            The points, all open in the same columns.
        log_weight : ndarray of shape (n, n_points)
            Logs of their weights, before they are multiplied by the density of what is known.
        n_draws, rng, most : object
            As in `draws`.

        Returns
        -------
        copies : ndarray of shape (n, n_draws, d)
            The copies.
        n_effective : ndarray of shape (n,)
            As in `draws`.
        """
        n, n_points, d = points.shape
        if n_points == 1:
            return self.draws(points[:, 0], n_draws, rng, most)
        found, _ = self.log_density(points.reshape(-1, d), _WEIGHING_DRAWS)
        chosen = resample(log_weight + found.reshape(n, n_points), n_draws, rng)
        picked = np.take_along_axis(points, chosen[..., None], 1)
        copies, n_effective = self.draws(picked.reshape(-1, d), 1, rng, most)
        return copies.reshape(n, n_draws, d), n_effective.reshape(n, n_draws).min(1)

    def law(self, X: np.ndarray, column: int, n_draws: int) -> Law:
        """Law of one open column given what is known of rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows.
        column : int
            Open in all of them.
        n_draws : int
            Draws for each row, where they are needed.
        """
        raise NotImplementedError


@dataclass
class FlowQuestions(Questions):
    """Questions to a density module of standardised rows.

    Parameters
    ----------
    columns : Columns
        Columns around the module.
    evaluator : Evaluator
        The module.
    completion : Completion
        What proposes values where there is no closed form.
    """

    columns: Columns
    evaluator: Evaluator
    completion: Completion

    @cached_property
    def exact(self) -> Flow | None:
        """The module as a flow whose conditionals are known, None where they are not."""
        flow = self.evaluator.module.unmixed()
        return flow if flow is not None and flow.prior.has_conditionals else None

    @property
    def is_exact(self) -> bool:
        return self.exact is not None

    # ------------------------------------------------------------------ scores

    def log_density(self, X, n_draws, without=None):
        if self.exact is None:
            return self.completion.marginal(X, n_draws, self.evaluator, without)
        Z, missing = self.columns.standardise(X), np.isnan(X)
        own = np.full(len(X), -1) if without is None else without
        score = Evaluator(self.exact, self.evaluator.device).map(self._exact_scores, Z, own)
        volumes = np.where(missing, 0.0, self.columns.log_volumes(Z)).sum(1)
        log_density = np.where(np.isnan(score), -np.inf, score) - volumes
        return np.where(missing.all(1), 0.0, log_density), np.zeros(len(X))

    def _exact_scores(self, Z, without):
        known = ~Z.isnan()
        if not (without >= 0).any():
            return self.exact.log_prob_marginal(Z, known)
        z, log_slope = self.exact.bijection.forward_by_column(torch.where(known, Z, 0.0))
        z = torch.where(known, z, 0.0)
        joint = self.exact.prior.component_log_prob_marginal(z, known)
        weights = self.exact.prior.gaussians()[0]
        left_out = torch.where(without >= 0, weights[without].exp(), 0.0)
        row = (without >= 0).nonzero()[:, 0]
        joint[row, without[row]] = -math.inf
        slopes = torch.where(known, log_slope, 0.0).sum(1)
        return joint.logsumexp(1) + slopes - torch.log1p(-left_out)

    # ------------------------------------------------------------------ draws

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        missing = np.isnan(X)
        copies, n_effective = np.repeat(X[:, None], n_draws, 1), np.full(len(X), np.inf)
        empty, part = missing.all(1), missing.any(1) & ~missing.all(1)
        if empty.any():
            Z = self.evaluator.sample(n_draws * int(empty.sum()), rng)
            copies[empty] = self._rows(Z).reshape(-1, n_draws, X.shape[1])
        if part.any():
            Z = self.columns.standardise(X[part])
            if self.exact is None:
                one = np.zeros((len(Z), 1))
                Z, n_effective[part] = self._weighted(Z[:, None], one, n_draws, rng, most)
            else:
                Z, n_effective[part] = self._exact_draws(Z, n_draws, rng)
            copies[part] = self._rows(Z)
        return np.where(missing[:, None], copies, X[:, None]), n_effective

    def _rows(self, Z):
        return self.columns.to_domain(self.columns.unstandardise(Z))

    def _exact_draws(self, Z, n_draws, rng):
        """Column after column, each given those before it."""
        generator = self.evaluator.generator(rng)
        flow, parts = self.exact, []
        wide = np.repeat(Z, n_draws, 0)
        n_components = self._n_components
        for part in np.array_split(wide, max(1, wide.shape[0] * n_components // _MAX_VALUES)):
            x = torch.from_numpy(part).to(self.evaluator.device)
            known = ~x.isnan()
            with torch.no_grad():
                z = flow.bijection.forward_by_column(torch.where(known, x, 0.0))[0]
                for column in (~known).any(0).nonzero()[:, 0].tolist():
                    open_rows = ~known[:, column]
                    given = z[open_rows], known[open_rows]
                    z[open_rows, column] = flow.prior.law_given(*given, column).draw(generator)
                    known = known.clone()
                    known[:, column] = True
                parts.append(flow.bijection.inverse_by_column(z)[0].cpu().numpy())
        return np.concatenate(parts).reshape(len(Z), n_draws, -1), np.full(len(Z), np.inf)

    @property
    def _n_components(self):
        gaussians = self.exact.prior.gaussians()
        return 1 if gaussians is None else len(gaussians[1])

    def draws_at_points(self, points, log_weight, n_draws, rng, most=MAX_CANDIDATES):
        if self.exact is not None or points.shape[1] == 1:
            return super().draws_at_points(points, log_weight, n_draws, rng, most)
        n, n_points, d = points.shape
        missing = np.isnan(points[:, 0])
        part = missing.any(1) & ~missing.all(1)
        copies, n_effective = np.empty((n, n_draws, d)), np.full(n, np.inf)
        if part.any():
            Z = self.columns.standardise(points[part].reshape(-1, d)).reshape(-1, n_points, d)
            Z, n_effective[part] = self._weighted(Z, log_weight[part], n_draws, rng, most)
            copies[part] = self._rows(Z)
        if not part.all():
            rest = points[~part], log_weight[~part]
            copies[~part], _ = super().draws_at_points(*rest, n_draws, rng, most)
        return copies, n_effective

    def _weighted(self, Z, log_weight, n_draws, rng, most):
        """Resampled from proposals at all points, more where few of them carry the weight."""
        n_points, d = Z.shape[1:]
        drawn = np.empty((len(Z), n_draws, d))
        n_effective = np.zeros(len(Z))
        n, todo = max(N_CANDIDATES, 8 * n_draws), np.arange(len(Z))
        while True:
            n_each = max(_FEWEST_AT_A_POINT, n // n_points)
            size = max(1, _MAX_VALUES // (n_each * n_points * d))
            for i in range(0, len(todo), size):
                part = todo[i : i + size]
                given = Z[part], log_weight[part], n_draws, n_each, rng
                drawn[part], n_effective[part] = self._resampled(*given)
            todo = np.flatnonzero(n_effective < max(n_draws, _FEW))
            n *= _MORE
            if not todo.size or n > most:
                return drawn, n_effective

    def _resampled(self, Z, log_weight, n_draws, n_each, rng):
        n, _, d = Z.shape
        flat = Z.reshape(-1, d)
        weights = np.repeat(log_weight.reshape(-1, 1), n_each, 1)
        proposed = np.repeat(flat[:, None], n_each, 1)
        seed, shift = rng.randint(2**31 - 1), rng.uniform(size=(len(flat), d + 2))
        given = n_each, seed, self.evaluator, shift
        for rows, columns, values, own in self.completion.weighted_draws(flat, *given):
            weights[rows] += own
            proposed[rows[:, None], :, columns] = values.swapaxes(1, 2)
        weights = weights.reshape(n, -1)
        chosen = resample(weights, n_draws, rng)[..., None]
        copies = np.take_along_axis(proposed.reshape(n, -1, d), chosen, 1)
        return copies, _n_effective(weights)

    # ------------------------------------------------------------------ laws of columns

    def law(self, X, column, n_draws):
        Z = self.columns.standardise(X)
        law = self._exact_law if self.exact is not None else self._drawn_law
        return MappedLaw(law(Z, column, n_draws), *self._maps_of(column))

    def _exact_law(self, Z, column, n_draws):
        x = torch.from_numpy(Z).to(self.evaluator.device)
        known = ~x.isnan()
        with torch.no_grad():
            z = self.exact.bijection.forward_by_column(torch.where(known, x, 0.0))[0]
            law = self.exact.prior.law_given(z, known, column)
        device = self.evaluator.device
        return flow_law(LatentLaw(law, device, len(Z)), self.exact, column, device)

    def _drawn_law(self, Z, column, n_draws):
        drawn, share = np.empty((len(Z), n_draws)), np.empty((len(Z), n_draws))
        given = n_draws, _SEED, self.evaluator
        for rows, columns, values, log_weight in self.completion.weighted_draws(Z, *given):
            place = np.argmax(columns == column, 1)
            drawn[rows] = np.take_along_axis(values, place[:, None, None], 2)[..., 0]
            share[rows] = shares(log_weight)
        return DrawnLaw(drawn, share)

    def _maps_of(self, column):
        """A column of values as the module sees it, and the way back."""

        def through(function):
            def mapped(values):
                rows = np.tile(self.columns.location, (values.size, 1))
                rows[:, column] = values.ravel()
                return function(rows)[:, column].reshape(values.shape)

            return mapped

        return through(self.columns.standardise), through(self.columns.unstandardise)


def _n_effective(log_weight):
    """Kish's number of equally weighted draws, 0 where all weights vanish."""
    top = log_weight.max(1)
    found = 1 / (shares(log_weight) ** 2).sum(1)
    return np.where(np.isfinite(top), found, 0.0)
