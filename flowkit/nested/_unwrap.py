"""What an estimator holds, asked of the estimator: the one way through wrappers.

A wrapper has a method ``_held()`` that returns a `Held`, or None while it holds nothing. Those of
scikit-learn have none and are registered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from itertools import takewhile
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

from ..exceptions import InvalidParameterError


@dataclass(frozen=True)
class Held:
    """An estimator within another one, and how rows get there.

    Parameters
    ----------
    estimator : estimator
        The one within; fitted where the wrapper is.
    transformers : tuple of transformers or None, default=()
        What each row goes through on the way, in order. None where no single row of the estimator
        within stands for a row of the wrapper.
    log_density : {'same', 'with_jacobian', 'other'}, default='same'
        What the wrapper scores a row by: the log density of the estimator within, of the
        transformed row; that plus the log Jacobian of the transformers; or something else.
    others : tuple of estimators, default=()
        What the wrapper holds beside the estimator, in the same way.
    """

    estimator: Any
    transformers: tuple | None = ()
    log_density: str = "same"
    others: tuple = ()

    @property
    def is_stand_in(self) -> bool:
        """Whether the wrapper has the rows, scores and draws of the estimator within."""
        return self.log_density == "same" and self.transformers == ()


@dataclass(frozen=True)
class Unwrapped:
    """An estimator within wrappers, and what each row goes through on the way to it.

    Parameters
    ----------
    estimator : estimator
        The one within.
    transformers : tuple of transformers, default=()
        From the outside in.
    barrier : estimator, default=None
        The outermost wrapper for whose rows no single row of the estimator within stands, such as a
        `TableDensity`, which averages over cells; None if there is none.
    """

    estimator: Any
    transformers: tuple = ()
    barrier: Any = None

    def transform(self, X):
        """Rows as the estimator within sees them.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows as the outermost wrapper sees them.

        Returns
        -------
        array-like or DataFrame of shape (n_samples, n_features_within)
            The same rows.

        Raises
        ------
        InvalidParameterError
            If there are no such rows.
        """
        if self.barrier is not None:
            wrapper, inside = type(self.barrier).__name__, type(self.estimator).__name__
            raise InvalidParameterError(
                f"{wrapper} encodes its columns and averages over cells of them: no single row of "
                f"the {inside} inside stands for a row of X. Give its attribute 'density_' in its "
                "place, and encoded rows."
            )
        for transformer in self.transformers:
            X = transformer.transform(X)
        return X

    def get_feature_names(self, names) -> list[str] | None:
        """Names of the columns that the estimator within sees.

        Parameters
        ----------
        names : list
            Names of the columns that the outermost wrapper sees.

        Returns
        -------
        list of str or None
            None if a transformer has no names of its output, or there are no such rows.
        """
        if self.barrier is not None:
            return None
        for transformer in self.transformers:
            # A transformer that was fitted with names refuses others.
            given = getattr(transformer, "feature_names_in_", [str(name) for name in names])
            try:
                names = transformer.get_feature_names_out(given)
            except (AttributeError, ValueError):
                return None
        return list(names)


@singledispatch
def held_by(estimator) -> Held | None:
    """What an estimator holds.

    Parameters
    ----------
    estimator : estimator
        Any one, fitted or not.

    Returns
    -------
    Held or None
        None if it is no wrapper.
    """
    if hasattr(estimator, "_held"):
        return estimator._held()
    # Searches of other packages.
    best = getattr(estimator, "best_estimator_", None)
    return None if best is None else Held(best)


@held_by.register
def _(estimator: FrozenEstimator):
    return Held(estimator.estimator)


@held_by.register
def _(estimator: Pipeline):
    return Held(estimator[-1], (estimator[:-1],) if len(estimator) > 1 else ())


@held_by.register
def _(estimator: BaseSearchCV):
    return Held(getattr(estimator, "best_estimator_", estimator.estimator))


def layers(estimator) -> Iterator[Held]:
    """What an estimator holds, what that holds, and so on to the innermost.

    Parameters
    ----------
    estimator : estimator
        Any one, fitted or not.

    Yields
    ------
    Held
        From the outside in; nothing if the estimator is no wrapper.
    """
    while (held := held_by(estimator)) is not None:
        yield held
        estimator = held.estimator


def find(estimator, name: str) -> Unwrapped:
    """The outermost estimator, from the outside in, that has a method or attribute.

    Where a wrapper holds several, such as a detector its densities, the first that has it is taken.

    Parameters
    ----------
    estimator : estimator
        Any one, fitted or not.
    name : str
        Name of the method or attribute.

    Returns
    -------
    Unwrapped
        The estimator, or the innermost one if none has it, and the way of rows to it.
    """
    held = None if hasattr(estimator, name) else held_by(estimator)
    if held is None:
        return Unwrapped(estimator)
    found = [find(one, name) for one in (held.estimator, *held.others)]
    best = next((one for one in found if hasattr(one.estimator, name)), found[0])
    if held.transformers is None:
        return Unwrapped(best.estimator, barrier=estimator)
    return Unwrapped(best.estimator, held.transformers + best.transformers, best.barrier)


def unwrap(density) -> Unwrapped:
    """The density inside wrappers that transform rows, and the transformers on the way to it.

    Log densities differ by the Jacobian of the transformers at most. A wrapper of which that is not
    true, such as `TableDensity` with its cells, is not opened.

    Parameters
    ----------
    density : estimator
        Fitted.

    Returns
    -------
    Unwrapped
        The density itself, and no transformers, if it is no such wrapper.
    """
    transformers = ()
    for held in takewhile(_transforms_rows, layers(density)):
        density = held.estimator
        transformers += held.transformers
    return Unwrapped(density, transformers)


def stood_for(density):
    """The density that frozen estimators and searches stand for.

    Parameters
    ----------
    density : estimator
        Any one, fitted or not.

    Returns
    -------
    estimator
        One of the same rows, scores and draws.
    """
    for held in takewhile(lambda held: held.is_stand_in, layers(density)):
        density = held.estimator
    return density


def _transforms_rows(held) -> bool:
    return held.log_density != "other" and held.transformers is not None
