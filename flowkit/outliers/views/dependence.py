"""How well the values of a row go together: a forest that tells rows from shuffled ones."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import logit
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import Interval

from ..._seeds import check_random_state, draw_seed
from ._base import LeaveOneOutView
from ._normal_scores import NormalScores


class DependenceForest(LeaveOneOutView):
    """Log odds of a row against rows whose columns were shuffled, each by itself.

    Trees of scikit-learn learn to tell the two apart. Their log odds estimate the density of a row
    by the product of the densities of its columns: how well the values go together, whatever they
    are by themselves. This finds rows that break a rule.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    min_samples_leaf : int, default=5
        Fewest rows in a leaf.
    max_rows : int, default=2000
        Most rows that a tree is grown on, drawn for each, beside as many that their shuffled
        columns make.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of shuffles and draws.

    Attributes
    ----------
    estimators_ : list of DecisionTreeClassifier
        The trees, of rows as normal scores; none for one column, which goes with all.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Trees of random splits.

    Notes
    -----
    Training rows are scored by the trees that were not grown on them, nor on rows made of their
    values. Beyond the range of training scores are constant.

    References
    ----------
    Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2nd edition, Springer
    2009, section 14.2.4. Shi, Horvath, "Unsupervised Learning with Random Forest Predictors",
    Journal of Computational and Graphical Statistics 15 (2006).

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.outliers import DependenceForest
    >>> x = np.random.default_rng(0).normal(size=500)
    >>> forest = DependenceForest(random_state=0).fit(np.column_stack([x, x]))
    >>> bool(np.diff(forest.score_samples([[1.0, -1.0], [1.0, 1.0]]))[0] > 0)
    True
    """

    _parameter_constraints: dict = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state", np.random.Generator],
    }

    # What turns places into keys; files of older versions have keys of the bits of rows.
    _factors = None

    def __init__(self, *, n_estimators=100, min_samples_leaf=5, max_rows=2000, random_state=None):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit(self, X, weight):
        self.estimators_ = []
        if X.shape[1] == 1:
            return
        if weight is not None and np.ptp(weight) == 0:
            weight = None
        rng = check_random_state(self.random_state)
        self._normal_scores = NormalScores(X, weight)
        z, n = self._normal_scores(X).astype(np.float32), len(X)
        shares = None if weight is None else weight / weight.sum()
        places = self._normal_scores.places(X)
        self._factors = _factors(places)
        self._keys, index = np.unique(self._keys_of(places), return_inverse=True)
        votes, n_trees = np.zeros((2, len(self._keys)))
        for _ in range(self.n_estimators):
            drawn = rng.choice(n, min(n, self.max_rows), p=shares)
            tree = self._grow(z[drawn], rng)
            self.estimators_.append(tree)
            is_unseen = np.ones(n, dtype=bool)
            is_unseen[drawn] = False
            unseen = index[is_unseen]
            votes += np.bincount(unseen, _vote(tree, z[is_unseen]), len(votes))
            n_trees += np.bincount(unseen, minlength=len(votes))
        # Rows that all trees were grown on have no other score than that of the forest.
        left = n_trees == 0
        first = np.unique(index, return_index=True)[1]
        votes[left], n_trees[left] = self._share(z[first[left]]), 1
        self._known = self._log_odds(votes / n_trees)

    def _grow(self, z, rng):
        """A tree that tells rows from those that the shuffled columns of the same rows make."""
        shuffled = np.column_stack([rng.permutation(x) for x in z.T])
        tree = DecisionTreeClassifier(
            min_samples_leaf=self.min_samples_leaf,
            max_features="sqrt",
            random_state=draw_seed(rng),
        )
        return tree.fit(np.vstack([z, shuffled]), np.repeat([True, False], len(z)))

    def _score_without(self, X, rows):
        if not self.estimators_:
            return np.zeros(len(X))
        # Trees hardly follow single rows: all of them score the changed copy of a row.
        scores = self._log_odds(self._share(self._normal_scores(X).astype(np.float32)))
        if self._factors is None:
            keys = _mixed_bits(X)
        else:
            keys = self._keys_of(self._normal_scores.places(X))
        place = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._known[place], scores)

    def _keys_of(self, places):
        """A number for each row of values of training, which equal rows share; NaN for others."""
        return np.where((places < 0).any(1), np.nan, places @ self._factors)

    def _share(self, z):
        return sum(_vote(tree, z) for tree in self.estimators_) / self.n_estimators

    def _log_odds(self, share):
        """Log odds of shares of votes, finite as if half a tree more had voted for either."""
        return logit((share * self.n_estimators + 0.5) / (self.n_estimators + 1))


def _vote(tree, z):
    """Shares of rows among all that lie in the leaves of z, (n,)."""
    return tree.tree_.value[tree.tree_.apply(z), 0, 1]


def _mixed_bits(X):
    """A number for each row, which equal rows share: its bits, mixed as in SplitMix64."""
    keys = np.zeros(len(X), dtype=np.uint64)
    # Zero has no sign.
    for bits in (X.T + 0.0).view(np.uint64):
        keys = (keys ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
        keys ^= keys >> np.uint64(31)
    return keys


def _factors(places):
    """Whole numbers at random, one a column: sums of places times these are exact."""
    largest = 2**53 // (int(places.max(0).sum()) + 1)
    return np.random.default_rng(0).integers(1, largest, size=places.shape[1]).astype(np.float64)
