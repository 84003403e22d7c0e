"""R4: rows do not come back from the latent."""

from __future__ import annotations

import numpy as np
from sklearn.utils import _safe_indexing

from ...nested import can_be_drawn_from, draw_from, find
from ...validation import container_of
from ._base import SERIOUS, Check, found, not_checked, passed

_MOST_ROWS = 500
# Largest error, in standard deviations of its column.
_ALLOWED = 1e-3


class RoundTrip(Check):
    number, page = "R4", "round_trip"
    title = "Rows do not come back from the latent"
    severity = SERIOUS

    def look(self, evidence):
        inside = find(evidence.estimator, "inverse_transform")
        flow = inside.estimator
        if not (hasattr(flow, "transform") and hasattr(flow, "inverse_transform")):
            return not_checked(f"{type(flow).__name__} has no latent")
        rows = _rows(evidence, inside)
        if rows is None or len(rows) < 2:
            return not_checked("there are no complete rows that it sees")
        latent = np.asarray(flow.transform(rows))
        if latent.shape != rows.shape:
            return not_checked(f"{type(flow).__name__} has fewer latent columns than columns")
        again = np.asarray(flow.inverse_transform(latent), dtype=np.float64)
        spread = rows.std(0)
        error = np.abs(again - rows).max(0) / np.where(spread > 0, spread, 1.0)
        worst = float(error.max()) if np.isfinite(error).all() else np.inf
        told = (
            f"From {len(rows)} rows to the latent and back, the largest error is {worst:.1e} "
            "standard deviations of its column."
        )
        if worst > _ALLOWED:
            return found(
                f"{told} The map is not invertible there, and scores are not to be trusted."
            )
        return passed(told)


def _rows(evidence, inside):
    """Complete rows of real numbers as the flow sees them: its own draws within a table."""
    if inside.barrier is not None:
        flow = inside.estimator
        return draw_from(flow, _MOST_ROWS, evidence.seed) if can_be_drawn_from(flow) else None
    complete = np.flatnonzero(~container_of(evidence.X).missing().any(1))[:_MOST_ROWS]
    if not len(complete):
        return None
    seen = inside.transform(_safe_indexing(evidence.X, complete))
    return np.asarray(seen, dtype=np.float64)
