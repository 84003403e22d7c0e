"""Log densities of members, checked: whatever a member gives, a stack adds up numbers."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import log_density_of


def log_density(name: str, density, X) -> np.ndarray:
    """Log density of rows under a member.

    Parameters
    ----------
    name : str
        Of the member.
    density : estimator
        The member, fitted.
    X : ndarray or DataFrame of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        As `checked` returns them.
    """
    return checked(name, log_density_of(density, X), _num_samples(X))


def checked(name: str, scores, n_rows: int) -> np.ndarray:
    """Log densities that a member gave, if that is what they are.

    Parameters
    ----------
    name : str
        Of the member.
    scores : array-like
        What it gave.
    n_rows : int
        Number of rows that were scored.

    Returns
    -------
    ndarray of shape (n_rows,)
        Numbers or ``-inf``, float64.

    Raises
    ------
    InvalidParameterError
        If there is not one for each row.
    InvalidDataError
        If some are not a number, or infinitely high.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (n_rows,):
        raise InvalidParameterError(
            f"score_samples of member {name!r} gave an array of shape {scores.shape} for {n_rows} "
            f"rows, expected ({n_rows},), a log density for each: mend score_samples, or drop the "
            "member."
        )
    wrong = np.flatnonzero(np.isnan(scores) | (scores == np.inf))
    if wrong.size:
        raise InvalidDataError(
            f"member {name!r} scores {wrong.size} of {n_rows} rows with {scores[wrong[0]]}, "
            "which is no log density: drop the member, or scale or clean the columns first."
        )
    return scores
