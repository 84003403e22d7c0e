"""One tree of errors, each of which is also the built-in one that users expect."""

from __future__ import annotations

import inspect
import pickle

import pytest
from sklearn.utils._param_validation import InvalidParameterError as SklearnInvalidParameterError

from flowkit import exceptions
from flowkit.exceptions import (
    ConstraintError,
    FlowkitError,
    FlowkitWarning,
    InvalidDataError,
    InvalidFileError,
    InvalidParameterError,
    MissingDependencyError,
    StopTraining,
)

ALL = [getattr(exceptions, name) for name in exceptions.__all__]
ERRORS = [kind for kind in ALL if not issubclass(kind, Warning) and kind is not StopTraining]


def test_all_that_is_defined_is_exported():
    own = {
        name
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and kind.__module__ == exceptions.__name__
    }
    assert own == set(exceptions.__all__)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_of_flowkit_and_built_in(kind):
    assert issubclass(kind, FlowkitError)
    built_in = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert kind is FlowkitError or len(set(built_in) - {Exception, BaseException, object}) >= 1
    assert str(pickle.loads(pickle.dumps(kind("what, and what to do")))) == "what, and what to do"


def test_every_warning_is_of_flowkit():
    assert all(issubclass(kind, FlowkitWarning) for kind in ALL if issubclass(kind, Warning))


@pytest.mark.parametrize(
    ("family", "built_in"),
    [
        (InvalidParameterError, ValueError),
        (InvalidDataError, ValueError),
        (InvalidFileError, OSError),
        (MissingDependencyError, ImportError),
        (ConstraintError, SklearnInvalidParameterError),
        (ConstraintError, InvalidParameterError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_families(family, built_in):
    assert issubclass(family, built_in)
