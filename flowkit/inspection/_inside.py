"""The estimator that a display draws, inside whatever holds it."""

from __future__ import annotations

from typing import NamedTuple

from ..exceptions import InvalidParameterError
from ..outliers._parts import as_innermost_sees, innermost, innermost_names


class Inside(NamedTuple):
    """An estimator inside others.

    Parameters
    ----------
    estimator : estimator
        The one inside.
    holders : tuple of estimators
        Those around it, the outermost first; each holds the next, or the estimator.
    """

    estimator: object
    holders: tuple = ()

    def see(self, X):
        """Rows as the estimator inside sees them.

        Raises
        ------
        InvalidParameterError
            If one of the holders has no rows for it that stand for those given.
        """
        for holder in self.holders:
            if hasattr(holder, "kinds_"):
                raise InvalidParameterError(
                    f"{type(holder).__name__} encodes its columns and averages over cells of them: "
                    "no single row of the density within stands for a row of X. Give its attribute "
                    "'density_', and encoded rows."
                )
            X = as_innermost_sees(holder, X)
        return X

    def names_of(self, X) -> list[str] | None:
        """Names of the columns that the estimator inside sees.

        None where X has no names, nothing is around the estimator, or a transformer tells none.
        """
        names = getattr(X, "columns", None) if self.holders else None
        for holder in self.holders:
            names = None if names is None else innermost_names(holder, list(names))
        return names


def find(estimator, member: str) -> Inside:
    """The first estimator, from outside in, that has a method or an attribute.

    Of several densities in a detector, the first that has it counts.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    member : str
        Name of the method or attribute.

    Returns
    -------
    Inside
        The estimator, or the innermost one where none has it.
    """
    if hasattr(estimator, member):
        return Inside(estimator)
    last = innermost(estimator)
    held = [last] if last is not estimator else _densities(last)
    found = [find(one, member) for one in held]
    if not found:
        return Inside(estimator)
    best = next((one for one in found if hasattr(one.estimator, member)), found[0])
    return Inside(best.estimator, (estimator, *best.holders))


def _densities(estimator):
    """The densities that an estimator which is no wrapper consists of."""
    own = [estimator.density_] if hasattr(estimator, "density_") else []
    return getattr(estimator, "densities_", own)
