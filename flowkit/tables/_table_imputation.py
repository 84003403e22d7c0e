"""Missing values of a table, filled in its own types."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..conditions import N_CANDIDATES
from ..validation import (
    check_choice,
    check_count,
    container_of,
    keep_types,
    refuse_overflow,
    row_blocks,
)

_STATISTICS = ("draw", "mean", "median")
# Draws that are summed up, where no number is given, and values that are drawn at once.
_N_DRAWS = 50
_MAX_VALUES = 2**22


class TableImputation:
    """A method of a density of tables that fills what is missing."""

    _fills_tables = True

    def impute(self, X, n_draws=None, random_state=None, *, statistic="draw"):
        """Fill what is missing from the density given what is known, in the types of the columns.

        Takes rows with missing values whatever `density` takes in `fit`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, NaN or None where values are missing. Levels and numbers that have no probability
            are left as they are, and say nothing of the others.
        n_draws : int or None, default=None
            Number of draws of each row. None is one, without a list around it, or 50 where
            `statistic` is not 'draw'.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same values each time.
        statistic : {'draw', 'mean', 'median'}, default='draw'
            What is filled in: draws, or their mean or median, in units of the column. Of a category
            both are the most frequent level, and of an angle the mean direction; of whole numbers
            the nearest whole one.

        Returns
        -------
        X_filled : DataFrame or ndarray of shape (n_samples, n_features), or list of these
            Rows without holes, in the container and the types of X, its index kept, and what is
            known untouched; a list of them where `n_draws` of 'draw' is given.

        Raises
        ------
        InvalidDataError
            If the columns are not those of training, `n_draws` is less than one, or there is no
            such statistic.
        InvalidParameterError
            If `density` cannot be drawn from.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from sklearn.mixture import GaussianMixture
        >>> from flowkit import TableDensity
        >>> size = ["small", "large"] * 50
        >>> table = pd.DataFrame({"size": size, "weight": [1.0, 5.0] * 50})
        >>> table["weight"] += np.linspace(-0.1, 0.1, 100)
        >>> density = TableDensity(GaussianMixture(2), random_state=0).fit(table)
        >>> rows = pd.DataFrame({"size": [None, "small"], "weight": [5.0, np.nan]})
        >>> density.impute(rows, random_state=0, statistic="mean").round()
            size  weight
        0  large     5.0
        1  small     1.0
        """
        check_is_fitted(self)
        statistic = check_choice(statistic, "statistic", _STATISTICS)
        usual = 1 if statistic == "draw" else _N_DRAWS
        n = usual if n_draws is None else check_count(n_draws, "n_draws")
        columns, _ = self._read(X, reset=False)
        rows = self._rows(columns, incomplete=True)
        holes, draws = self._draws_of_missing(rows, n, check_random_state(random_state))
        container = container_of(X if container_of(X).is_frame else np.asarray(keep_types(X)))

        def filled(choose):
            values = {}
            for j, where in holes.items():
                x = choose(self._codecs[j], draws[j])
                _refuse_overflow(x, where, len(rows), self._names()[j])
                values[j] = where, self._codecs[j].typed(x, columns[j].dtype)
            return container.filled(values)

        if statistic != "draw":
            return filled(lambda codec, of_column: codec.summary(of_column, statistic))
        tables = [filled(lambda _, of_column, i=i: of_column[i]) for i in range(n)]
        return tables[0] if n_draws is None else tables

    def _draws_of_missing(self, rows, n_draws, rng):
        """Rows that miss a value of each column, and draws of these values, (n_draws, n)."""
        missing = np.isnan(rows)
        known = np.where(self._contained(rows), rows, np.nan)
        holes = {j: np.flatnonzero(missing[:, j]) for j in np.flatnonzero(missing.any(0))}
        draws = {j: np.empty((n_draws, len(where))) for j, where in holes.items()}
        index, questions = np.flatnonzero(missing.any(1)), self._questions()
        for block in row_blocks(len(index), max(1, _MAX_VALUES // (n_draws * rows.shape[1]))):
            part = index[block]
            copies, _ = questions.draws(known[part], n_draws, rng, N_CANDIDATES)
            for j, where in holes.items():
                here = missing[part, j]
                draws[j][:, np.isin(where, part)] = copies[here, :, j].T
        return holes, draws


def _refuse_overflow(x, where, n, name):
    """Refuse values for rows, by their positions, of which some are no numbers."""
    values = np.zeros(n)
    values[where] = x
    refuse_overflow(
        values,
        f"the values filled into column {name}",
        "what is known of these rows is too far away from all training rows. Leave them out, or "
        "rescale X.",
    )
