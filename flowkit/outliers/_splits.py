"""Ways to split the log density of a row into parts: a class each, by name in `SPLITS`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from sklearn.utils import _safe_indexing

from ..nested import log_density_of
from ._requirements import SCALES, Requirement


class Split(ABC):
    """One way to split the log density of a row.

    Subclasses set the attributes of the class and implement all that is abstract. Densities are
    given fitted and without wrappers, rows as these densities see them.

    Attributes
    ----------
    name : str
        Value of the parameter `by` of `explain`.
    requirement : Requirement
        What a density must have for this.
    """

    name: ClassVar[str]
    requirement: ClassVar[Requirement]

    @abstractmethod
    def typical(self, density, X) -> np.ndarray:
        """Typical log density of each part, over rows of positive density.

        Parameters
        ----------
        density : estimator
            The density.
        X : array-like or DataFrame of shape (n, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_parts,)
            Nats.
        """

    @abstractmethod
    def surprises(self, density, X, typical) -> np.ndarray:
        """How far each part of the log density of a row lies below the typical one.

        Parameters
        ----------
        density : estimator
            The density.
        X : array-like or DataFrame of shape (n, n_features)
            Rows.
        typical : ndarray of shape (n_parts,)
            What `typical` returned.

        Returns
        -------
        ndarray of shape (n, n_parts)
            Nats; each row sums to the typical log density minus its own.
        """

    @abstractmethod
    def names(self, density, X, columns) -> list[str]:
        """Names of the parts.

        Parameters
        ----------
        density : estimator
            The density.
        X : array-like or DataFrame of shape (n, n_features)
            Rows, at least one.
        columns : list of str or None
            Names of the columns of X, where they have some.

        Returns
        -------
        list of str
            One for each part.
        """


class _Terms(Split):
    """A split into terms, each a number of its own. Subclasses implement `_terms`."""

    @abstractmethod
    def _terms(self, density, X):
        """Terms of the log density of each row, shape (n, n_parts)."""

    def typical(self, density, X):
        # Incomplete rows cannot be split.
        whole = np.flatnonzero(~np.isnan(np.asarray(X, dtype=np.float64)).any(1))
        if not whole.size:
            return np.nan
        terms = self._terms(density, _safe_indexing(X, whole))
        return terms[np.isfinite(terms).all(1)].mean(0)

    def surprises(self, density, X, typical):
        return typical - self._terms(density, X)


class LevelsSplit(_Terms):
    """By scale."""

    name = "levels"
    requirement = SCALES

    def _terms(self, density, X):
        return density.score_levels(X).scores

    def names(self, density, X, columns):
        return [f"level {level}" for level in range(density.n_levels_)]


class TreeSplit(_Terms):
    """By node of the fractal tree; the last part is the log density of the prior."""

    name = "tree"
    requirement = Requirement("log_det_tree", "FractalFlowDensity")

    def _terms(self, density, X):
        shares = density.log_det_tree(X).shares
        return np.column_stack([shares, density.score_samples(X) - shares.sum(1)])

    def names(self, density, X, columns):
        row = X[:1].fillna(0.0) if hasattr(X, "fillna") else np.nan_to_num(X[:1])
        tree = density.log_det_tree(row)
        # The first node covers all columns, in order.
        name_of = dict(zip(tree.features[0], columns or tree.features[0], strict=True))
        nodes = [
            f"{kind} {level}: {', '.join(str(name_of[feature]) for feature in features)}"
            for kind, level, features in zip(tree.kinds, tree.levels, tree.features, strict=True)
        ]
        return [*nodes, "prior"]


class TopicsSplit(Split):
    """By topic, or component of a mixture, in proportion to its probability given the row.

    The typical log density of a row is that of its topics, in the same proportion.
    """

    name = "topics"
    requirement = Requirement("predict_proba", "FractalFlowDensity or GaussianMixture")

    def typical(self, density, X):
        log_density = log_density_of(density, X)
        known = np.isfinite(log_density)
        # A topic that no row follows gets the mean over all rows.
        weights = density.predict_proba(X)[known] + np.finfo(float).tiny
        return log_density[known] @ weights / weights.sum(0)

    def surprises(self, density, X, typical):
        proportions = density.predict_proba(X)
        shares = proportions * (typical - log_density_of(density, X)[:, None])
        return np.where(proportions > 0, shares, 0.0)

    def names(self, density, X, columns):
        return [f"topic {k}" for k in range(density.predict_proba(X[:1]).shape[1])]


SPLITS: dict[str, Split] = {
    split.name: split for split in (LevelsSplit(), TreeSplit(), TopicsSplit())
}
