"""What estimators share that are densities, or hold one of any kind."""

from __future__ import annotations

import copy
from inspect import signature
from numbers import Integral

import numpy as np
from sklearn.base import DensityMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils.validation import _check_sample_weight, has_fit_parameter

from .._seeds import check_random_state
from ..exceptions import InvalidDataError, InvalidParameterError

_MAX_SEED = np.iinfo(np.int32).max


class MeanScoreMixin(DensityMixin):
    """A density whose score is the mean of its `score_samples`."""

    def score(self, X, y=None, sample_weight=None):
        """Mean log density of the rows, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            Mean of `score_samples`. (`sklearn.neighbors.KernelDensity` returns the sum.)
        """
        scores = self.score_samples(X)
        if sample_weight is None:
            return float(scores.mean())
        weight = _check_sample_weight(
            sample_weight, scores, dtype=np.float64, ensure_non_negative=True
        )
        kept = weight > 0
        if not kept.any():
            raise InvalidDataError("sample_weight is zero for all rows, so there is no mean.")
        return float(np.average(scores[kept], weights=weight[kept]))


def draw_from(density, n: int, rng: np.random.RandomState, dtype=np.float64) -> np.ndarray:
    """Draws of any density: some take a source of randomness, some hold one.

    Parameters
    ----------
    density : estimator
        Fitted, as `can_be_drawn_from`.
    n : int
        Number of draws.
    rng : RandomState
        Source of randomness.
    dtype : type, default=np.float64
        Type of the draws; ``object`` where some values are no numbers.

    Returns
    -------
    ndarray of shape (n, n_features)
        The draws.
    """
    density = _sampled(density)
    if "random_state" in signature(density.sample).parameters:
        rows = density.sample(n, random_state=rng)
    else:
        # Of a copy, which alone gets another seed.
        density = copy.copy(density)
        density.random_state = rng
        rows = density.sample(n)
    # Mixtures return the components as well.
    return np.asarray(rows[0] if isinstance(rows, tuple) else rows, dtype=dtype)


def can_be_drawn_from(density) -> bool:
    """Whether a density, or what it stands for, has `sample`."""
    return hasattr(_sampled(density), "sample")


def _sampled(density):
    """The density that frozen estimators and searches stand for."""
    while True:
        if isinstance(density, FrozenEstimator):
            density = density.estimator
        elif isinstance(density, BaseSearchCV):
            density = getattr(density, "best_estimator_", density.estimator)
        else:
            return density


def check_n_samples(n_samples) -> int:
    """Number of rows to draw.

    Raises
    ------
    InvalidDataError
        If it is not an int of at least 1.
    """
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise InvalidDataError(f"n_samples must be an int of at least 1, got {n_samples!r}.")
    return int(n_samples)


def require_weights(density) -> None:
    """Refuse weights for a density that takes none.

    Raises
    ------
    InvalidParameterError
        If its `fit` has no ``sample_weight``.
    """
    if not has_fit_parameter(density, "sample_weight"):
        raise InvalidParameterError(
            f"{type(density).__name__} takes no sample_weight. Fit without it, or use a density "
            "that takes it."
        )


def seeded_copies(density, n_copies: int, random_state, rng: np.random.RandomState) -> list:
    """Clones of a nested density, seeded as in the ensembles of scikit-learn.

    Parameters
    ----------
    density : estimator
        What to clone; left as it is.
    n_copies : int
        Number of clones. There is one of a density without a seed: all would be alike.
    random_state : int, RandomState instance, Generator or None
        Parameter of the estimator that holds the density. Unless it is None, each `random_state`
        within the density is set from `rng`. None leaves them to the first clone, and gives the
        others seeds that are drawn from them.
    rng : RandomState
        Source of randomness made of `random_state`.

    Returns
    -------
    list of estimators
        The clones.
    """
    parameters = density.get_params()
    own = {name: parameters[name] for name in seed_names(density)}
    copies = [clone(density) for _ in range(n_copies if own else 1)]
    if random_state is not None:
        sources, seeded = dict.fromkeys(own, rng), copies
    else:
        # What a user gave does not move on.
        sources = {name: check_random_state(copy.deepcopy(seed)) for name, seed in own.items()}
        seeded = copies[1:]
    for one in seeded:
        one.set_params(**{name: sources[name].randint(_MAX_SEED) for name in own})
    return copies


def seed_names(density) -> list[str]:
    """Names of the parameters of an estimator that hold a source of randomness, nested ones too.

    Raises
    ------
    InvalidParameterError
        If it is a class.
    """
    if isinstance(density, type):
        raise InvalidParameterError(
            f"density is the class {density.__name__}: give an instance, {density.__name__}()."
        )
    return sorted(name for name in density.get_params() if name.split("__")[-1] == "random_state")
