"""R9: mass of the density where no row is, or none can be."""

from __future__ import annotations

import numpy as np

from ...nested import layers
from ._base import WARNING, Check, found, not_checked, passed

_NOTABLE = 0.01
# How far beyond the least and the largest value a draw is far out, in ranges of the column.
_FAR = 0.5


class OutsideRange(Check):
    number, page = "R9", "outside_range"
    title = "Mass where no row is"
    severity = WARNING

    def look(self, evidence):
        texts = []
        lost = [share for share in map(_lost, _wrappers(evidence.estimator)) if share is not None]
        if lost and max(lost) > _NOTABLE:
            texts.append(
                f"About {max(lost):.0%} of the mass lies beyond the range of the transformer, so "
                f"that scores are about {-np.log1p(-min(max(lost), 0.999)):.2g} nats too low."
            )
        draws = evidence.draws
        if isinstance(draws, str):
            if texts or lost:
                return found(" ".join(texts)) if texts else passed("No mass is beyond the range.")
            return not_checked(draws)
        shares = [_far_out(a, b) for a, b in zip(draws.data, draws.drawn, strict=True)]
        texts += [
            f"Of the rows drawn, {share:.1%} lie far beyond the values of column {column.name}."
            for column, share in zip(draws.data, shares, strict=True)
            if share > _NOTABLE
        ]
        if texts:
            return found(" ".join(texts))
        return passed(f"At most {max(shares):.1%} of the rows drawn lie far beyond the data.")


def _wrappers(estimator):
    return [estimator, *(held.estimator for held in layers(estimator))]


def _lost(estimator):
    return estimator._lost_share() if hasattr(estimator, "_lost_share") else None


def _far_out(data, drawn) -> float:
    """Share of draws further beyond the range of the data than half its length."""
    if data.is_level or not len(data.present) or not len(drawn.present):
        return 0.0
    low, high = data.present.min(), data.present.max()
    if low == high:
        # Of a constant there is no range; another check names it.
        return 0.0
    reach = _FAR * (high - low)
    return float(((drawn.present < low - reach) | (drawn.present > high + reach)).mean())
