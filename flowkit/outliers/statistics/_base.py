"""What every statistic of the detector has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from .._requirements import Requirement


class Statistic(ABC):
    """What a detector scores rows by: one object for each density that it has fitted.

    Subclasses set the attributes of the class and implement `score`. Those that compare rows with
    training rows implement `fit`, too.

    Attributes
    ----------
    name : str
        Value of the parameter `statistic`.
    description : str
        What `score` returns, for the documentation of that parameter; begins in lower case.
    label : str
        Name of the scores on an axis.
    unit : str
        Their unit on an axis.
    requirement : Requirement or None
        What a density must have beside ``score_samples``.
    takes_incomplete_rows : bool
        Whether rows may have missing values where the density takes them. If so, their log
        densities come in the units of complete rows.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    label: ClassVar[str] = "score"
    unit: ClassVar[str] = "nats"
    requirement: ClassVar[Requirement | None] = None
    takes_incomplete_rows: ClassVar[bool] = False

    def fit(self, member, X) -> Statistic:
        """Learn what scores are compared with.

        Parameters
        ----------
        member : Member
            The density, already fitted.
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Training rows, at most 2000 of them.

        Returns
        -------
        self : Statistic
            The fitted statistic.
        """
        return self

    @abstractmethod
    def score(self, member, X) -> np.ndarray:
        """How well each row belongs.

        Parameters
        ----------
        member : Member
            The density that `fit` was given.
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The lower, the stranger; never NaN.
        """
