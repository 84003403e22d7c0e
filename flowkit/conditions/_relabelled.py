"""Questions in which levels of columns are told by other numbers."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ._laws import Law
from ._questions import MAX_CANDIDATES, Questions


def relabelled(
    questions: Questions,
    levels: dict[int, np.ndarray],
    others: dict[int, np.ndarray] | None = None,
) -> Questions:
    """Questions whose levels are told by their values, or by their position in other lists.

    Parameters
    ----------
    questions : Questions
        Rows tell levels by their position.
    levels : dict of int to ndarray
        Column to levels, in the order of these positions.
    others : dict of int to ndarray, default=None
        The same levels, maybe in another order, by whose positions rows tell them. None for rows
        that hold the values of levels themselves, which are numbers then.

    Raises
    ------
    InvalidParameterError
        If the levels are others.
    """
    maps = {}
    for column, known in levels.items():
        if others is None:
            values, places = np.asarray(known, dtype=np.float64), np.arange(len(known))
        else:
            values = np.arange(len(known), dtype=np.float64)
            places = _places(list(known), list(others.get(column, ())), column)
        order = values.argsort()
        maps[column] = values[order], places[order]
    is_same = all((values == places).all() for values, places in maps.values())
    return questions if is_same else RelabelledQuestions(questions, maps)


def _places(known, others, column):
    place = {level: k for k, level in enumerate(known)}
    if len(others) != len(known) or not place.keys() >= set(others):
        raise InvalidParameterError(
            f"densities know different levels of column {column}, so that they answer no "
            "questions together: declare its levels, as by a categorical type of pandas."
        )
    return np.array([place[level] for level in others])


class RelabelledQuestions(Questions):
    """Questions with other numbers for levels.

    Parameters
    ----------
    inner : Questions
        Rows tell levels by their position.
    maps : dict of int to (ndarray, ndarray)
        Column to the numbers that rows hold here, ascending, and the positions of their levels.
    """

    def __init__(self, inner: Questions, maps: dict[int, tuple[np.ndarray, np.ndarray]]):
        self._inner, self._maps = inner, maps

    @property
    def is_exact(self):
        return self._inner.is_exact

    def log_density(self, X, n_draws, without=None):
        rows, inside = self._with_positions(X)
        log_density, error = np.full(len(X), -np.inf), np.zeros(len(X))
        if inside.any():
            own = None if without is None else without[inside]
            found = self._inner.log_density(rows[inside], n_draws, own)
            log_density[inside], error[inside] = found
        return log_density, error

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        copies, n_effective = self._inner.draws(self._with_positions(X)[0], n_draws, rng, most)
        for column, (values, places) in self._maps.items():
            copies[..., column] = values[places.argsort()][copies[..., column].astype(int)]
        return np.where(np.isnan(X)[:, None], copies, X[:, None]), n_effective

    def law(self, X, column, n_draws) -> Law:
        return self._inner.law(self._with_positions(X)[0], column, n_draws)

    def _with_positions(self, X):
        """Rows with positions of levels, and which rows hold only levels that are known."""
        rows, inside = X.copy(), np.ones(len(X), dtype=bool)
        for column, (values, places) in self._maps.items():
            known = ~np.isnan(X[:, column])
            nearest = np.searchsorted(values, X[known, column]).clip(0, len(values) - 1)
            rows[known, column] = places[nearest]
            inside[known] &= values[nearest] == X[known, column]
        return rows, inside
