"""The strangest rows, and why they are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing

from ..exceptions import FlowkitError, InvalidParameterError
from ..outliers import DensityOutlierDetector, Reasons
from ..validation import container_of

# Nats: what is less is no reason.
_LEAST_EFFECT = 0.1
NO_REASON = "no single column makes it strange"


@dataclass(frozen=True, eq=False)
class StrangeRows:
    """Rows of the lowest scores.

    Parameters
    ----------
    positions : ndarray of int of shape (n_rows,)
        Where they are in the table, the strangest first.
    labels : list
        What they are called.
    scores : ndarray of shape (n_rows,)
        Their scores.
    shares : ndarray of shape (n_rows,)
        Share of all rows that are at least as strange.
    reasons : Reasons
        The columns that make them strange.
    levels : list of (str, ndarray of shape (n_rows,))
        Scales of images that make them strange, with their effects in nats; empty for most.
    """

    positions: np.ndarray
    labels: list
    scores: np.ndarray
    shares: np.ndarray
    reasons: Reasons
    levels: list

    @property
    def lines(self) -> list[list[str]]:
        """The reasons in words, without those that hardly are any."""
        return told_reasons(self.reasons)

    def described(self) -> list[dict]:
        """The rows, as plain values."""
        told = zip(self.labels, self.scores, self.shares, self.lines, strict=True)
        return [
            {"row": label, "score": float(score), "share": float(share), "reasons": lines}
            for label, score, share, lines in told
        ]


def told_reasons(reasons: Reasons) -> list[list[str]]:
    """Reasons in words, without those that hardly are any; at least one line a row.

    Parameters
    ----------
    reasons : Reasons
        Of some rows.
    """
    return [lines or [NO_REASON] for lines in reasons.lines(least=_LEAST_EFFECT)]


def strange_rows(
    estimator, X, scores, n_rows: int, seed: int, bounds: Mapping | None = None
) -> StrangeRows | str:
    """The rows of the lowest scores, with reasons.

    Parameters
    ----------
    estimator : estimator
        Fitted: a detector, or a density, around which one is put.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        The table.
    scores : ndarray of shape (n_samples,)
        Scores of its rows.
    n_rows : int
        How many rows.
    seed : int
        Source of randomness.
    bounds : mapping of str to (float, float), default=None
        Between which typical values of columns lie, which a detector may not know.

    Returns
    -------
    StrangeRows or str
        The rows, or why there are no reasons for them.
    """
    positions = np.argsort(scores, kind="stable")[:n_rows]
    rows = _safe_indexing(X, positions)
    with warnings.catch_warnings():
        # What the fit of a detector warns of was said by the fit of the density.
        warnings.simplefilter("ignore")
        try:
            detector = estimator
            if not hasattr(estimator, "reasons"):
                detector = DensityOutlierDetector(FrozenEstimator(estimator), random_state=seed)
                detector.fit(X)
            reasons = _within(detector.reasons(rows), bounds or {})
        except (FlowkitError, NotImplementedError) as error:
            return str(error).rstrip(".")
    labels = container_of(X).row_labels
    shares = np.searchsorted(np.sort(scores), scores[positions], side="right") / len(scores)
    return StrangeRows(
        *(positions, [_plain(labels[i]) for i in positions], scores[positions], shares, reasons),
        _levels(detector, rows),
    )


def _within(reasons, bounds):
    """Reasons whose typical values lie within the bounds of their columns."""
    within = {name: getattr(reasons, name).copy() for name in ("typical", "low", "high")}
    names = reasons.columns.astype(str)
    for column, (low, high) in bounds.items():
        for place in zip(*np.nonzero(names == column), strict=True):
            for values in within.values():
                values[place] = _clipped(values[place], low, high)
    return replace(reasons, **within)


def _clipped(value, low, high):
    """The nearest number between two, of its own type where that holds it; others as they are."""
    if not isinstance(value, Real) or isinstance(value, bool) or low <= value <= high:
        return value
    end = np.clip(value, low, high)
    own = value if np.isnan(end) else type(value)(end)
    return own if own == end or np.isnan(end) else float(end)


def _levels(detector, rows):
    """Effects of scales, of densities that have such."""
    try:
        names = detector.get_part_names("levels")
        effects = np.asarray(detector.explain(rows, by="levels"))
    except InvalidParameterError:
        return []
    return [(str(name), effects[:, j]) for j, name in enumerate(names)]


def _plain(label):
    return label.item() if isinstance(label, np.generic) else label
