"""Lists that mix text and numbers, which numpy would make text."""

from __future__ import annotations

import numpy as np

from ._as_array import check_array
from ._containers import container_of


def keep_types(X):
    """Rows as they are, and lists that hold text as an array of objects.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    """
    if container_of(X).is_typed:
        return X
    if check_array(X, dtype=None, ensure_2d=False, ensure_all_finite=False).dtype.kind in "US":
        return np.array(X, dtype=object)
    return X
