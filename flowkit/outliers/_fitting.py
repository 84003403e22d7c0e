"""The densities of a detector, fitted to rows as often as it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError
from ..nested import Progress, TimeLimit, can_end, names_of, seed_names, seeded_copies
from ..validation import errors_of_rows
from ._default_densities import default_densities
from ._scores import Scores
from ._trimming import rows_to_keep
from ._weights import select_weights
from .reading import TableReading
from .statistics import STATISTICS

# Of a single row nothing can be compared.
_LEAST_ROWS = 2


@dataclass(frozen=True)
class Fitted:
    """Fitted densities, and what they say of their training rows.

    Parameters
    ----------
    groups : list of lists of estimators
        The densities; those of one list differ in their seeds alone.
    scores : Scores
        Scores of rows by these.
    training_scores : ndarray of shape (n_samples,)
        Those of all training rows, the trimmed ones among them.
    X, weight : ndarray or DataFrame of shape (n_kept, n_features), ndarray of shape (n_kept,)
        The rows that were not trimmed, and their weights, or None.
    """

    groups: list[list]
    scores: Scores
    training_scores: np.ndarray
    X: Any
    weight: np.ndarray | None

    @property
    def densities(self) -> list:
        """The densities in one list."""
        return [density for group in self.groups for density in group]


class Fitter:
    """Fits clones of the densities of a detector.

    Parameters
    ----------
    detector : DensityOutlierDetector
        Its parameters say how.
    densities : list of estimators
        The densities, which are left as they are. Where `detector` was given none, these are the
        default ones, which see rows as `TableReading` reads them.
    rng : RandomState
        Source of randomness.
    progress : Progress
        Gets a step for each density, and one for the scores of each round.
    n_fits : int, default=1
        How often `fit` is going to be called, by which `max_time` is shared.
    """

    def __init__(self, detector, densities, rng, progress: Progress, n_fits: int = 1):
        self._detector, self._given = detector, densities
        self._has_read = False
        self.rng, self.progress = rng, progress
        n_densities = sum(
            n_copies(density, detector.n_estimators) for density in densities if can_end(density)
        )
        self.time_limit = TimeLimit(detector.max_time, n_fits * n_densities)

    def copies(self) -> list[list]:
        """Clones to fit, seeded; those of one list differ in their seeds alone."""
        detector = self._detector
        groups = [
            seeded_copies(density, detector.n_estimators, detector.random_state, self.rng)
            for density in self._given
        ]
        if detector.verbose:
            for density in (density for group in groups for density in group):
                names = names_of(density, "verbose", lambda value: not value)
                density.set_params(**dict.fromkeys(names, detector.verbose))
        return groups

    def fit(self, X, weight=None) -> Fitted:
        """Fit the densities to rows, without the strangest where rows are trimmed.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        weight : ndarray of shape (n_samples,), default=None
            Their weights, positive.

        Returns
        -------
        Fitted
            The fitted densities.
        """
        trim, names = self._detector.trim, self._detector._feature_names()
        if not trim:
            return self._fit_once(X, weight)
        with self.progress.step("trim training rows"):
            kept = rows_to_keep(X, names, trim, weight, self.rng)
        fitted = self._fit_once(_safe_indexing(X, kept), select_weights(weight, kept))
        return replace(fitted, training_scores=fitted.scores(X))

    def score(self, groups, X, weight=None, reading=None):
        """Scores by fitted densities, and those of their training rows, as one step."""
        with self.progress.step("score training rows"):
            scores = Scores(groups, STATISTICS[self._detector.statistic], reading)
            return scores, scores.fit(X, self.rng, weight)

    def train(self, groups, train) -> None:
        """Replace each density by what ``train(density)`` returns: a step each, within its time."""
        n_densities, position = sum(map(len, groups)), 0
        for group in groups:
            for k, density in enumerate(group):
                position += 1
                name = f"fit density {position} of {n_densities}, {type(density).__name__}"
                share = self.time_limit.share(density)
                with self.progress.step(name), share, errors_of_rows():
                    group[k] = train(density)

    def _fit_once(self, X, weight):
        reading = self._read(X) if self._detector.density is None else None
        groups = self.copies()
        if reading is not None:
            for density in (density for group in groups for density in group):
                # A detector need not be told of values that no density describes well.
                if hasattr(density, "_named_by"):
                    density._named_by(reading.names)
        options = {} if weight is None else {"sample_weight": weight}
        rows = X if reading is None else reading(X)
        # Frozen estimators need the second argument.
        self.train(groups, lambda density: density.fit(rows, None, **options))
        scores, of_training = self.score(groups, X, weight, reading)
        return Fitted(groups, scores, of_training, X, weight)

    def _read(self, X):
        """The reading of training rows, and the default densities for what it makes of them."""
        if _num_samples(X) < _LEAST_ROWS:
            raise InvalidDataError(
                f"the default densities need at least {_LEAST_ROWS} rows of positive weight, got "
                f"{_num_samples(X)} sample(s): give more rows."
            )
        reading = TableReading(X, self._detector._feature_names())
        if not self._has_read:
            reading.warn_of_identifiers()
        self._has_read = True
        self._given = default_densities(reading.is_level)
        return reading


def n_copies(density, n_estimators: int) -> int:
    """How often a density is fitted; without a seed, all fits would be alike."""
    return n_estimators if seed_names(density) else 1
