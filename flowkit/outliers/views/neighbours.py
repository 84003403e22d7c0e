"""Neighbours among ranks: rows far from all others once every column counts alike."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import gammaln
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from ..._seeds import check_random_state
from ._base import View
from ._levels import LevelColumns, level_mask
from ._normal_scores import NormalScores

# A tree is faster than all distances below this number of columns.
_MOST_COLUMNS_OF_A_TREE = 4
# Radius of a ball that holds repeats alone, in standard deviations.
_LEAST_RADIUS = 1e-9


class RankedNeighbors(View):
    """Density by the nearest neighbours, of rows whose columns are mapped onto normal scores.

    Ranks make heavy tails, counts and identifiers count as much as any other column. Beyond the
    range of training they go on as a logarithm, so that rows farther away stay stranger.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours, whose mean distance is the radius of a ball.
    max_rows : int, default=5000
        Most rows that are kept as neighbours; of more, so many are drawn.
    categorical_features : array-like or None, default=None
        Columns that hold codes of levels, by a mask or by their positions. Each level counts as a
        column of zeros and ones.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of this draw.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : The density relative to that of the neighbours.

    Notes
    -----
    `score_samples` is the logarithm of the share of rows in the ball by its volume. It is the
    density of the normal scores, not of X, and does not integrate to one.

    References
    ----------
    Loftsgaarden, Quesenberry, "A Nonparametric Estimate of a Multivariate Density Function", Annals
    of Mathematical Statistics 36 (1965).

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.outliers import RankedNeighbors
    >>> X = np.random.default_rng(0).lognormal(size=(200, 2))
    >>> scores = RankedNeighbors().fit(X).score_samples([[1.0, 1.0], [1.0, 1e6]])
    >>> bool(scores[0] > scores[1])
    True
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 2, None, closed="left")],
        "categorical_features": ["array-like", None],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self, *, n_neighbors=5, max_rows=5000, categorical_features=None, random_state=None
    ):
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows
        self.categorical_features = categorical_features
        self.random_state = random_state

    def _fit(self, X, weight):
        self._columns = LevelColumns(X, level_mask(self.categorical_features, X.shape[1]))
        self._normal_scores = NormalScores(self._columns(X), weight)
        kept = np.arange(len(X))
        if len(X) > self.max_rows:
            drawn = check_random_state(self.random_state).permutation(len(X))
            kept = np.sort(drawn[: self.max_rows])
        self._rows = self._normal_scores(self._columns(X[kept]))
        self._weight = np.ones(len(kept)) if weight is None else weight[kept]
        tree = self._rows.shape[1] <= _MOST_COLUMNS_OF_A_TREE
        self._search = NearestNeighbors(algorithm="kd_tree" if tree else "brute").fit(self._rows)

    def _score_without(self, X, rows):
        z = self._normal_scores(self._columns(X))
        distances, nearest = self._nearest(z, self.n_neighbors + 2)
        # A row has itself among its neighbours; a changed copy also the row that it was made from.
        own = (distances == 0) & (np.cumsum(distances == 0, axis=1) == 1)
        if rows is not X:
            distance, origin = self._nearest(self._normal_scores(self._columns(rows)), 1)
            own |= (nearest == origin) & (distance == 0)
        distances[own] = np.inf
        order = np.argsort(distances, axis=1, kind="stable")[:, : self.n_neighbors]
        distances, nearest = (np.take_along_axis(a, order, axis=1) for a in (distances, nearest))
        return self._log_density(
            distances, np.where(np.isinf(distances), 0.0, self._weight[nearest])
        )

    def _nearest(self, z, k):
        """Distances of the nearest rows kept and their positions, (n, k) each."""
        _, nearest = self._search.kneighbors(z, min(k, len(self._rows)))
        # Distances by products of matrices differ in the last bits with the rows beside.
        return np.linalg.norm(self._rows[nearest] - z[:, None], axis=2), nearest

    def _log_density(self, distances, weight):
        """Log share of weight by volume, in the ball whose radius is the mean distance."""
        d, mass = self._rows.shape[1], weight.sum(1)
        counted = np.isfinite(distances)
        radius = np.where(counted, distances, 0.0).sum(1) / np.maximum(counted.sum(1), 1)
        log_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
        log_share = np.log(mass / self._weight.sum())
        return log_share - log_ball - d * np.log(np.maximum(radius, _LEAST_RADIUS))
