"""Rows held out that some member reaches: the others have no density whatever the weights."""

from __future__ import annotations

import numpy as np

from ..exceptions import OutsideSupportError, UnreachedRowsWarning
from ..validation import warn

_MAX_SHOWN = 10


def reached_rows(names: list[str], positions: np.ndarray, log_densities: np.ndarray) -> np.ndarray:
    """Which rows have a density under at least one member.

    Parameters
    ----------
    names : list of str
        Of the members.
    positions : ndarray of int of shape (n_rows,)
        Positions of the rows in the data of the user.
    log_densities : ndarray of shape (n_rows, n_members)
        Their log densities under each member, ``-inf`` where the density is zero.

    Returns
    -------
    ndarray of bool of shape (n_rows,)
        True at least once.

    Raises
    ------
    OutsideSupportError
        If no row has.

    Warns
    -----
    UnreachedRowsWarning
        If some have none.
    """
    is_reached = np.isfinite(log_densities).any(1)
    if is_reached.all():
        return is_reached
    lost, n = positions[~is_reached], len(positions)
    found = (
        f"{len(lost)} of {n} rows held out have no density under any member ({', '.join(names)}), "
        f"whatever the weights: rows {', '.join(map(str, lost[:_MAX_SHOWN]))} first"
    )
    advice = (
        "Drop these rows, or add a member that reaches everywhere, such as GaussianMixture or "
        "FlowDensity. Where members are tables that have not seen a rare level, give "
        "TableDensity(StackedDensity(...)) instead, which learns the levels of all rows."
    )
    if not is_reached.any():
        raise OutsideSupportError(f"{found}. None is left to fit weights to. {advice}")
    warn(f"{found}. The weights are fitted to the others. {advice}", UnreachedRowsWarning)
    return is_reached
