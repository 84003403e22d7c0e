"""All that a report measures of an estimator and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import is_outlier_detector

from ..exceptions import InvalidParameterError
from ..inspection import describe_topics
from ..validation import container_of
from ._columns import Column, read_columns
from ._comparison import Comparison, compare
from ._draws import Draws, draw
from ._images import image_shape_of
from ._strange import StrangeRows, strange_rows
from ._training import Training, training_of

_MOST_DRAWS = 2000
_FEWEST_DRAWS = 200


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of an estimator and its rows.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Its rows.
    X_test : ndarray, DataFrame or None
        Rows that it was not fitted to.
    refit : bool
        Whether a copy may be fitted to a part of X.
    detector : estimator or None
        What tells the strangest rows in place of the estimator.
    n_strange : int
        How many of the strangest rows are told.
    seed : int
        Source of randomness.
    """

    estimator: Any
    X: Any
    X_test: Any
    refit: bool
    detector: Any
    n_strange: int
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return container_of(self.X).shape

    @property
    def is_detector(self) -> bool:
        """Whether scores are those of a detector, not log densities."""
        return is_outlier_detector(self.estimator)

    @cached_property
    def columns(self) -> list[Column]:
        """The columns of X."""
        return read_columns(self.X, self.estimator)

    @cached_property
    def scores(self) -> np.ndarray:
        """Scores of the rows of X."""
        return np.asarray(self.estimator.score_samples(self.X), dtype=np.float64)

    @property
    def judge(self):
        """What tells the strangest rows."""
        return self.estimator if self.detector is None else self.detector

    @cached_property
    def judged(self) -> np.ndarray:
        """Its scores of the rows of X."""
        if self.detector is None:
            return self.scores
        return np.asarray(self.detector.score_samples(self.X), dtype=np.float64)

    @property
    def judged_by(self) -> str:
        """What these scores are, and their unit."""
        if hasattr(self.judge, "_score_label"):
            return self.judge._score_label()
        return "score" if is_outlier_detector(self.judge) else "log density (nats)"

    @cached_property
    def training(self) -> Training | None:
        """How the estimator was trained, None where that went by no epochs."""
        return training_of(self.estimator)

    @cached_property
    def comparison(self) -> Comparison | str:
        """Log densities of held-out rows, or why there are none."""
        if self.is_detector:
            return "scores of a detector are no log densities"
        if self.X_test is None and not self.refit:
            return "no rows were held out, as refit=False was set without X_test"
        return compare(self.estimator, self.X, self.X_test, self.seed)

    @cached_property
    def draws(self) -> Draws | str:
        """Rows drawn from the estimator, or why there are none."""
        n = int(np.clip(self.shape[0], _FEWEST_DRAWS, _MOST_DRAWS))
        return draw(self.estimator, self.columns, n, self.seed)

    @cached_property
    def strange(self) -> StrangeRows | str:
        """The strangest rows with reasons, or why there are none."""
        told = getattr(self.estimator, "_bounds_of_numbers", dict)()
        return strange_rows(self.judge, self.X, self.judged, self.n_strange, self.seed, told)

    @cached_property
    def image_shape(self) -> tuple[int, ...] | None:
        """Shape of the rows where they are images."""
        return image_shape_of(self.estimator)

    @cached_property
    def topics(self) -> list[dict]:
        """Topics of the density, if it has any."""
        try:
            return describe_topics(self.estimator, self.X)
        except InvalidParameterError:
            return []
