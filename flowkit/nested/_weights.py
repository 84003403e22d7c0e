"""Weights of rows, which not every density takes."""

from __future__ import annotations

from sklearn.utils.validation import has_fit_parameter

from ..exceptions import InvalidParameterError


def require_weights(density) -> None:
    """Refuse weights of rows for a density that takes none.

    Parameters
    ----------
    density : estimator
        Any one, fitted or not.

    Raises
    ------
    InvalidParameterError
        If its `fit` has no ``sample_weight``.
    """
    if not has_fit_parameter(density, "sample_weight"):
        raise InvalidParameterError(
            f"{type(density).__name__} takes no sample_weight. Fit without it, or use a density "
            "that takes it."
        )
