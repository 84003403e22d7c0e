"""Cells of one column in closed form, where a density knows the law of a column given others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..conditions import Questions
from ..validation import row_blocks

# Rows at once, each of which may have a weight for every component.
_ROWS_AT_ONCE = 4096
# The least probability that the difference of two cumulative ones tells.
_LEAST_PROBABILITY = 1e-9
# Draws that no exact answer needs.
_NO_DRAWS = 2


@dataclass(frozen=True)
class OpenCells:
    """The only cell of each row, in a column that is open in the points that stand for it.

    Parameters
    ----------
    questions : Questions
        Exact ones, to the density of encoded columns.
    columns : ndarray of int of shape (n,)
        The column of each row.
    low, high : ndarray of shape (n,)
        Encoded ends of the cells, which may be infinite.
    """

    questions: Questions
    columns: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def log_density(self, points: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Log density of points times the probability of the cell given them.

        It is minus infinity where that is too small to be told by cumulative probabilities.

        Parameters
        ----------
        points : ndarray of shape (m, d)
            Encoded rows, NaN in the column of the cell.
        index : ndarray of int of shape (m,)
            The row of each.
        """
        log_density = np.empty(len(points))
        for column in np.unique(self.columns[index]):
            here = np.flatnonzero(self.columns[index] == column)
            for block in row_blocks(len(here), _ROWS_AT_ONCE):
                part, rows = here[block], index[here[block]]
                law = self.questions.law(points[part], column, _NO_DRAWS)
                ends = self.low[rows, None, None], self.high[rows, None, None]
                probability = law.within(*ends)[:, 0]
                known = probability >= _LEAST_PROBABILITY
                with np.errstate(divide="ignore"):
                    log_density[part] = np.log(np.where(known, probability, 0.0))
                log_density[part] += self.questions.log_density(points[part], _NO_DRAWS)[0]
        return log_density
