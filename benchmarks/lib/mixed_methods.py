"""Detectors of tables with text, dates and missing values, and what people do by hand before.

Builders make a detector of a seed, a budget in CPU seconds and the names of the columns that say
nothing of rows; ``fit`` and ``score_samples`` take DataFrames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .methods import DEFAULT_DETECTOR, DETECTORS, Builder, detector

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MixedBuilder = Callable[[int, float, tuple[str, ...]], Any]


class ByHand:
    """A detector behind what its user does by hand: drops identifiers, turns dates into days.

    Parameters
    ----------
    detector : estimator
        Not fitted.
    identifiers : tuple of str
        Columns to drop.
    encodes : bool
        Whether text becomes a column of zeros and ones for each level, and numbers are
        standardised, with the median in place of those that are missing.
    """

    def __init__(self, detector: Any, identifiers: tuple[str, ...], encodes: bool):
        self.detector, self.identifiers, self.encodes = detector, identifiers, encodes

    def fit(self, X: pd.DataFrame) -> ByHand:
        X = self._prepared(X)
        if self.encodes:
            self.encoder = self._new_encoder()
            X = self.encoder.fit_transform(X)
        self.detector.fit(X)
        return self

    def score_samples(self, X: pd.DataFrame) -> np.ndarray:
        X = self._prepared(X)
        return self.detector.score_samples(self.encoder.transform(X) if self.encodes else X)

    def _prepared(self, X: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        X = X.drop(columns=list(self.identifiers))
        for column in X.select_dtypes("datetime"):
            X[column] = (X[column] - pd.Timestamp(0)) / pd.Timedelta(days=1)
        return X

    def _new_encoder(self) -> Any:
        from sklearn.compose import make_column_selector, make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (levels, make_column_selector(dtype_exclude="number")),
        )


def by_hand(build: Builder, encodes: bool = True) -> MixedBuilder:
    """Builder of a detector behind what its user does by hand."""
    return lambda seed, budget, identifiers: ByHand(build(seed, budget), identifiers, encodes)


def of_table_density(seed: int, budget: float) -> Any:
    """Our detector of one flow, whose columns `TableDensity` reads; the budget is wall time."""
    from flowkit import FlowDensity, TableDensity

    limit = budget if math.isfinite(budget) else None
    table = TableDensity(FlowDensity(missing="marginalize", device="cpu"))
    return detector(table, max_time=limit)(seed, budget)


TABLE_DENSITY = "TableDensity(FlowDensity)"
MIXED_DETECTORS: dict[str, MixedBuilder] = {
    DEFAULT_DETECTOR: lambda seed, budget, identifiers: DETECTORS[DEFAULT_DETECTOR](seed, budget),
    TABLE_DENSITY: by_hand(of_table_density, encodes=False),
    **{
        f"one-hot, {name}": by_hand(DETECTORS[name])
        for name in (DEFAULT_DETECTOR, "LOF", "IsolationForest", "kNN")
    },
}
# Methods that heed the budget.
BUDGETED = (TABLE_DENSITY,)
