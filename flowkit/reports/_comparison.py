"""The log density of rows that no density was fitted to, beside that of classical densities."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from ..nested import layers
from ..validation import container_of
from ._classical import MOST_KERNELS, classical_densities, with_density

OURS = "this density"
_HELD_OUT = 0.2
_MOST_HELD_OUT = 1000
_FEWEST_TRAINING, _FEWEST_HELD_OUT = 20, 5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Log densities of held-out rows.

    Parameters
    ----------
    scores : dict of ndarray of shape (n_test,)
        Log densities of the rows held out, by density; `OURS` comes first.
    training_scores : ndarray of shape (n_training,)
        Those of the rows that it was fitted to, by the density in question.
    refused : dict of str
        Why a classical density was not fitted, by its name.
    was_refitted : bool
        Whether the density in question is a copy that was fitted to a part of the rows.
    """

    scores: dict[str, np.ndarray]
    training_scores: np.ndarray
    refused: dict[str, str]
    was_refitted: bool

    @property
    def n_test(self) -> int:
        """Number of rows held out."""
        return len(self.scores[OURS])

    @property
    def best_other(self) -> str | None:
        """The classical density of the highest mean."""
        others = {name: s.mean() for name, s in self.scores.items() if name != OURS}
        return max(others, key=others.get) if others else None

    def gain(self, other: str) -> tuple[float, float]:
        """Mean gain over another density in nats a row, and its standard error."""
        ours, theirs = self.scores[OURS], self.scores[other]
        both = np.isfinite(ours) & np.isfinite(theirs)
        if not both.any():
            return np.nan, np.nan
        difference = ours[both] - theirs[both]
        return float(difference.mean()), standard_error(difference)

    def described(self) -> dict:
        """Means and errors, as plain values."""
        rows = {
            name: {
                "mean": float(s[np.isfinite(s)].mean()) if np.isfinite(s).any() else float("nan"),
                "standard_error": standard_error(s[np.isfinite(s)]),
                "impossible_rows": int(np.isneginf(s).sum()),
            }
            for name, s in self.scores.items()
        }
        for name in rows:
            if name != OURS:
                gain, error = self.gain(name)
                rows[name] |= {"gain_of_this_density": gain, "error_of_gain": error}
        return {
            "held_out_rows": self.n_test,
            "training_rows": len(self.training_scores),
            "refitted": self.was_refitted,
            "densities": rows,
            "not_fitted": self.refused,
        }


def compare(estimator, X, X_test, seed: int) -> Comparison | str:
    """Compare a density with classical ones on rows that none was fitted to.

    Parameters
    ----------
    estimator : estimator
        Fitted to X.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows.
    X_test : ndarray, DataFrame or None
        Rows held out; None holds out a fifth of X and fits a copy to the others.
    seed : int
        Source of randomness.

    Returns
    -------
    Comparison or str
        The comparison, or why there is none.
    """
    n = container_of(X).shape[0]
    refits = X_test is None
    train, model = X, estimator
    if refits:
        if any(clone(one) is one for one in (estimator, *(h.estimator for h in layers(estimator)))):
            return "a frozen estimator is not fitted again, so that X_test is needed"
        order = np.random.RandomState(seed).permutation(n)
        n_test = min(round(_HELD_OUT * n), _MOST_HELD_OUT)
        if n - n_test < _FEWEST_TRAINING or n_test < _FEWEST_HELD_OUT:
            return f"{n} rows are too few to hold some out"
        test, train = (_safe_indexing(X, np.sort(i)) for i in (order[:n_test], order[n_test:]))
        model = clone(estimator)
        if "random_state" in model.get_params() and model.random_state is None:
            model.set_params(random_state=seed)
        with warnings.catch_warnings():
            # The fit of the density itself gave the same warnings.
            warnings.simplefilter("ignore")
            model.fit(train)
    else:
        test = X_test
    # Densities of complete rows cannot score others, and all are compared on the same ones.
    complete, kept = _complete(train), _complete(test)
    scores = {OURS: np.asarray(model.score_samples(kept), dtype=np.float64)}
    if len(scores[OURS]) < _FEWEST_HELD_OUT:
        return "hardly any row that is held out is complete"
    refused = _score_others(estimator, complete, kept, seed, scores)
    return Comparison(scores, np.asarray(model.score_samples(train)), refused, refits)


def _complete(X):
    return _safe_indexing(X, np.flatnonzero(~container_of(X).missing().any(1)))


def _score_others(estimator, train, test, seed, scores):
    """Add scores of classical densities, and return why some have none."""
    n, n_features = container_of(train).shape
    refused = {}
    chosen = np.sort(np.random.RandomState(seed).permutation(n)[:MOST_KERNELS])
    for name, density in classical_densities(n, n_features, seed).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                other = with_density(estimator, density).fit(_safe_indexing(train, chosen))
                scores[name] = np.asarray(other.score_samples(test), dtype=np.float64)
            except ValueError as error:
                refused[name] = " ".join(str(error).split())
    return refused


def standard_error(values) -> float:
    """Standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
