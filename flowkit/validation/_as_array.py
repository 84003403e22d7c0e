"""scikit-learn's validation of arrays, with every failure as an error of this library."""

from __future__ import annotations

import contextlib

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array as _check_array
from sklearn.utils import validation as _validation

from ..exceptions import FlowkitError, InvalidDataError, UnsupportedValueError

_MAX_SHOWN = 200


@contextlib.contextmanager
def typed_errors(name: str = "X"):
    """Turn whatever reading an array raises into `InvalidDataError`, the message as it was.

    What overflows becomes infinite without a warning, so that the column can be named.

    Parameters
    ----------
    name : str, default='X'
        What errors other than scikit-learn's call the array.

    Raises
    ------
    InvalidDataError
        Instead of any error that is not of this library; `UnsupportedValueError` where it was a
        `TypeError`.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (FlowkitError, NotFittedError):
        raise
    except TypeError as error:
        raise UnsupportedValueError(str(error)) from error
    except ValueError as error:
        raise InvalidDataError(_told(error, name)) from error
    except Exception as error:
        raise InvalidDataError(
            f"{name} cannot be read as an array of numbers: {str(error)[:_MAX_SHOWN]} Give an "
            "array or a table of finite numbers."
        ) from error


@contextlib.contextmanager
def errors_of_rows():
    """Turn errors that another library has for rows into `InvalidDataError`, as they were.

    Errors of parameters, and those that are of a class of their own, pass; no warning of numpy's
    about overflow does.

    Raises
    ------
    InvalidDataError
        Instead of a `ValueError` or an `OverflowError`; `UnsupportedValueError` instead of a
        `TypeError`.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            yield
    except (TypeError, ValueError, OverflowError) as error:
        if type(error).__module__.partition(".")[0] not in ("builtins", "numpy"):
            raise
        kind = UnsupportedValueError if isinstance(error, TypeError) else InvalidDataError
        told = kind(str(error))
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        raise told from error


def _told(error, name):
    """The message, with advice where numpy says what it lacks but not why."""
    message = str(error)
    if "at least one array or dtype" in message:
        return f"{name} is a table without columns: give at least one."
    return message


def check_array(X, **options):
    """`sklearn.utils.check_array` with typed errors.

    Parameters
    ----------
    X : object
        What is to be an array.
    **options : dict
        Those of scikit-learn.
    """
    with typed_errors(options.get("input_name") or "X"):
        return _check_array(X, **options)


def validate_data(estimator, X, **options):
    """`sklearn.utils.validation.validate_data` with typed errors.

    Parameters
    ----------
    estimator : estimator
        Keeps names and number of columns, or has them compared.
    X : object
        What is to be an array.
    **options : dict
        Those of scikit-learn.
    """
    with typed_errors():
        return _validation.validate_data(estimator, X, **options)


def check_sample_weight(sample_weight, n_rows: int) -> np.ndarray:
    """Finite, non-negative weights, as many as rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or float
        What the user gave.
    n_rows : int
        Number of rows.

    Raises
    ------
    InvalidDataError
        If they are of another kind.
    """
    with typed_errors("sample_weight"):
        return _validation._check_sample_weight(
            sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
        )
