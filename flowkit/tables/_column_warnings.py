"""Warnings of columns that no density describes: point masses, and categories that are none."""

from __future__ import annotations

import numpy as np

from ..columns import find_ties, warn_heavy
from ..exceptions import HeavyValueWarning, RareLevelsWarning
from ..validation import warn
from ._point_masses import MANY_CELLS, point_masses

# Share of new rows with an unknown level, and fewest levels of a single row, that are warned of.
_UNKNOWN_SHARE, _LEAST_SINGLE = 0.1, 10
# Fewest levels that read as numbers, and their least share, that are warned of.
_MANY_NUMBERS, _NUMBERS_SHARE = 10, 0.5


def warn_of_columns(names, rows, codecs) -> None:
    """Name the columns of a table that a density cannot describe as they are.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    rows : ndarray of shape (n, d)
        Training rows as numbers, levels by their position.
    codecs : list of Codec
        Maps of the columns.
    """
    standing = []
    for j, (name, codec) in enumerate(zip(names, codecs, strict=True)):
        known = rows[~np.isnan(rows[:, j]), j]
        if codec.levels is not None:
            _warn_of_levels(name, codec.levels, known)
            continue
        known = codec.without_spikes(known)
        fine = codec.is_fine(MANY_CELLS)
        if not (fine and _warn_of_point_masses(name, known)):
            standing += [value for value in find_ties(known, j)[1] if value.far or fine]
    warn_heavy(standing, len(rows), names)


def _warn_of_point_masses(name, x) -> bool:
    """Name the point masses of a column, and return whether there are any."""
    values, shares = point_masses(x)
    if not len(values):
        return False
    held = " and ".join(
        f"{value:.6g} in {share:.0%}" for value, share in zip(values, shares, strict=True)
    )
    it = f"{values[0]:.6g}" if len(values) == 1 else "such a value"
    warn(
        f"column {name} holds {held} of the rows, while its other values hardly repeat: a density "
        f"has no mass on one value, so that {it} is hardly ever drawn, numbers near it are drawn "
        f"too often, and scores there say little. Declare the column 'spiked', unless it is "
        f"circular: then add a column that tells whether it is {it}, a category, and make the "
        "value NaN there, for a density with missing='marginalize'.",
        HeavyValueWarning,
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
        warn(
            f"column {name} holds {len(numbers)} different numbers as text{beside}, and is taken "
            f"for a category of {len(seen)} levels: make it numeric, with NaN for what is no "
            f"number, as pandas.to_numeric(X[{name!r}], errors='coerce') does; NaN need a density "
            "with missing='marginalize'.",
            RareLevelsWarning,
        )
    elif rare:
        warn(
            f"column {name} has {len(seen)} levels, {n_single} of which a single row holds: about "
            f"{unknown:.0%} of new rows would have a level that training did not see, and score "
            "-inf. Drop the column if it only tells rows apart, or join rare levels in one.",
            RareLevelsWarning,
        )


def _reads_as_number(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
