"""What members give for scores, and how errors name them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import members, rows, stack

X = rows(120)
WRONG = {
    "column": (lambda scores: scores[:, None], InvalidParameterError, r"\(24, 1\) for 24 rows"),
    "short": (lambda scores: scores[:5], InvalidParameterError, r"\(5,\) .* expected \(24,\)"),
    "one": (lambda scores: scores[:1], InvalidParameterError, r"\(1,\) for 24 rows"),
    "sum": (np.sum, InvalidParameterError, r"\(\) for 24 rows"),
    "nan": (lambda scores: np.nan * scores, InvalidDataError, "24 of 24 rows with nan"),
    "inf": (lambda scores: np.inf + 0 * scores, InvalidDataError, "24 of 24 rows with inf"),
}


class Changed(KernelDensity):
    """Kernels whose scores are changed on the way."""

    change = staticmethod(np.asarray)

    def score_samples(self, X):
        return Changed.change(super().score_samples(X))


@pytest.mark.parametrize(("change", "error", "message"), WRONG.values(), ids=WRONG)
def test_scores_that_are_not_one_log_density_a_row_are_refused(monkeypatch, change, error, message):
    density = stack([*members(), ("changed", Changed())])
    fitted = stack([*members(), ("changed", Changed())]).fit(X)
    prefit = stack(
        [("changed", Changed().fit(X)), ("kernels", KernelDensity().fit(X))], cv="prefit"
    )
    monkeypatch.setattr(Changed, "change", staticmethod(change))
    for act in (
        lambda: density.fit(X),
        lambda: prefit.fit(X[:24]),
        lambda: fitted.score_samples(X[:24]),
        lambda: fitted.responsibilities(X[:24]),
    ):
        with pytest.raises(error, match=rf"member 'changed' .*{message}"):
            act()
    assert not hasattr(density, "weights_")


def test_members_are_named_where_others_are_dropped():
    given = [("wide", "drop"), ("changed", Changed()), ("kernels", KernelDensity())]
    density = stack(given).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    density.estimators_[1].score_samples = lambda X: np.full(len(X), np.nan)
    with pytest.raises(InvalidDataError, match="member 'kernels' scores"):
        density.score_samples(X)


class Fails(BaseEstimator):
    """A density that has no way to be fitted, or to score rows."""

    def __init__(self, where="fit"):
        self.where = where

    def fit(self, X, y=None):
        if self.where == "fit":
            raise LookupError("too few")
        return self

    def score_samples(self, X):
        raise LookupError("too many")


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("where", ["fit", "score_samples"])
def test_errors_of_members_keep_their_type_and_name_them(where, n_jobs):
    with pytest.raises(LookupError) as info:
        stack([*members(), ("a", Fails(where))], n_jobs=n_jobs).fit(X)
    assert "member 'a', fitted to 96 of 120 rows" in info.value.__notes__


def test_errors_within_folds_say_of_how_many_rows():
    with pytest.raises(ValueError, match="n_components") as info:
        stack([("mixture", GaussianMixture(100))]).fit(X[:100])
    assert info.value.__notes__ == ["member 'mixture', fitted to 80 of 100 rows"]
