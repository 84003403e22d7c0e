"""The members of a stack, validated: names, and densities in the units of the rows."""

from __future__ import annotations

from sklearn.base import is_outlier_detector

from ..exceptions import InvalidParameterError
from ..nested import layers

DROPPED = "drop"


def check_members(estimators, reserved) -> list[tuple]:
    """Names and densities of the members that are not dropped.

    Parameters
    ----------
    estimators : list of (str, estimator)
        As given by a user; 'drop' may stand for an estimator.
    reserved : collection of str
        Names that no member may have.

    Returns
    -------
    list of (str, estimator)
        At least one.

    Raises
    ------
    InvalidParameterError
        If these are not such pairs, two names are the same, all members are dropped, or a member
        is no density in the units of the rows.
    """
    for item in estimators:
        if not (isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str)):
            raise InvalidParameterError(
                "estimators must be a list of pairs of a name and an estimator, such as "
                f"[('mixture', GaussianMixture())], got {item!r} in it."
            )
    _check_names([name for name, _ in estimators], reserved)
    members = [(name, density) for name, density in estimators if not is_dropped(density)]
    if not members:
        raise InvalidParameterError(
            "estimators has no member that is not 'drop': give at least one density."
        )
    for name, density in members:
        _check_density(name, density)
    return members


def is_dropped(density) -> bool:
    """Whether a user has taken a member out."""
    return isinstance(density, str) and density == DROPPED


def _check_names(names, reserved):
    for name in names:
        if names.count(name) > 1:
            problem = "is there twice"
        elif name in reserved:
            problem = "is that of a parameter"
        elif "__" in name:
            problem = "holds '__', which separates names of parameters"
        else:
            continue
        raise InvalidParameterError(f"the name {name!r} in estimators {problem}: choose another.")


def _check_density(name, density):
    if isinstance(density, type):
        raise InvalidParameterError(
            f"member {name!r} is the class {density.__name__}: give an instance, "
            f"{density.__name__}()."
        )
    if not (hasattr(density, "fit") and hasattr(density, "score_samples")):
        raise InvalidParameterError(
            f"member {name!r} must be 'drop' or have fit and score_samples, got {density!r}."
        )
    kind = type(density).__name__
    if hasattr(density, "__sklearn_tags__") and is_outlier_detector(density):
        raise InvalidParameterError(
            f"member {name!r} is a {kind}, whose scores are no log densities: give a density."
        )
    if any(held.log_density == "same" and held.transformers for held in layers(density)):
        raise InvalidParameterError(
            f"member {name!r} has a pipeline whose steps change the units of its log density, so "
            "that no weighted mean with others is a density. Give TransformedDensity(transformer, "
            "density), or put the transformer around the whole stack."
        )
