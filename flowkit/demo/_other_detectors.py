"""What other detectors say of orders, made ready for them by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .._optional import require

_SEED = 0
_IDENTIFIERS = ["order", "note"]


def scores_of_others(train: Any, test: Any) -> dict[str, np.ndarray]:
    """What other detectors say, the lower the stranger, of tables made ready by hand."""
    train, test = (_in_days(frame.drop(columns=_IDENTIFIERS)) for frame in (train, test))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (levels, make_column_selector(dtype_exclude="number")),
    )
    train, test = encoder.fit_transform(train), encoder.transform(test)
    distances, _ = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)
    return {
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True).fit(train).score_samples(test),
        "5 nearest neighbours": -distances[:, -1],
        "IsolationForest": IsolationForest(random_state=_SEED).fit(train).score_samples(test),
    }


def _in_days(frame: Any) -> Any:
    timestamp = require("pandas", "the demo").Timestamp
    return frame.assign(day=(frame["day"] - timestamp(0)).dt.days)
