"""Tables of numbers, text, dates and missing values, as pandas DataFrames.

The real ones are tables of OddBench whose columns of few whole numbers become text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .data import load_arrays
from .oddbench import rows_of_oddbench

if TYPE_CHECKING:
    import pandas as pd

# Distinct whole numbers that a column of codes has at most, and columns of codes of a mixed table.
MOST_LEVELS, FEWEST_LEVEL_COLUMNS = 20, 2
MISSING_SHARE = 0.05


class MixedTable(NamedTuple):
    """Training rows, test rows, which of these are anomalies, and what is wrong with each.

    `kinds` is empty text for usual rows, None where nobody knows; `identifiers` are the columns
    that tell rows apart but say nothing of them.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    anomalous: np.ndarray
    kinds: np.ndarray | None = None
    identifiers: tuple[str, ...] = ()


def level_columns(train: np.ndarray) -> np.ndarray:
    """Which columns hold few distinct whole numbers, more than one."""
    n_levels = np.array([len(np.unique(column)) for column in train.T])
    whole = (train == np.round(train)).all(0)
    return whole & (n_levels > 1) & (n_levels <= MOST_LEVELS)


def is_mixed(name: str, max_train: int) -> bool:
    """Whether a table of OddBench has several columns of few whole numbers."""
    return level_columns(rows_of_oddbench(name, max_train)[0]).sum() >= FEWEST_LEVEL_COLUMNS


def real_table(name: str, seed: int, max_train: int) -> MixedTable:
    """A table of OddBench with text in place of few whole numbers, and values missing at random.

    Parameters
    ----------
    name : str
        Table.
    seed : int
        Of what is missing.
    max_train : int
        Most training rows; columns that are constant there are dropped.
    """
    import pandas as pd

    train, test, anomalous = rows_of_oddbench(name, max_train)
    names = load_arrays(f"oddbench/{name}")["feature_names"]
    is_level, rng = level_columns(train), np.random.default_rng(seed)
    varying = np.ptp(train, axis=0) > 0

    def framed(rows: np.ndarray) -> pd.DataFrame:
        frame = pd.DataFrame(rows, columns=[str(name) for name in names])
        for column in frame.columns[is_level]:
            frame[column] = [f"level {value:g}" for value in frame[column]]
        frame = frame.mask(rng.random(rows.shape) < MISSING_SHARE)
        return frame.loc[:, varying]

    return MixedTable(framed(train), framed(test), anomalous)
