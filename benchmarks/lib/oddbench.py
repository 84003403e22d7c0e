"""Tables of OddBench: real tables, clean training rows, real anomalies among the test rows.

FLOWKIT_DATA holds ``oddbench/*.npz``: `train`, `test`, and `test_labels` with 1 for anomalies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import numpy as np

from .data import SHIPPED, data_folder, load_arrays, split_for_outliers, standardised

HALVES = ("choose", "confirm")


def half_of(name: str) -> str:
    """Whether choices may be made on a table, or are confirmed on it; its name alone decides."""
    return HALVES[hashlib.sha256(name.encode()).digest()[0] % 2]


def oddbench_names(halves: Sequence[str], wanted: Sequence[str] | None = None) -> list[str]:
    """Names of the tables of some halves.

    Parameters
    ----------
    halves : sequence of {'choose', 'confirm'}
        Which.
    wanted : sequence of str or None, default=None
        What was asked for; None takes all tables. Without FLOWKIT_DATA, those that ship take their
        place.
    """
    if wanted is None and not os.environ.get("FLOWKIT_DATA"):
        print(f"FLOWKIT_DATA is not set: {', '.join(SHIPPED)} instead of the tables of OddBench")
        wanted = SHIPPED
    if wanted is None:
        folder = data_folder("OddBench") / "oddbench"
        wanted = sorted(path.stem for path in folder.glob("*.npz"))
    return [name for name in wanted if half_of(name) in halves]


def split_of_oddbench(name: str, max_train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised training rows, test rows, and whether these are anomalies.

    Parameters
    ----------
    name : str
        Table; one that ships is split into halves as for `split_for_outliers`.
    max_train : int
        Most training rows. These are drawn the same for all seeds.
    """
    if name in SHIPPED:
        return split_for_outliers(name, "one-class", 0, max_train, np.iinfo(int).max)
    train, test, anomalous = rows_of_oddbench(name, max_train)
    both = standardised(np.vstack([train, test]), np.arange(len(train)))
    return both[: len(train)], both[len(train) :], anomalous


def rows_of_oddbench(name: str, max_train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same in the units of the table, with all its columns; of a table of OddBench alone."""
    arrays = load_arrays(f"oddbench/{name}")
    train, test = (arrays[key].astype(np.float64) for key in ("train", "test"))
    drawn = np.random.RandomState(0).permutation(len(train))[:max_train]
    return train[drawn], test, arrays["test_labels"].astype(bool)
