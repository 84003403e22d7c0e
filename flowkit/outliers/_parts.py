"""What a density can say of a row beyond its log density: scales, tree, topics, its latent."""

from __future__ import annotations

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from ..estimators._base import BaseDensity
from ..exceptions import InvalidParameterError
from ..modules import Flow

PARTS = ("levels", "tree", "topics")
_NEEDED = {"levels": "score_levels", "tree": "log_det_tree", "topics": "predict_proba"}
# At a mode, gradients are what rounding leaves of them, whose logarithm would be anything.
_LEAST_NORM = 1e-3
_EXAMPLES = {
    "levels": "RGFlowDensity",
    "tree": "FractalFlowDensity",
    "topics": "FractalFlowDensity or GaussianMixture",
}


def innermost(density):
    """The density at the end of pipelines, searches and wrappers."""
    return _unwrapped(density)[0]


def as_innermost_sees(density, X):
    """Rows as the density at the end of pipelines, searches and wrappers sees them."""
    for transformer in _unwrapped(density)[1]:
        X = transformer.transform(X)
    return X


def innermost_names(density, names) -> list[str] | None:
    """Names of the columns of rows as the innermost density sees them.

    None if a transformer tells none.

    Parameters
    ----------
    density : estimator
        Fitted.
    names : list
        Names of the columns that it is given.
    """
    for transformer in _unwrapped(density)[1]:
        # What was fitted to names takes no others.
        given = getattr(transformer, "feature_names_in_", [str(name) for name in names])
        try:
            names = transformer.get_feature_names_out(given)
        except (AttributeError, ValueError):
            return None
    return list(names)


def _unwrapped(density):
    """The density within wrappers, and the transformers on the way to it."""
    transformers = []
    while True:
        if isinstance(density, FrozenEstimator):
            density = density.estimator
        elif isinstance(density, Pipeline):
            transformers += [density[:-1]] if len(density) > 1 else []
            density = density[-1]
        elif hasattr(density, "best_estimator_"):
            density = density.best_estimator_
        elif hasattr(density, "transformer_") and hasattr(density, "density_"):
            transformers.append(density.transformer_)
            density = density.density_
        else:
            return density, transformers


def possible_rows(density, X):
    """Rows of any density; others may be beyond what comes before the density, too."""
    return np.flatnonzero(np.isfinite(density.score_samples(X)))


def require_part(density, part: str) -> None:
    """Refuse a part that a fitted density does not have.

    Raises
    ------
    InvalidParameterError
        If it does not.
    """
    if not has_part(density, part):
        raise InvalidParameterError(
            f"{part!r} needs a density with {_NEEDED[part]}, such as {_EXAMPLES[part]}; "
            f"{type(density).__name__} has none."
        )


def has_part(density, part: str) -> bool:
    """Whether a fitted density can be split in this way."""
    return hasattr(density, _NEEDED[part])


def typical_scores(density, X, part: str) -> np.ndarray:
    """What each part of the log density is on average over rows, for topics over those of each.

    Rows of no density are left out, and those with missing values, which have no split.

    Parameters
    ----------
    density : estimator
        Fitted, as `innermost` returns it.
    X : array-like of shape (n, n_features)
        Rows as it sees them.
    part : {'levels', 'tree', 'topics'}
        By scale; by node of the fractal tree, with what the prior has last; or by topic.

    Returns
    -------
    ndarray of shape (n_parts,)
        Nats.
    """
    if part != "topics":
        whole = np.flatnonzero(~np.isnan(np.asarray(X, dtype=np.float64)).any(1))
        if not whole.size:
            return np.nan
        scores = _scores(density, _safe_indexing(X, whole), part)
        return scores[np.isfinite(scores).all(1)].mean(0)
    log_density = density.score_samples(X)
    known = np.isfinite(log_density)
    # A topic that no row follows gets the mean over all.
    weights = density.predict_proba(X)[known] + np.finfo(float).tiny
    return log_density[known] @ weights / weights.sum(0)


def surprises(density, X, part: str, typical: np.ndarray) -> np.ndarray:
    """How far each part of the log density lies below what is typical.

    Parameters
    ----------
    density, X, part
        As in `typical_scores`.
    typical : ndarray of shape (n_parts,)
        What that returned.

    Returns
    -------
    ndarray of shape (n, n_parts)
        Nats; each row sums to the typical log density minus its own, the typical one of topics
        being weighted by the topics of the row. Rows of no density have infinite ones.
    """
    if part == "topics":
        proportions = density.predict_proba(X)
        shares = proportions * (typical - density.score_samples(X)[:, None])
        return np.where(proportions > 0, shares, 0.0)
    return typical - _scores(density, X, part)


def _scores(density, X, part):
    if part == "levels":
        return density.score_levels(X).scores
    shares = density.log_det_tree(X).shares
    return np.column_stack([shares, density.score_samples(X) - shares.sum(1)])


def part_names(density, X, part: str, names: list[str] | None) -> list[str]:
    """Names of the columns that `surprises` returns, ``names`` being those of the columns of X."""
    if part == "levels":
        return [f"level {level}" for level in range(density.n_levels_)]
    if part == "topics":
        return [f"topic {k}" for k in range(density.predict_proba(X[:1]).shape[1])]
    row = X[:1].fillna(0.0) if hasattr(X, "fillna") else np.nan_to_num(X[:1])
    tree = density.log_det_tree(row)
    # The first node covers all columns, in order.
    name_of = dict(zip(tree.features[0], names or tree.features[0], strict=True))
    nodes = [
        f"{kind} {level}: {', '.join(str(name_of[feature]) for feature in features)}"
        for kind, level, features in zip(tree.kinds, tree.levels, tree.features, strict=True)
    ]
    return [*nodes, "prior"]


def statistics(density, X, log_density) -> np.ndarray:
    """What a density says of each row: log density, size of latent and gradient, scales.

    Parameters
    ----------
    density, X
        As in `typical_scores`.
    log_density : ndarray of shape (n,)
        Log density of the rows.

    Returns
    -------
    ndarray of shape (n, n_statistics)
        The log density alone of densities that say no more; infinite where rows are too far off to
        be measured.
    """
    columns = [log_density]
    if isinstance(density, BaseDensity):
        with np.errstate(over="ignore"):
            columns.append(_log_size(np.linalg.norm(density.transform(X), axis=1)))
        # Others have but an estimate of their log density.
        if isinstance(density.module_, Flow):
            columns.append(_log_size(density._gradient_norm(X)))
    if has_part(density, "levels"):
        columns.append(np.nan_to_num(density.score_levels(X).scores, nan=-np.inf, neginf=-np.inf))
    return np.column_stack(columns)


def _log_size(norms):
    """Logarithm of norms, of which those that overflow are infinite."""
    return np.log(np.where(np.isnan(norms), np.inf, np.maximum(norms, _LEAST_NORM)))
