"""Questions to a density after a transformer: through maps of single columns, else by draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._optional import require
from ..conditions import MAX_CANDIDATES, Law, MappedLaw, Questions, questions_by_draws, questions_of
from ..exceptions import InvalidParameterError
from ._jacobians import inverse_rows, transform_rows, values_of

# Draws that show how columns are mapped, and rounds of draws within the range of the transformer.
_N_PROBES, _MAX_ROUNDS = 16, 100


def transformed_questions(density) -> Questions:
    """Questions to a fitted `TransformedDensity`.

    Parameters
    ----------
    density : TransformedDensity
        The density.

    Raises
    ------
    InvalidParameterError
        If it knows no conditionals and cannot be drawn from to estimate them.
    """
    if not hasattr(density, "sample"):
        return questions_by_draws(density)
    probes = density.sample(_N_PROBES, 0)
    names = getattr(density, "feature_names_in_", None)
    order = _column_order(density.transformer_, probes, names)
    if order is None:
        return questions_by_draws(density)
    inner = questions_of(density.density_)
    return TransformedQuestions(inner, density.transformer_, probes, order, names)


def _column_order(transformer, probes, names):
    """Which transformed column each column becomes; None where they are mixed."""
    d = probes.shape[1]
    rows = np.tile(probes[:1], (d, 1))
    np.fill_diagonal(rows, np.nan)
    try:
        Z, _ = transform_rows(transformer, _named(rows, names))
    except ValueError:
        # Transformers that mix columns take no missing values.
        return None
    missing = np.isnan(values_of(Z))
    if missing.shape != (d, d) or not ((missing.sum(0) == 1) & (missing.sum(1) == 1)).all():
        return None
    return missing.argmax(1)


def _named(rows, names):
    """Rows as the transformer knows them."""
    if names is None:
        return rows
    pandas = require("pandas", "conditions of a transformer with names", "fit it to arrays")
    return pandas.DataFrame(rows, columns=names)


@dataclass
class TransformedQuestions(Questions):
    """Questions to a density after a map of single columns.

    Parameters
    ----------
    inner : Questions
        Of transformed rows.
    transformer : transformer
        Fitted.
    probes : ndarray of shape (n_probes, d)
        Rows within the domain.
    order : ndarray of int of shape (d,)
        Which transformed column each column becomes.
    names : ndarray or None
        Names of the columns.
    """

    inner: Questions
    transformer: Any
    probes: np.ndarray
    order: np.ndarray
    names: np.ndarray | None

    @property
    def is_exact(self):
        return self.inner.is_exact

    def log_density(self, X, n_draws, without=None):
        Z, log_density = self._transformed(X)
        error, inside = np.zeros(len(X)), np.isfinite(log_density)
        if inside.any():
            found, error[inside] = self.inner.log_density(Z, n_draws)
            log_density[inside] += found
        return log_density, error

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        Z, _ = self._transformed(X)
        if len(Z) < len(X):
            raise InvalidParameterError(
                "values that are given lie outside the domain of the transformer."
            )
        copies, todo = np.repeat(X[:, None], n_draws, 1), np.ones((len(X), n_draws), dtype=bool)
        for _ in range(_MAX_ROUNDS):
            drawn, n_effective = self.inner.draws(Z, n_draws, rng, most)
            rows = inverse_rows(self.transformer, drawn.reshape(-1, X.shape[1]))
            rows = rows.reshape(copies.shape)
            rows = np.where(np.isnan(X)[:, None], rows, X[:, None])
            new = todo & np.isfinite(rows).all(2)
            copies[new] = rows[new]
            todo &= ~new
            if not todo.any():
                return copies, n_effective
        raise InvalidParameterError(
            f"{todo.sum()} draws were not found in {_MAX_ROUNDS} rounds: nearly all that the "
            "density draws there lies beyond the range of the transformer. Use another transformer."
        )

    def law(self, X, column, n_draws) -> Law:
        Z, _ = self._transformed(X)
        law = self.inner.law(Z, int(self.order[column]), n_draws)
        mapped = self._forward(self.probes[:, column][None], column)[0]
        low, high = self.probes[:, column].argmin(), self.probes[:, column].argmax()
        maps = (
            lambda values: self._forward(values, column),
            lambda values: self._backward(values, column),
        )
        typical = float(np.median(self.probes[:, column]))
        return MappedLaw(law, *maps, bool(mapped[low] <= mapped[high]), typical)

    def _transformed(self, X):
        Z, log_det = transform_rows(self.transformer, _named(X, self.names))
        return values_of(Z), log_det

    def _forward(self, values, column):
        """Values of a column, transformed; NaN outside the domain."""
        rows = np.tile(self.probes[0], (values.size, 1))
        rows[:, column] = values.ravel()
        Z, log_det = self._transformed(rows)
        mapped = np.full(values.size, np.nan)
        mapped[np.isfinite(log_det)] = Z[:, self.order[column]]
        return mapped.reshape(values.shape)

    def _backward(self, values, column):
        Z = np.tile(self._latent_probe, (values.size, 1))
        Z[:, self.order[column]] = values.ravel()
        return inverse_rows(self.transformer, Z)[:, column].reshape(values.shape)

    @cached_property
    def _latent_probe(self):
        return self._transformed(self.probes[:1])[0][0]
