"""Neighbours among ranks: rows far from all others once every column counts alike."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import gammaln
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from ..._seeds import check_random_state
from .._rows import reference_positions
from ._base import LeaveOneOutView
from ._levels import LevelColumns, level_mask
from ._normal_scores import NormalScores

# A tree is faster than all distances below this number of columns.
_MOST_COLUMNS_OF_A_TREE = 4
# Radius of a ball that holds repeats alone, in standard deviations.
LEAST_RADIUS = 1e-9


class RankedNeighbors(LeaveOneOutView):
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
        rng = check_random_state(self.random_state)
        kept = np.sort(reference_positions(len(X), rng, weight, self.max_rows))
        self._rows = self._normal_scores(self._columns(X[kept]))
        tree = self._rows.shape[1] <= _MOST_COLUMNS_OF_A_TREE
        self._search = NearestNeighbors(algorithm="kd_tree" if tree else "brute").fit(self._rows)

    def _score_without(self, X, rows):
        z = self._normal_scores(self._columns(X))
        n_left_out = 1 if rows is X else 2
        n_found = min(self.n_neighbors + n_left_out, len(self._rows))
        nearest = self._search.kneighbors(z, n_found, return_distance=False)
        # Distances by products of matrices differ in the last bits with the rows beside.
        columns = zip(self._rows.T, z.T, strict=True)
        distances = np.sqrt(sum((kept[nearest] - one[:, None]) ** 2 for kept, one in columns))
        own = _first(distances == 0)
        if rows is not X:
            # A changed copy also has the row that it was made from among its neighbours.
            origin = self._normal_scores(self._columns(rows))
            is_changed = (z != origin).any(1, keepdims=True)
            own |= _first((self._rows[nearest] == origin[:, None]).all(2)) & is_changed
        distances[own] = np.inf
        return self._log_density(np.sort(distances, axis=1)[:, : self.n_neighbors])

    def _log_density(self, distances):
        """Log share of rows by volume, in the ball whose radius is the mean distance."""
        d, found = self._rows.shape[1], np.isfinite(distances)
        counted = np.maximum(found.sum(1), 1)
        radius = np.where(found, distances, 0.0).sum(1) / counted
        log_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
        log_share = np.log(counted / len(self._rows))
        return log_share - log_ball - d * np.log(np.maximum(radius, LEAST_RADIUS))


def _first(flags):
    """The first that is set in each row of flags, (n, k)."""
    return flags & (np.cumsum(flags, axis=1) == 1)
