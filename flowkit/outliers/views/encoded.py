"""Any density of numbers for rows with levels."""

from __future__ import annotations

from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods

from ...nested import Held, log_density_of, score_copies
from ...validation import labels_of, refuse_wide, tell_labels
from ._base import View
from ._levels import LevelColumns, level_mask


class LevelsAsColumns(View):
    """A density of numbers that sees levels as columns of zeros and ones.

    The twenty most frequent levels of a column have one each, all others share one.

    Parameters
    ----------
    density : estimator with ``score_samples``
        The density; cloned.
    categorical_features : array-like or None, default=None
        Columns that hold codes of levels, by a mask or by their positions.

    Attributes
    ----------
    density_ : estimator
        The fitted density.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    Notes
    -----
    `score_samples` is the log density of columns of numbers and of zeros and ones, which is good
    for comparing rows alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit.outliers import LevelsAsColumns
    >>> X = np.column_stack([np.arange(100.0), np.arange(100) % 3])
    >>> density = LevelsAsColumns(KernelDensity(), categorical_features=[1]).fit(X)
    >>> bool(np.diff(density.score_samples([[50.0, 7.0], [50.0, 2.0]]))[0] > 0)
    True
    """

    _parameter_constraints: dict = {
        "density": [HasMethods(["fit", "score_samples"])],
        "categorical_features": ["array-like", None],
    }

    def __init__(self, density, *, categorical_features=None):
        self.density = density
        self.categorical_features = categorical_features

    def _named_by(self, labels):
        """Take names for columns from a table around."""
        tell_labels(self, labels)

    def _fit(self, X, weight):
        self._columns = LevelColumns(X, level_mask(self.categorical_features, X.shape[1]))
        options = {} if weight is None else {"sample_weight": weight}
        encoded, self.density_ = self._columns(X), clone(self.density)
        labels = labels_of(self)
        if labels is None:
            labels = [f"x{j}" for j in range(X.shape[1])]
        if hasattr(self.density_, "_named_by"):
            self.density_._named_by(self._columns.names(labels))
        refuse_wide(encoded, self._columns.names(labels))
        self.density_.fit(encoded, **options)

    def score_samples(self, X):
        """Log density of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of finite numbers.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats, of the columns that the density sees.
        """
        return log_density_of(self.density_, self._columns(self._read(X)))

    def _score_copies(self, copies, rows, n_draws=None):
        copies, rows = (self._columns(self._read(X)) for X in (copies, rows))
        return score_copies(self.density_, copies, rows, n_draws)

    def _held(self):
        if not hasattr(self, "density_"):
            return Held(self.density, transformers=None, log_density="other")
        return Held(self.density_, transformers=None, log_density="other")
