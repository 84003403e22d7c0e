"""What a density of a table cannot do justice to: point masses, and categories that are none."""

from __future__ import annotations

import warnings

import numpy as np

from ..columns._ties import find_ties, warn_heavy
from ..exceptions import HeavyValueWarning, RareLevelsWarning

# A value is a point mass if this share of the rows holds it, so many times that of any other.
_HEAVY_SHARE, _HEAVY_RATIO = 0.05, 10
# Whole numbers are points where the others spread over so many cells.
_MANY_CELLS = 50
# Share of new rows whose level is not known, least number of levels of one row that tell it.
_UNKNOWN_SHARE, _LEAST_SINGLE = 0.1, 10
# Levels that read as numbers, of which there are many, and their share among all.
_MANY_NUMBERS, _NUMBERS_SHARE = 10, 0.5
_STACKLEVEL = 5


def warn_of_columns(names, kinds, rows, codecs) -> None:
    """Name the columns of a table that a density cannot describe as they are.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    kinds : list of str
        What they are taken for.
    rows : ndarray of shape (n, d)
        Training rows as numbers, levels by their place.
    codecs : list of Codec
        Maps of the columns.
    """
    standing = []
    for j, (name, kind, codec) in enumerate(zip(names, kinds, codecs, strict=True)):
        known = rows[~np.isnan(rows[:, j]), j]
        if kind == "categorical":
            _warn_of_levels(name, codec.levels, known)
            continue
        fine = codec.is_fine(_MANY_CELLS)
        if not (fine and _warn_of_point_masses(name, known)):
            standing += [value for value in find_ties(known, j)[1] if value.far or fine]
    warn_heavy(standing, len(rows), names, _STACKLEVEL)


def _warn_of_point_masses(name, x) -> bool:
    """Name the values that are one, and return whether there are any."""
    values, counts = np.unique(x, return_counts=True)
    heavy = counts >= _HEAVY_SHARE * len(x)
    if heavy.all() or not heavy.any():
        return False
    # A peak has slopes, a point mass has none.
    heavy &= counts >= _HEAVY_RATIO * counts[~heavy].max()
    if not heavy.any():
        return False
    held = " and ".join(
        f"{value:.6g} in {count / len(x):.0%}"
        for value, count in zip(values[heavy], counts[heavy], strict=True)
    )
    it = f"{values[heavy][0]:.6g}" if heavy.sum() == 1 else "such a value"
    warnings.warn(
        f"column {name} holds {held} of the rows, while its other values hardly repeat: a density "
        f"has no mass on one value, so that {it} is hardly ever drawn, numbers near it are drawn "
        f"too often, and scores there say little. Add a column that tells whether it is {it}, a "
        "category, and make the value NaN there, for a density with missing='marginalize'; or give "
        "these rows a density of their own.",
        HeavyValueWarning,
        stacklevel=_STACKLEVEL,
    )
    return True


def _warn_of_levels(name, levels, codes):
    counts = np.bincount(codes.astype(int), minlength=len(levels))
    seen = [level for level, count in zip(levels, counts, strict=True) if count]
    texts = [level for level in seen if isinstance(level, str)]
    numbers = [level for level in seen if not isinstance(level, str) or _reads_as_number(level)]
    others = [text for text in texts if not _reads_as_number(text)]
    n_single = int((counts == 1).sum())
    # The share of rows with a level of their own is about that of new rows with a new one.
    unknown = n_single / len(codes)
    rare = n_single >= _LEAST_SINGLE and unknown >= _UNKNOWN_SHARE
    many = len(numbers) >= max(_MANY_NUMBERS, _NUMBERS_SHARE * len(seen))
    if texts and many and (others or rare):
        beside = f", beside {others[0]!r}" if others else ""
        warnings.warn(
            f"column {name} holds {len(numbers)} different numbers as text{beside}, and is taken "
            f"for a category of {len(seen)} levels: make it numeric, with NaN for what is no "
            f"number, as pandas.to_numeric(X[{name!r}], errors='coerce') does; NaN need a density "
            "with missing='marginalize'.",
            RareLevelsWarning,
            stacklevel=_STACKLEVEL,
        )
    elif rare:
        warnings.warn(
            f"column {name} has {len(seen)} levels, {n_single} of which a single row holds: about "
            f"{unknown:.0%} of new rows would have a level that training did not see, and score "
            "-inf. Drop the column if it only tells rows apart, or join rare levels in one.",
            RareLevelsWarning,
            stacklevel=_STACKLEVEL,
        )


def _reads_as_number(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
