"""How far a synthetic table is from the real one, and how close it comes to single rows of it."""

from __future__ import annotations

import importlib.util
import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import ks_2samp

from .synthesis_tables import binary, categories, numbers

if TYPE_CHECKING:
    import pandas as pd

# Rows of which the distances to all others are held at once.
_AT_ONCE = 250


def margins(real: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Mean over columns of the Kolmogorov-Smirnov distance; of categories, total variation."""
    levels = categories(real)
    return float(
        np.mean(
            [
                _total_variation(real[c], synthetic[c])
                if c in levels
                else ks_2samp(real[c], synthetic[c].astype(float)).statistic
                for c in real
            ]
        )
    )


def _total_variation(real, synthetic):
    shares = [column.value_counts(normalize=True) for column in (real, synthetic)]
    return 0.5 * shares[0].sub(shares[1], fill_value=0.0).abs().sum()


def associations(real: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    """Mean over pairs of columns of the absolute difference of associations.

    Between numbers Pearson's correlation, between categories Cramér's V, between a number and a
    category the correlation ratio, the root of the share of variance that levels explain.
    """
    levels = categories(real)
    pairs = list(itertools.combinations(real.columns, 2))
    tables = [[_association(table, pair, levels) for pair in pairs] for table in (real, synthetic)]
    return float(np.abs(np.subtract(*tables)).mean())


def _association(table, pair, levels):
    of_levels = [column for column in pair if column in levels]
    of_numbers = [column for column in pair if column not in levels]
    if not of_levels:
        x, y = (table[column].to_numpy(float) for column in of_numbers)
        return float(np.corrcoef(x, y)[0, 1]) if x.std() and y.std() else 0.0
    if of_numbers:
        level, x = table[of_levels[0]], table[of_numbers[0]].astype(float)
        explained = level.map(x.groupby(level).mean()).to_numpy(float).var()
        return float(np.sqrt(explained / x.var(ddof=0))) if x.std() else 0.0
    import pandas as pd

    counts = pd.crosstab(*(table[column] for column in of_levels)).to_numpy(float)
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    smallest = min(counts.shape) - 1
    if not smallest:
        return 0.0
    return float(np.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum() / smallest))


def prediction(train: pd.DataFrame, test: pd.DataFrame, target: str, real: pd.DataFrame) -> float:
    """Area under the ROC curve on test rows of trees that were trained on other rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    levels = {c: sorted(real[c].unique()) for c in categories(real) if c != target}
    y, truth = (binary(table[target], real[target]) for table in (train, test))
    if y.min() == y.max():
        return 0.5
    X, rows = (_coded(table.drop(columns=target), levels) for table in (train, test))
    is_level = [column in levels for column in X.columns]
    model = HistGradientBoostingClassifier(categorical_features=is_level, random_state=0)
    return float(roc_auc_score(truth, model.fit(X, y).predict_proba(rows)[:, 1]))


def _coded(table, levels):
    import pandas as pd

    coded = {
        c: pd.Categorical(table[c], levels[c]).codes if c in levels else table[c].astype(float)
        for c in table
    }
    frame = pd.DataFrame(coded).astype(float)
    return frame.mask(frame[list(levels)].eq(-1).reindex(columns=frame.columns, fill_value=False))


def closeness(train: pd.DataFrame, test: pd.DataFrame, synthetic: pd.DataFrame) -> dict:
    """Distance to the closest training row, and the share of rows that are copies of one.

    The distance is Gower's: of numbers in ranges, of categories 0 or 1, averaged over columns. It
    is the median over synthetic rows, divided by that over test rows.
    """
    of_draws, of_test = (_to_closest(train, rows) for rows in (synthetic, test[: len(train)]))
    return {
        "closest": float(np.median(of_draws) / max(np.median(of_test), 1e-12)),
        "copied": float(np.mean(of_draws <= 1e-9)),
        "copied_of_test": float(np.mean(of_test <= 1e-9)),
    }


def _to_closest(train, rows):
    columns = numbers(train)
    scale = np.ptp(train[columns].to_numpy(float), axis=0)
    fixed, points = (table[columns].to_numpy(float) / scale for table in (train, rows))
    known, given = (table[categories(train)].to_numpy(object) for table in (train, rows))
    nearest = []
    for first in range(0, len(rows), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        total = np.zeros((len(points[part]), len(train)))
        for x, y in zip(points[part].T, fixed.T, strict=True):
            total += np.abs(x[:, None] - y)
        for x, y in zip(given[part].T, known.T, strict=True):
            total += x[:, None] != y
        nearest.append(total.min(1))
    return np.concatenate(nearest) / train.shape[1]


def of_sdmetrics(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict:
    """Scores of the quality and the diagnostic report of sdmetrics, 1 is best; none without it."""
    if importlib.util.find_spec("sdmetrics") is None:
        return {}
    from sdmetrics.reports.single_table import DiagnosticReport, QualityReport

    levels = categories(real)
    kinds = {c: {"sdtype": "categorical" if c in levels else "numerical"} for c in real}
    scores = {}
    for name, report in (("quality", QualityReport()), ("diagnostic", DiagnosticReport())):
        report.generate(real, synthetic, {"columns": kinds}, verbose=False)
        scores[name] = float(report.get_score())
    return scores
