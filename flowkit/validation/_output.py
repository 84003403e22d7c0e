"""Arrays or data frames, as scikit-learn's configuration of outputs says."""

from __future__ import annotations

from sklearn.utils._set_output import ADAPTERS_MANAGER, _get_output_config

from ..exceptions import InvalidParameterError


def remember_output(estimator, container: str | None):
    """Set the output of an estimator that has no `transform`, where `clone` looks for it.

    Parameters
    ----------
    estimator : estimator
        The estimator.
    container : {'default', 'pandas', 'polars'} or None
        Type of the output; None leaves it as it is.

    Returns
    -------
    estimator
        The same.

    Raises
    ------
    InvalidParameterError
        If there is no such type.
    """
    known = sorted(ADAPTERS_MANAGER.supported_outputs)
    if container is not None and container not in known:
        raise InvalidParameterError(f"transform must be one of {known} or None, got {container!r}.")
    if container is not None:
        estimator._sklearn_output_config = {"transform": container}
    return estimator


def in_container(estimator, values, X, names):
    """Values in the type of output that was set for an estimator, or globally.

    Parameters
    ----------
    estimator : estimator
        The estimator.
    values : ndarray of shape (n_samples, n_columns)
        Values.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows that the values belong to: those of pandas give their index.
    names : list
        Names of the columns.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_columns)
        The values.
    """
    container = _get_output_config("transform", estimator)["dense"]
    if container == "default":
        return values
    if container == "polars":
        names = [str(name) for name in names]
    return ADAPTERS_MANAGER.adapters[container].create_container(values, X, columns=names)
