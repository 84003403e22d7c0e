"""Real tables of which one column is predicted from the others, cut to rows drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .data import TEST_FRACTION, load_arrays, load_table

Table = tuple[np.ndarray, np.ndarray]


def _diabetes() -> Table:
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def _column(name: str, target: int, *left_out: int) -> Callable[[], Table]:
    """One column of a table from the others, less those that all but give it away."""

    def load() -> Table:
        X = load_table(name)
        return np.delete(X, [target, *left_out], 1), X[:, target]

    return load


def _survey(file: str, target: str, *left_out: str) -> Callable[[], Table]:
    def load() -> Table:
        arrays = load_arrays(file)
        X, names = arrays["X"].astype(np.float64), list(arrays["columns"])
        X = X[np.isfinite(X).all(1)]
        others = [j for j, name in enumerate(names) if name not in (target, *left_out)]
        return X[:, others], X[:, names.index(target)]

    return load


# Defaults were chosen on the first half; the others confirm them.
CHOOSE: dict[str, Callable[[], Table]] = {
    "diabetes": _diabetes,
    "breast_cancer, texture": _column("breast_cancer", 1, 21),
    "well F02, gamma ray": _survey("well_f3_F02_1", "GR"),
    "cardio, first": _column("6_cardio", 0),
    "magic, fAlpha": _column("22_magic.gamma", 8),
}
CONFIRM: dict[str, Callable[[], Table]] = {
    "wine, proline": _column("wine", 12),
    "well F03, sonic": _survey("well_f3_F03_2", "DT", "AI", "AI_rel"),
    "Rio, field anomaly": _survey("rio_magnetic", "total_field_anomaly_nt", "line_number"),
    "Wilt, last": _column("44_Wilt", 4),
    "pendigits, last": _column("28_pendigits", 15),
}
TABLES = {**CHOOSE, **CONFIRM}
SHIPPED = ("diabetes", "breast_cancer, texture", "wine, proline")


def split_for_regression(
    name: str, seed: int, max_rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training features and targets, then those to test on; standardised by the training rows.

    Targets with ties get uniform noise of their spacing, the same for every method, so that no
    density gains by spikes on them.
    """
    X, y = TABLES[name]()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))[:max_rows]
    X, y = X[order], y[order].copy()
    values = np.unique(y)
    if len(values) < len(y):
        y += np.median(np.diff(values)) * rng.uniform(-0.5, 0.5, len(y))
    n_test = round(TEST_FRACTION * len(y))
    train, test = slice(n_test, None), slice(n_test)
    X = X[:, np.ptp(X[train], axis=0) > 0]
    X = (X - X[train].mean(0)) / X[train].std(0)
    y = (y - y[train].mean()) / y[train].std()
    return X[train], y[train], X[test], y[test]
