"""How training went, as a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..exceptions import InvalidParameterError
from ..nested import held_by


def training_history(estimator):
    """How training went, epoch by epoch, as a frame.

    Estimators that are trained keep ``history_``, a dict of one array a column. This is the same as
    a frame, of everything that is trained within an estimator: the density of a table, the members
    of a stack, the densities of a detector.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Returns
    -------
    DataFrame
        One row an epoch, and as many blocks of rows as densities were trained. The index has the
        levels `density`, the name of its class, with a number where several share it, and `epoch`,
        where 0 is before training. Columns are those of ``history_``: log densities in nats, in
        units of the rows that the density itself was given, and seconds; and `is_best`, whether the
        weights of this epoch were kept.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    InvalidParameterError
        If nothing within it is trained epoch by epoch.
    MissingDependencyError
        If pandas is not installed.

    See Also
    --------
    TrainingCurveDisplay : The same as a picture, of the first density within.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from flowkit import FlowDensity, StackedDensity
    >>> from flowkit.inspection import training_history
    >>> short, long = (FlowDensity(max_epochs=n, prior="normal") for n in (2, 3))
    >>> stack = StackedDensity([("short", short), ("long", long)], cv=2, random_state=0)
    >>> history = training_history(stack.fit(load_wine().data))
    >>> history.groupby("density").size().to_dict()
    {'FlowDensity 1': 3, 'FlowDensity 2': 4}
    >>> history.loc["FlowDensity 2", "train_log_density"].shape
    (4,)
    """
    check_is_fitted(estimator)
    pd = require("pandas", "training_history", "read the attribute history_ of each density")
    trained = list(_trained(estimator))
    if not trained:
        raise InvalidParameterError(
            f"{type(estimator).__name__} has no attribute 'history_', and nothing within it has: "
            "only estimators that are trained epoch by epoch, such as FlowDensity, keep one."
        )
    frames = [
        pd.DataFrame(one.history_)
        .set_index("epoch")
        .assign(is_best=lambda frame, one=one: frame.index == one.best_epoch_)
        for one in trained
    ]
    return pd.concat(frames, keys=_names(trained), names=["density", "epoch"])


def _trained(estimator) -> Iterator[BaseEstimator]:
    """The outermost estimators that keep a history, from the outside in."""
    if hasattr(estimator, "history_"):
        yield estimator
    elif (held := held_by(estimator)) is not None:
        for one in (held.estimator, *held.others):
            yield from _trained(one)


def _names(trained):
    """Names of classes, numbered where several are of one."""
    classes = [type(one).__name__ for one in trained]
    totals, so_far = Counter(classes), Counter()
    names = []
    for name in classes:
        so_far[name] += 1
        names.append(name if totals[name] == 1 else f"{name} {so_far[name]}")
    return names
