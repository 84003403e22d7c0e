"""Labels of columns, strings or not: kept by `fit`, compared when rows are scored.

scikit-learn keeps names that are all strings, as ``feature_names_in_``, and ignores all others.
"""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._containers import container_of
from ._warn import warn

_MAX_SHOWN = 5


def check_labels(estimator, X, reset: bool):
    """Keep the labels of the columns of X, or compare them with those that were kept.

    Parameters
    ----------
    estimator : estimator
        Names that are all strings are left to scikit-learn's own check of it.
    X : object
        Only tables have labels.
    reset : bool
        Whether to keep them.

    Returns
    -------
    X : object
        As given, or, where only some labels are strings, which scikit-learn refuses, with positions
        for labels.

    Raises
    ------
    InvalidDataError
        If a label stands for several columns, or the labels are not those that were kept.
    """
    container = container_of(X)
    given = container.labels
    if given is not None:
        _refuse_repeated(given)
    if reset:
        estimator.__dict__.pop("_kept_labels", None)
        if given is not None and not _are_names(given):
            estimator._kept_labels = given
    else:
        _compare_with_kept(estimator, given)
    if given is None or _are_names(given) or not any(isinstance(label, str) for label in given):
        return X
    return container.with_positions()


def _compare_with_kept(estimator, given):
    kept = getattr(estimator, "_kept_labels", None)
    if kept is None:
        names = getattr(estimator, "feature_names_in_", None)
        if names is not None and given is not None and _say_something(given):
            _compare(list(names), given)
    elif given is not None:
        # Names against mere positions are a warning of scikit-learn's.
        if _say_something(kept) or not _are_names(given):
            _compare(kept, given)
    elif _say_something(kept):
        warn(
            f"X has no column names, but {type(estimator).__name__} was fitted with names: its "
            "columns are taken in the order of those in fit.",
            UserWarning,
        )


def labels_of(estimator) -> np.ndarray | None:
    """Labels of the columns that an estimator was fitted to, None where they had none.

    Parameters
    ----------
    estimator : estimator
        One that `check_labels` kept labels for, or that was told some by `tell_labels`.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return names
    kept = getattr(estimator, "_kept_labels", None)
    if kept is None:
        kept = getattr(estimator, "_told_labels", None)
    if kept is None:
        return None
    labels = np.empty(len(kept), dtype=object)
    labels[:] = kept
    return labels


def tell_labels(density, labels: list) -> None:
    """Let a nested density that gets arrays name their columns as the table around it does.

    Parameters
    ----------
    density : estimator
        Not fitted yet.
    labels : list
        What its messages call the columns.
    """
    density._told_labels = labels


def _are_names(labels) -> bool:
    return all(isinstance(label, str) for label in labels)


def _say_something(labels) -> bool:
    """Whether labels are more than the positions that a table has by default."""
    return not _are_names(labels) and labels != list(range(len(labels)))


def _refuse_repeated(labels):
    repeated = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if repeated:
        raise InvalidDataError(
            f"X has several columns of the name {_listed(repeated)}: names must be unique. Rename "
            "or drop these columns."
        )


def _compare(kept, given):
    # A wrong number of columns has an error of its own.
    if kept == given or len(kept) != len(given):
        return
    unseen = [label for label in given if label not in kept]
    absent = [label for label in kept if label not in given]
    message = "The feature names should match those that were passed during fit. "
    if unseen:
        message += f"Feature names unseen at fit time: {_listed(unseen)}. "
    if absent:
        message += f"Feature names seen at fit time, yet now missing: {_listed(absent)}. "
    if not unseen:
        message += f"They must be in the same order as they were in fit: {_listed(kept)}."
    raise InvalidDataError(message.rstrip())


def _listed(labels):
    rest = ", ..." if len(labels) > _MAX_SHOWN else ""
    return ", ".join(map(repr, labels[:_MAX_SHOWN])) + rest
