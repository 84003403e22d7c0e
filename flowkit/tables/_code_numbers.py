"""Numbers that are names, such as codes of answers, told from numbers that are amounts."""

from __future__ import annotations

import numpy as np

# Most distinct values that codes have, and fewest rows of each, by number and by share.
_MAX_CODES, _MIN_ROWS, _MIN_SHARE = 10, 5, 0.01
# Codes have a gap of more than so many times the least one; amounts are more even.
_WIDE_GAP = 5


def reason_for_codes(numbers: np.ndarray, whole: bool) -> str | None:
    """Why numbers are names rather than amounts, None where they are not.

    Parameters
    ----------
    numbers : ndarray of shape (n,)
        Numbers, none missing.
    whole : bool
        Whether all are whole.
    """
    values, counts = np.unique(numbers, return_counts=True)
    if values.tolist() == [0, 1]:
        return "zeros and ones alone"
    few = 2 <= len(values) <= _MAX_CODES
    if not few or counts.min() < max(_MIN_ROWS, _MIN_SHARE * len(numbers)):
        return None
    if len(values) == 2:
        return "two values alone"
    steps = np.diff(values)
    # Even steps are a scale, whatever their length.
    far_apart = whole and steps.max() > _WIDE_GAP * steps.min()
    return "few whole numbers far apart" if far_apart else None
