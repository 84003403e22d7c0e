"""Makers of synthetic tables by name, ours and peers.

A builder makes one of a seed. It has ``fit(train, target)`` and ``sample(n)``, which give and take
pandas DataFrames whose categories are text.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .synthesis_tables import binary, categories, numbers

if TYPE_CHECKING:
    import pandas as pd

N_COMPONENTS, N_TREES = 30, 30


class Ours:
    """TableDensity with its defaults."""

    def __init__(self, seed: int):
        from flowkit import TableDensity

        self.model = TableDensity(random_state=seed)

    def fit(self, train: pd.DataFrame, target: str) -> Ours:
        self.model.fit(train)
        return self

    def sample(self, n: int) -> pd.DataFrame:
        return self.model.sample(n, random_state=0)


class Mixture:
    """A Gaussian mixture of standardised numbers and one column of 0 and 1 for each level.

    The level of the largest column is drawn; whole numbers are rounded into the range seen.
    """

    def __init__(self, seed: int):
        from sklearn.mixture import GaussianMixture

        self.model = GaussianMixture(N_COMPONENTS, reg_covar=1e-4, random_state=seed)
        self.rng = np.random.default_rng(seed)

    def fit(self, train: pd.DataFrame, target: str) -> Mixture:
        self.train, self.levels = train, {c: sorted(train[c].unique()) for c in categories(train)}
        x = train[numbers(train)].to_numpy(float)
        self.mean, self.scale = x.mean(0), x.std(0)
        marks = [train[c].to_numpy()[:, None] == self._values(c) for c in self.levels]
        self.model.fit(np.hstack([(x - self.mean) / self.scale, *marks]).astype(float))
        return self

    def _values(self, column):
        return np.array(self.levels[column], dtype=object)

    def sample(self, n: int) -> pd.DataFrame:
        drawn = self.rng.permutation(self.model.sample(n)[0])
        d = len(self.mean)
        x = drawn[:, :d] * self.scale + self.mean
        table = {c: rounded(x[:, j], self.train[c]) for j, c in enumerate(numbers(self.train))}
        for column, levels in self.levels.items():
            marks = drawn[:, d : d + len(levels)]
            table[column], d = self._values(column)[marks.argmax(1)], d + len(levels)
        return framed(table, self.train)


class Copula:
    """The Gaussian copula of copulas with beta margins; levels are cells of their frequencies."""

    def __init__(self, seed: int):
        from copulas.multivariate import GaussianMultivariate
        from copulas.univariate import BetaUnivariate

        self.model = GaussianMultivariate(distribution=BetaUnivariate, random_state=seed)
        self.rng = np.random.default_rng(seed)

    def fit(self, train: pd.DataFrame, target: str) -> Copula:
        self.train, self.ends = train, {}
        rows = train.copy()
        for column in categories(train):
            shares = train[column].value_counts(normalize=True)
            ends = np.append(0.0, shares.to_numpy().cumsum())
            self.ends[column] = shares.index.to_numpy(), ends
            level = shares.index.get_indexer(train[column])
            rows[column] = self.rng.uniform(ends[level], ends[level + 1])
        self.model.fit(rows.astype(float))
        return self

    def sample(self, n: int) -> pd.DataFrame:
        drawn = self.model.sample(n)
        table = {c: rounded(drawn[c].to_numpy(), self.train[c]) for c in numbers(self.train)}
        for column, (levels, ends) in self.ends.items():
            table[column] = levels[np.searchsorted(ends[1:-1], drawn[column])]
        return framed(table, self.train)


class OfCtgan:
    """CTGAN or TVAE of ctgan with its defaults, 300 epochs."""

    def __init__(self, seed: int, name: str):
        import ctgan

        self.model = getattr(ctgan, name)(enable_gpu=False)
        self.model.set_random_state(seed)

    def fit(self, train: pd.DataFrame, target: str) -> OfCtgan:
        self.train = train
        self.model.fit(train, categories(train))
        return self

    def sample(self, n: int) -> pd.DataFrame:
        return framed(self.model.sample(n), self.train)


class Forests:
    """Adversarial random forests of arfpy."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, train: pd.DataFrame, target: str) -> Forests:
        from arfpy import arf

        self.train = train
        # It asks for a function that numpy 2.4 has under another name only, takes labels of columns
        # for their positions, and prints its progress.
        arf.np = SimpleNamespace(**{**vars(np), "in1d": np.isin})
        with contextlib.redirect_stdout(io.StringIO()):
            x = train.set_axis(range(train.shape[1]), axis=1)
            self.model = arf.arf(x=x, num_trees=N_TREES, random_state=self.seed)
            self.model.forde()
        return self

    def sample(self, n: int) -> pd.DataFrame:
        drawn = self.model.forge(n=n).set_axis(self.train.columns, axis=1)
        table = {c: rounded(drawn[c].to_numpy(float), self.train[c]) for c in numbers(self.train)}
        return framed(table | {c: drawn[c].astype(str) for c in categories(self.train)}, self.train)


class Smote:
    """SMOTENC of imbalanced-learn: rows between neighbours of a class, as many as there were."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, train: pd.DataFrame, target: str) -> Smote:
        from imblearn.over_sampling import SMOTENC

        answers = binary(train[target], train[target])
        wanted = {k: 2 * int((answers == k).sum()) for k in (0, 1)}
        self.train, columns = train, train.columns
        others = categories(train)
        model = SMOTENC(others, sampling_strategy=wanted, random_state=self.seed)
        self.rows = model.fit_resample(train, answers)[0][columns].iloc[len(train) :]
        return self

    def sample(self, n: int) -> pd.DataFrame:
        drawn = self.rows.sample(n, random_state=self.seed, replace=n > len(self.rows))
        return framed(drawn, self.train)


class Rows:
    """The training rows themselves, to tell what no method can better."""

    def __init__(self, seed: int):
        pass

    def fit(self, train: pd.DataFrame, target: str) -> Rows:
        self.train = train
        return self

    def sample(self, n: int) -> pd.DataFrame:
        return self.train.iloc[:n]


def rounded(x: np.ndarray, column: pd.Series) -> np.ndarray:
    """Numbers, whole and within the range of a column of whole ones."""
    if column.dtype.kind not in "iu":
        return x
    return np.round(x).clip(column.min(), column.max()).astype(column.dtype)


def framed(table: Any, train: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns of the training rows, in their order and of their types."""
    import pandas as pd

    return pd.DataFrame(table)[list(train.columns)].astype(train.dtypes).reset_index(drop=True)


ROWS = "training rows"
SYNTHESIZERS: dict[str, Callable[[int], Any]] = {
    ROWS: Rows,
    "TableDensity": Ours,
    "one-hot mixture": Mixture,
    "Gaussian copula": Copula,
    "CTGAN": lambda seed: OfCtgan(seed, "CTGAN"),
    "TVAE": lambda seed: OfCtgan(seed, "TVAE"),
    "ARF": Forests,
    "SMOTENC": Smote,
}
# What each peer needs; those that are not installed are left out.
LIBRARIES = {
    "Gaussian copula": "copulas",
    "CTGAN": "ctgan",
    "TVAE": "ctgan",
    "ARF": "arfpy",
    "SMOTENC": "imblearn",
}
