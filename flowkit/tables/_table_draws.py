"""Draws of a density of tables that keep what the columns of the table promise."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidParameterError
from ..nested import can_be_drawn_from, check_n_samples, draw_from
from ..validation import check_choice, check_flag, container_of
from ._constraints import read_constraints
from ._distance_from_rows import Apart, check_distance
from ._rejection import draw_accepted


class TableDrawsMixin:
    """Method `sample` of a density of tables."""

    def sample(
        self,
        n_samples=1,
        random_state=None,
        *,
        given=None,
        missing=None,
        constraints=None,
        apart_from=None,
        min_distance=0.0,
        return_acceptance=False,
    ):
        """Draw rows from the density, also given values of some columns, or that meet constraints.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have, in the units of X. A dict maps columns, by name, or by
            position where no column has such a name, to one value each. Rows have no value where
            columns are open, and a DataFrame may lack these: of each row there are `n_samples`
            draws, next to each other.
        missing : 'sample' or None, default=None
            Whether values are missing in the rows as often, and together with the same others, as
            in training. Which rows these are does not depend on their values. Not with `given`.
        constraints : str, callable, or list of these, default=None
            What each row must meet: expressions of columns of a DataFrame, such as
            ``"start <= end and size in ['S', 'M']"``, or functions of a table that return a boolean
            for each row. Columns, numbers, text, arithmetic, comparisons, ``in``, ``and``, ``or``
            and ``not`` make an expression, with names that hold spaces between backticks, as in
            ``"`net weight` > 3"``. Rows that do not meet all of them are drawn again;
            values are left out by `missing` after that.
        apart_from : array-like or DataFrame of shape (n_rows, n_features), default=None
            Rows, such as those of training, that no draw may copy or come near; see Notes.
        min_distance : float, default=0.0
            How far from each of these rows draws are, more than this; 0.0 leaves out copies alone.
            The distance is the mean over columns of the differences of numbers over the range of
            `apart_from`, of angles over half a turn, and of categories 0 or 1 (Gower's), without
            columns that the row misses: two rows that differ in one category of ten columns are
            0.1 apart. Draws that are nearer are drawn again.
        return_acceptance : bool, default=False
            Whether to return the share of draws that met the constraints too.

        Returns
        -------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            The rows, as the training rows were given: a DataFrame with their columns and
            categories, or an array; the labels of rows of a pandas DataFrame that are given are
            kept. Whole numbers and categories have the type of their column, and stay within its
            limits; all other numbers are float64, with as many decimals as in training, and on
            the steps of training values that repeat and are evenly spaced. Categories are those of
            training rows. Integers may lie beyond those of training unless there are bounds, as
            with ``bounds='seen'``.
        acceptance : float
            Only with `return_acceptance`: between 0 and 1; the probability of the constraints and
            of the distance, about. With several rows given, that of the row that meets them least
            often.

        Raises
        ------
        InvalidDataError
            If `n_samples` is less than one, `missing` or `return_acceptance` has another value,
            `min_distance` is not from 0 up to 1, or `apart_from` is no such table.
        InvalidParameterError
            If `density` cannot be sampled, all columns are given, `missing` is asked for with
            `given`, a constraint is none, or `min_distance` has no `apart_from`.
        UnknownNameError
            If there is no such column.
        UnmetConstraintsError
            If less than one in a thousand draws, of at least 10,000, meets the constraints and is
            far enough from the rows of `apart_from`.
        OutsideSupportError
            If values given have no probability, such as a level that does not exist.

        Warns
        -----
        FewEffectiveDrawsWarning
            If draws repeat, as few proposals carry the weight.

        Notes
        -----
        *Copies and privacy.* Draws may copy training rows by chance, where columns have few
        values, as new rows would. A density that follows single rows, such as ``prior='kernel'``
        with a kernel on each, or `KernelDensity`, draws next to one row each time, so that who
        knows the draws knows the rows, nearly. `apart_from` leaves such draws out, and compares
        with rows that are given now, as none are kept for this. It makes no draw private: the
        density has still learned from each row, draws at some distance around a row without
        neighbours give away that it is there, and so may a gap where draws were left out. Who
        needs a guarantee needs differential privacy, which this is not.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from sklearn.mixture import GaussianMixture
        >>> from flowkit import TableDensity
        >>> size = ["small", "large"] * 50
        >>> table = pd.DataFrame({"size": size, "weight": np.linspace(1.0, 2.0, 100).round(1)})
        >>> density = TableDensity(GaussianMixture(2), random_state=0).fit(table)
        >>> density.sample(2, random_state=0, given={"size": "small"})["size"].tolist()
        ['small', 'small']
        >>> heavy, acceptance = density.sample(
        ...     50, random_state=0, constraints="weight >= 1.5", return_acceptance=True
        ... )
        >>> bool(heavy["weight"].min() >= 1.5 and 0.2 < acceptance < 0.8)
        True
        """
        check_is_fitted(self)
        n_samples, rng = check_n_samples(n_samples), check_random_state(random_state)
        told = check_flag(return_acceptance, "return_acceptance")
        conditions = [
            *read_constraints(constraints),
            *self._distance_from(apart_from, min_distance),
        ]
        blank = missing is not None and bool(check_choice(missing, "missing", ["sample"]))
        if blank and given is not None:
            raise InvalidParameterError(
                "missing='sample' would blank values that are given: leave out one of both."
            )
        every = list(range(self.n_features_in_))
        rows, acceptance = draw_accepted(
            lambda m, which: self._draw_rows(m, rng, given, which),
            n_samples,
            conditions,
            lambda rows: self._in_form(rows, every),
        )
        if blank:
            rows[self._missing_patterns.draw(n_samples, rng)] = np.nan
        table = _labelled(self._in_form(rows, every), given, n_samples)
        return (table, acceptance) if told else table

    def _draw_rows(self, n, rng, given, which):
        """Draws of some rows given as numbers, levels by their position, shape (n_rows, n, d)."""
        if given is not None:
            return self._draws_given(n, rng, given, which)
        encoded = self._draw_encoded(n, rng)
        return np.column_stack([c.draw(y) for c, y in zip(self._codecs, encoded.T, strict=True)])[
            None
        ]

    def _distance_from(self, rows, min_distance):
        """The condition that draws are farther than a distance from rows, if there are any."""
        min_distance = check_distance(min_distance)
        if rows is None:
            if min_distance:
                raise InvalidParameterError(
                    f"min_distance={min_distance:g} says how far draws are from rows, but there "
                    "are none: give them, such as those of training, as apart_from."
                )
            return []

        def read(table):
            return self._rows(self._read(table, reset=False)[0], incomplete=True)

        return [Apart(read(rows), min_distance, self._codecs, read)]

    def _draw_encoded(self, n, rng):
        try:
            if can_be_drawn_from(self.density_):
                return draw_from(self.density_, n, rng)
        except NotImplementedError:
            # KernelDensity draws from some kernels only.
            pass
        raise InvalidParameterError(
            f"density {self.density_} cannot be sampled. Use one that can, such as FlowDensity."
        )


def _labelled(table, given, n_samples):
    """The table with the labels of the rows given, if both are of pandas."""
    if container_of(given).name == container_of(table).name == "pandas":
        table.index = given.index.repeat(n_samples)
    return table
