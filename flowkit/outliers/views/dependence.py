"""How well the values of a row go together: a forest that tells rows from shuffled ones."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils._param_validation import Interval

from ..._seeds import check_random_state
from ._base import View
from ._normal_scores import NormalScores


class DependenceForest(View):
    """Log odds of a row against rows whose columns were shuffled, each by itself.

    A forest of scikit-learn learns to tell the two apart. Its log odds estimate the density of a
    row by the product of the densities of its columns: how well the values go together, whatever
    they are by themselves. It finds rows that break a rule.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    min_samples_leaf : int, default=5
        Fewest rows in a leaf.
    max_rows : int, default=2000
        Most rows that a tree is grown on, drawn for each, beside as many shuffled ones.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of shuffles and draws.

    Attributes
    ----------
    forest_ : RandomForestClassifier
        The fitted forest, of rows as normal scores; None for one column, which goes with all.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Trees of random splits.

    Notes
    -----
    Training rows are scored by the trees that were not grown on them. Beyond the range of training
    scores are constant.

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

    def __init__(self, *, n_estimators=100, min_samples_leaf=5, max_rows=2000, random_state=None):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit(self, X, weight):
        self.forest_ = None
        if X.shape[1] == 1:
            return
        rng = check_random_state(self.random_state)
        self._normal_scores = NormalScores(X, weight)
        z, n = self._normal_scores(X), len(X)
        shares = None if weight is None else weight / weight.sum()
        drawn = (rng.permutation(n) if shares is None else rng.choice(n, n, p=shares) for _ in z.T)
        shuffled = np.column_stack([x[order] for x, order in zip(z.T, drawn, strict=True)])
        forest = RandomForestClassifier(
            self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_samples=min(1.0, self.max_rows / n),
            random_state=rng.randint(2**31 - 1),
        )
        both, weights = np.vstack([z, shuffled]).astype(np.float32), None
        if weight is not None:
            weights = np.append(weight / weight.mean(), np.ones(n))
        self.forest_ = forest.fit(both, np.repeat([True, False], n), weights)
        self._known = dict(zip(_keys(X), self._out_of_bag(X, both[:n]), strict=True))

    def _out_of_bag(self, X, z):
        """Scores of training rows by the trees not grown on them, the same for equal rows."""
        total, count = np.zeros((2, len(z)))
        for tree, grown_on in zip(
            self.forest_.estimators_, self.forest_.estimators_samples_, strict=True
        ):
            unseen = np.setdiff1d(np.arange(len(z)), grown_on)
            total[unseen] += tree.predict_proba(z[unseen])[:, 1]
            count[unseen] += 1
        _, index = np.unique(X, axis=0, return_inverse=True)
        total, count = (np.bincount(index, a)[index] for a in (total, count))
        share = np.where(count > 0, total / np.maximum(count, 1), self._share(z))
        return self._log_odds(share)

    def _score_without(self, X, rows):
        if self.forest_ is None:
            return np.zeros(len(X))
        scores = self._log_odds(self._share(self._normal_scores(X).astype(np.float32)))
        return np.array([self._known.get(k, s) for k, s in zip(_keys(X), scores, strict=True)])

    def _share(self, z):
        return self.forest_.predict_proba(z)[:, 1]

    def _log_odds(self, share):
        """Log odds of shares of votes, finite as if half a tree more had voted for either."""
        return logit((share * self.n_estimators + 0.5) / (self.n_estimators + 1))


def _keys(X):
    """What equal rows have in common: their bytes, where zero has no sign."""
    return [row.tobytes() for row in X + 0.0]
