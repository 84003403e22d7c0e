"""Log-Jacobian and inverse of a fitted transformer: what it knows itself, or what is known of it.

A transformer may have a method ``log_abs_det_jacobian(X)``. What is known of scikit-learn's classes
is a `TransformerMap` for each, in one registry.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils import _safe_indexing

from ..exceptions import InvalidDataError, InvalidParameterError


class TransformerMap:
    """What is known of the map of a class of transformers.

    Subclasses implement `log_abs_det`, and `inverse` where the ``inverse_transform`` of the
    transformer does not do; `register` puts them into the registry.
    """

    # Which transformers of the class are supported, for errors; None where none is.
    condition: str | None = ""

    def log_abs_det(self, transformer, X) -> np.ndarray:
        """``log|det dz/dx|`` of each row in nats.

        Parameters
        ----------
        transformer : transformer
            Fitted.
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows, float64; missing values have no share in the Jacobian.

        Returns
        -------
        ndarray of shape (n_samples,)
            Anything not finite outside the domain.
        """
        raise NotImplementedError

    def inverse(self, transformer, Z: np.ndarray) -> np.ndarray:
        """Rows that a fitted transformer maps to Z, not finite outside its range."""
        return _inverse_of_its_own(transformer, Z)


# By exact class, as a subclass may map rows in another way.
KNOWN_MAPS: dict[type, TransformerMap] = {}


def register(*kinds: type):
    """Class decorator: what is known of the transformers of exactly these classes."""

    def put(known: type[TransformerMap]) -> type[TransformerMap]:
        KNOWN_MAPS.update(dict.fromkeys(kinds, known()))
        return known

    return put


def transform_rows(transformer, X):
    """Rows of the domain of a fitted transformer in its units, and the log-Jacobian of all.

    Parameters
    ----------
    transformer : object
        Fitted transformer, 'passthrough' or None.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows, float64. Left as they are even by transformers that work in place.

    Returns
    -------
    Z : ndarray or DataFrame of shape (n_inside, n_features)
        Those rows whose log-Jacobian is finite, transformed.
    log_det : ndarray of shape (n_samples,)
        ``log|det dz/dx|`` of each row in nats, ``-inf`` outside the domain.

    Raises
    ------
    InvalidParameterError
        If the transformer is not invertible, or its Jacobian is not known.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log_det = log_abs_det(transformer, X)
        log_det[~np.isfinite(log_det)] = -np.inf
        inside = np.flatnonzero(np.isfinite(log_det))
        rows = _safe_indexing(X, inside)
        if not inside.size or _is_identity(transformer):
            return rows, log_det
        n_missing = np.isnan(values_of(rows)).sum(1)
        Z = transformer.transform(rows)
    # Values may overflow, or the function have none for a row; missing values stay missing.
    values = values_of(Z)
    kept = ~np.isinf(values).any(1) & (np.isnan(values).sum(1) == n_missing)
    if kept.all():
        return Z, log_det
    log_det[inside[~kept]] = -np.inf
    return _safe_indexing(Z, np.flatnonzero(kept)), log_det


def inverse_rows(transformer, Z) -> np.ndarray:
    """Rows that a fitted transformer maps to Z, as an array; not finite outside its range.

    Parameters
    ----------
    transformer : object
        Fitted transformer, 'passthrough' or None.
    Z : ndarray of shape (n_samples, n_features)
        Transformed rows.

    Raises
    ------
    InvalidParameterError
        If the transformer has no inverse.
    """
    if _is_identity(transformer):
        return Z
    if known := KNOWN_MAPS.get(type(transformer)):
        return known.inverse(transformer, Z)
    return _inverse_of_its_own(transformer, Z)


def log_abs_det(transformer, X) -> np.ndarray:
    """``log|det|`` of each row, anything not finite outside the domain.

    Raises
    ------
    InvalidParameterError
        If the transformer is not invertible, or its Jacobian is not known.
    InvalidDataError
        If its own method returns another shape than one value for each row.
    """
    own = getattr(transformer, "log_abs_det_jacobian", None)
    if own is None:
        return _known_log_abs_det(transformer, X)
    log_det = np.array(own(X), dtype=np.float64)
    if log_det.shape != (len(X),):
        raise InvalidDataError(
            f"{type(transformer).__name__}.log_abs_det_jacobian returned shape {log_det.shape}, "
            f"expected one value for each row: ({len(X)},)."
        )
    return log_det


def values_of(X) -> np.ndarray:
    """Rows of any container as float64."""
    return np.asarray(X, dtype=np.float64)


def _known_log_abs_det(transformer, X):
    if _is_identity(transformer):
        return np.zeros(len(X))
    kind = type(transformer)
    if kind in KNOWN_MAPS:
        return KNOWN_MAPS[kind].log_abs_det(transformer, X)
    base = next((base for base in kind.__mro__ if base in KNOWN_MAPS), None)
    if base is None:
        supported = [
            kind.__name__ + known.condition
            for kind, known in KNOWN_MAPS.items()
            if known.condition is not None
        ]
        raise InvalidParameterError(
            f"the Jacobian of {kind.__name__} is not known, so densities after it have no units. "
            f"Supported are {', '.join(supported)}, and any transformer with a method "
            "log_abs_det_jacobian(X)."
        )
    raise InvalidParameterError(
        f"{kind.__name__} is a subclass of {base.__name__} and may map rows in another way, so its "
        "Jacobian is not known and densities after it have no units. Give it a method "
        "log_abs_det_jacobian(X) that returns log|det dz/dx| of each row, or use "
        f"{base.__name__} itself."
    )


def _inverse_of_its_own(transformer, Z):
    if not hasattr(transformer, "inverse_transform"):
        raise InvalidParameterError(
            f"{type(transformer).__name__} has no inverse_transform, which samples need."
        )
    return values_of(transformer.inverse_transform(Z))


def _is_identity(transformer) -> bool:
    return transformer is None or (isinstance(transformer, str) and transformer == "passthrough")
