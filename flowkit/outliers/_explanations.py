"""Why rows are strange to a density: effects of their columns, or of parts of the log density."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import log_density_of, unwrap
from ._conditional_effects import Account, ConditionalEffects
from ._copied_rows import log_density_of_copies
from ._splits import SPLITS

FEATURES = "features"


class Explanations:
    """What `explain` compares rows with.

    Parameters
    ----------
    densities : list of estimators
        Fitted, and alike but for their seeds. Effects of columns are averaged over them; the first
        one is split into parts.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Typical rows.
    names : list
        Names of the columns.
    reading : TableReading, default=None
        What makes rows what the densities see; None where they see them as they are.
    """

    def __init__(self, densities, X, names, reading=None):
        self._densities, self._names, self._reading = densities, {FEATURES: names}, reading
        is_left_out = None if reading is None else reading.is_left_out
        self._effects, self._typical = ConditionalEffects.of(X, is_left_out), {}
        inner, splits = self._inner(), self._splits()
        possible = self._possible(X) if splits else np.empty(0)
        if possible.size:
            rows = inner.transform(self._read(_safe_indexing(X, possible)))
            for split in splits:
                self._typical[split.name] = split.typical(inner.estimator, rows)
                self._names[split.name] = split.names(
                    inner.estimator, rows, inner.get_feature_names(names)
                )

    def names(self, by: str) -> list:
        """Names of the columns or parts that have effects.

        Parameters
        ----------
        by : str
            'features', or the name of a split.

        Returns
        -------
        list
            One for each.

        Raises
        ------
        InvalidParameterError
            If there is no such split, or the density lacks it.
        InvalidDataError
            If all typical rows are impossible under the density.
        """
        if not isinstance(by, str) or by not in (FEATURES, *SPLITS):
            raise InvalidParameterError(f"by must be one of {[FEATURES, *SPLITS]}, got {by!r}.")
        if by != FEATURES:
            SPLITS[by].requirement.check(self._inner().estimator, by)
        if by not in self._names:
            raise InvalidDataError(
                f"no training row has a positive density, so nothing is typical of {by}: give "
                "rows within the support of the density."
            )
        return list(self._names[by])

    def account(self, X, score=None) -> Account:
        """How much each column adds to the surprise of each row, and what would be typical there.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        score : callable, default=None
            What effects are differences of; see `ConditionalEffects`. What is typical is always
            said by the densities.

        Returns
        -------
        Account
            Of all columns.
        """
        densities = self._densities if score is None else [_likeliest(d) for d in self._densities]

        def log_density(copies, rows):
            copies, rows = self._read(copies), self._read(rows)
            each = [log_density_of_copies(density, copies, rows) for density in densities]
            return np.mean(each, axis=0)

        return self._effects(X, log_density, score)

    def effects(self, X, by: str, score=None) -> np.ndarray:
        """How much each column or part adds to the surprise of each row.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        by : str
            As in `names`, which has raised no error.
        score : callable, default=None
            As in `account`, for ``by='features'``.

        Returns
        -------
        ndarray of shape (n_samples, n_names)
            Nats.
        """
        if by == FEATURES:
            return self.account(X, score).effects
        effects = np.full((_num_samples(X), len(self._names[by])), np.inf)
        possible = self._possible(X)
        if possible.size:
            inner = self._inner()
            rows = inner.transform(self._read(_safe_indexing(X, possible)))
            effects[possible] = SPLITS[by].surprises(inner.estimator, rows, self._typical[by])
        return effects

    def _inner(self):
        return unwrap(self._densities[0])

    def _splits(self):
        density = self._inner().estimator
        return [split for split in SPLITS.values() if split.requirement.is_met_by(density)]

    def _possible(self, X):
        """Positions of rows of positive density; others may lie outside a transformer's domain."""
        return np.flatnonzero(np.isfinite(log_density_of(self._densities[0], self._read(X))))

    def _read(self, X):
        return X if self._reading is None else self._reading(X)


def _likeliest(density):
    """A density at the bandwidth of its kernels that makes values as likely as they are.

    Narrower kernels find strange rows better, but leave hardly any value beside those of the row
    that is most alike.
    """
    inner = unwrap(density).estimator
    if getattr(inner, "bandwidth_factor", 1.0) == 1.0 or not inner.module_.has_kernels:
        return density
    density = copy.deepcopy(density)
    unwrap(density).estimator.module_.prior.bandwidth_factor = 1.0
    return density
