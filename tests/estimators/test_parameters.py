"""Shared parameters are documented once, and read in each estimator as if written there."""

from __future__ import annotations

import inspect
import re

import pytest

from flowkit import estimators
from flowkit.estimators._parameters import documented

from ..table import ESTIMATORS as BUILDS

ESTIMATORS = sorted({type(build()) for build in BUILDS.values()}, key=lambda cls: cls.__name__)


def entries(estimator, section):
    text = inspect.getdoc(estimator)
    body = re.search(rf"(?ms)^{section}\n-+\n(.*?)(?=^\w[\w ]+\n-+\n|\Z)", text)[1]
    return re.findall(r"(?m)^(\w[\w, ]*) : (.*)$", body)


def test_every_estimator_is_in_the_table():
    assert {cls.__name__ for cls in ESTIMATORS} == set(estimators.__all__) - {"BaseDensity"}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters_are_documented_in_their_order_with_their_defaults(estimator):
    told = entries(estimator, "Parameters")
    parameters = inspect.signature(estimator).parameters
    assert [name for name, _ in told] == list(parameters)
    for name, kind in told:
        default = re.search(r"default=(.+)$", kind)[1]
        shown = repr(parameters[name].default)
        assert default in (shown, re.sub(r"^1e-0(\d)$", r"1e-\1", shown)) or float(
            default
        ) == float(parameters[name].default), name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_attributes_are_documented_once(estimator):
    names = [name for name, _ in entries(estimator, "Attributes")]
    assert len(names) == len(set(names))
    assert {"history_", "location_, scale_", "n_features_in_"} <= set(names)


def test_own_entries_take_precedence_and_shared_ones_fill_the_gaps():
    @documented
    class Density:
        """One line.

        Parameters
        ----------
        own : int, default=1
            Of its own.
        tol : float, default=0.5
            In its own words.

        Attributes
        ----------
        n_iter_ : int
            In its own words.

        Notes
        -----
        The end.
        """

        def __init__(self, own=1, *, verbose=0, tol=0.5):
            pass

    text = Density.__doc__
    assert "verbose : int, default=0\n    1 shows a progress bar" in text
    assert "\ntol : float, default=0.5\n    In its own words." in text
    assert text.index("own : int") < text.index("verbose") < text.index("tol : float")
    assert text.count("In its own words.") == 2
    assert text.count("n_iter_ :") == 1
    assert "best_epoch_" in text
    assert text.endswith("The end.")
