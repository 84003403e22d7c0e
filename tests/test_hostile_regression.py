"""Features and targets of any size, kind and container: finite answers, or errors that say why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given

from flowkit.exceptions import InvalidDataError, UnsupportedValueError

from .hostile import NO_NUMBERS, NONSENSE, SIZES, answer, arrays_of, examples, numbers, rows_of_size
from .regression.examples import fitted, small

MODELS = ("one", "two", "auto", "calibrated")
every_model = pytest.mark.parametrize("name", MODELS)
OF_FEATURES = {
    "predict": {"return_std": True},
    "predict_quantiles": {},
    "predict_interval": {},
    "sample": {"random_state": 0},
}
OF_TARGETS = ("log_prob", "cdf", "score")
PARAMETERS = [
    ("predict", "return_std"),
    ("predict_quantiles", "quantiles"),
    ("predict_interval", "coverage"),
    ("sample", "n_samples"),
    ("sample", "random_state"),
]
# Targets that are none; one column of numbers is one target.
NO_TARGETS = {name: make for name, make in NO_NUMBERS.items() if name != "one dimension"}


def try_features(name, X):
    model, _, Y = fitted(name)
    for method, options in OF_FEATURES.items():
        for array in arrays_of(answer(getattr(model, method), X, **options)):
            assert np.isfinite(array).all(), method
    for method in OF_TARGETS:
        out = answer(getattr(model, method), X, Y[: len(X)])
        assert out is None or not np.isnan(out).any() or len(X) == 1, method


@every_model
@given(X=numbers())
@example(X=np.full((2, 3), SIZES[-1]))
@example(X=np.array([[1e155, -1e155, 1e160], [1e22, 0.0, 0.0]]))
@examples(3)
def test_features_of_any_size(name, X):
    try_features(name, X)


@pytest.mark.slow
@every_model
@given(X=numbers())
@examples(150)
def test_many_features_of_any_size(name, X):
    try_features(name, X)


@pytest.mark.parametrize("name", ["one", "two"])
@given(Y=numbers(2))
@example(Y=np.array([[SIZES[-1], -SIZES[-1]]] * 2))
@examples(5)
def test_targets_of_any_size(name, Y):
    model, X, _ = fitted(name)
    Y = Y if name == "two" else Y[:, 0]
    log_prob, cdf = (answer(ask, X[: len(Y)], Y) for ask in (model.log_prob, model.cdf))
    assert (log_prob < np.inf).all()
    assert ((cdf >= 0) & (cdf <= 1)).all()
    far = np.abs(Y.reshape(len(Y), -1)) > 1e6
    assert (np.isin(cdf.reshape(far.shape)[far], [0, 1])).all()
    if len(Y) > 1:
        assert answer(model.score, X[: len(Y)], Y) <= 1


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e100, 1e150])
def test_the_score_does_not_depend_on_the_unit(size):
    _, X, y = fitted("one")
    model = small(max_epochs=1).fit(X, y)
    assert small(max_epochs=1).fit(X, y * size).score(X, y * size) == pytest.approx(
        model.score(X, y), abs=1e-6
    )


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_holds_no_features_is_refused(make):
    model, X, Y = fitted("one")
    wrong = make(X[:6])
    for method, options in OF_FEATURES.items():
        assert answer(getattr(model, method), wrong, **options) is None, method
    for method in OF_TARGETS:
        assert answer(getattr(model, method), wrong, Y[:6]) is None, method


@pytest.mark.parametrize("make", NO_TARGETS.values(), ids=NO_TARGETS)
def test_what_holds_no_targets_is_refused(make):
    # Text, dates and others lie in the second column, or in all.
    model, X, _ = fitted("two")
    wrong = make(rows_of_size(len(X)))
    if getattr(wrong, "shape", None) != (len(X), 2):
        for method in OF_TARGETS:
            assert answer(getattr(model, method), X, wrong) is None, method


@pytest.mark.parametrize("name", ["None within", "NaN", "dates", "lengths of time"])
@pytest.mark.parametrize("single", [True, False])
def test_targets_that_are_no_numbers_are_not_fitted_to(name, single):
    X = rows_of_size()
    wrong = NO_NUMBERS[name](X)
    model = small()
    before = dict(vars(model))
    with pytest.raises((InvalidDataError, UnsupportedValueError), match="y"):
        model.fit(X, wrong[:, 1] if single else wrong)
    assert vars(model) == before


@pytest.mark.parametrize(("method", "parameter"), PARAMETERS)
@every_model
def test_nonsense_for_a_parameter(name, method, parameter):
    model, X, _ = fitted(name)
    for value in NONSENSE.values():
        out = answer(getattr(model, method), X[:2], **{parameter: value})
        assert not any(np.isnan(array).any() for array in arrays_of(out))


def test_predictions_that_overflow_name_rows_and_columns():
    model, X, _ = fitted("one")
    far = X[:5].copy()
    far[3, 1] = SIZES[-1]
    with pytest.raises(InvalidDataError, match=r"predictions of row\(s\) 3 .* column\(s\) 1"):
        model.predict(far)


def test_a_fold_of_one_row_predicts_its_target():
    X, y = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([1.0, 3.0])
    model = answer(small(max_epochs=1).fit, X, y)
    assert np.isfinite(answer(model.predict, X)).all()
