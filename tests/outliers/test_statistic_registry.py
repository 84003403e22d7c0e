"""Every statistic of the detector keeps the contract, and all that names them agrees."""

from __future__ import annotations

import inspect
import pickle
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector, ScoreHistogramDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers.statistics import STATISTICS, Statistic, describes_statistics

from ..table import STATISTICS as DENSITIES
from .examples import Known, rows

X, NEW = rows(80, 4), rows(20, 4, seed=1)
every_statistic = pytest.mark.parametrize("name", STATISTICS)


@pytest.fixture(scope="module")
def fitted():
    """A detector by each statistic, over a density fitted once."""
    densities, detectors = {}, {}
    for name, build in DENSITIES.items():
        density = densities.setdefault(build, FrozenEstimator(build(max_epochs=1).fit(X)))
        detectors[name] = DensityOutlierDetector(density, statistic=name, random_state=0).fit(X)
    return detectors


def test_every_statistic_stands_in_the_table():
    assert set(STATISTICS) == set(DENSITIES)


@every_statistic
def test_a_statistic_is_described(name):
    statistic = STATISTICS[name]
    assert issubclass(statistic, Statistic)
    assert statistic.name == name
    assert statistic.description.endswith(".")
    assert not statistic.description[0].isupper()
    assert inspect.getdoc(statistic)
    assert "nats" in statistic.unit


def test_the_docstring_names_all_and_describes_each():
    text = inspect.getdoc(DensityOutlierDetector)
    start = text.index("\nstatistic : ")
    told = text[start : text.index("\nn_estimators : ")]
    names = told.split("{")[1].split("}")[0]
    assert [name.strip("' ") for name in names.split(",")] == list(STATISTICS)
    assert re.findall(r"^    - '(\w+)': ", told, re.MULTILINE) == list(STATISTICS)
    words = " ".join(told.split())
    for statistic in STATISTICS.values():
        assert statistic.description in words
    assert words.count("Rows must be complete.") == sum(
        not statistic.takes_incomplete_rows for statistic in STATISTICS.values()
    )
    assert "{statistic_" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_classes_without_docstring_stay_without():
    @describes_statistics(STATISTICS)
    class Stripped:
        pass

    assert Stripped.__doc__ is None


def test_unknown_names_are_refused_with_the_nearest():
    detector = DensityOutlierDetector(KernelDensity(), statistic="typical")
    with pytest.raises(InvalidParameterError, match="Did you mean 'typicality'") as caught:
        detector.fit(X)
    assert all(repr(name) in str(caught.value) for name in STATISTICS)


@every_statistic
def test_scores_are_numbers_and_the_same_alone(fitted, name):
    detector = fitted[name]
    scores = detector.score_samples(NEW)
    assert scores.shape == (20,)
    assert np.isfinite(scores).all()
    alone = np.concatenate([detector.score_samples(row[None]) for row in NEW])
    np.testing.assert_allclose(alone, scores, rtol=0, atol=1e-6)
    assert (detector.predict(X) == -1).mean() == pytest.approx(0.05, abs=0.013)
    assert (detector.predict(NEW * 1e3) == -1).all()


@every_statistic
def test_a_detector_repeats_itself_cloned_and_pickled(fitted, name):
    detector = fitted[name]
    expected = detector.score_samples(NEW)
    np.testing.assert_array_equal(clone(detector).fit(X).score_samples(NEW), expected)
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(detector)).score_samples(NEW), expected, atol=1e-9
    )


@every_statistic
def test_a_density_that_lacks_what_is_needed_is_refused(name):
    requirement = STATISTICS[name].requirement
    detector = DensityOutlierDetector(KernelDensity(), statistic=name)
    if requirement is None:
        assert np.isfinite(detector.fit(X).score_samples(NEW)).all()
        return
    message = f"'{name}' needs a density with {requirement.method}.*{requirement.example}"
    with pytest.raises(InvalidParameterError, match=f"{message}.*KernelDensity has none"):
        detector.fit(X)


@every_statistic
def test_impossible_training_rows_leave_nothing_to_compare_with(name):
    density = Known(lambda X: np.full(len(X), -np.inf)).fit(X)
    requirement = STATISTICS[name].requirement
    if requirement is not None:
        # What it says beside is not asked for.
        setattr(density, requirement.method, None)
    detector = DensityOutlierDetector(FrozenEstimator(density), statistic=name)
    with pytest.raises(InvalidDataError, match=r"training row.*support of the density"):
        detector.fit(X)


@every_statistic
def test_axes_say_what_scores_are(fitted, name):
    statistic = STATISTICS[name]
    # Figures of their own, which pyplot does not keep open.
    display = ScoreHistogramDisplay.from_estimator(fitted[name], NEW, ax=Figure().subplots())
    assert display.ax_.get_xlabel() == f"{statistic.label} ({statistic.unit})"
    if statistic.requirement is None:
        two = DensityOutlierDetector([KernelDensity(), GaussianMixture()], statistic=name).fit(X)
        display = ScoreHistogramDisplay.from_estimator(two, NEW, ax=Figure().subplots())
        label = display.ax_.get_xlabel()
        assert label == f"log share of rows as strange ({statistic.unit})"
