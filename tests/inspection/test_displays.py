"""What holds of every Display of the table, whatever it draws."""

from __future__ import annotations

import functools
import inspect
import re
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.testing import assert_equal
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flowkit import DensityOutlierDetector, TableDensity, TransformedDensity, inspection
from flowkit.exceptions import InvalidParameterError, MissingDependencyError
from flowkit.inspection._display import Display

from ..table import DISPLAYS

X = np.random.RandomState(0).standard_normal((80, 4)) @ np.diag([1.0, 2.0, 3.0, 4.0]) + 5.0
# Scores of these are drawn, of whatever has them.
OF_SCORES = ("DensityDisplay", "ScoreHistogramDisplay")
# And draws.
OF_WHOLES = (*OF_SCORES, "PairDisplay")
OF_PARTS = sorted(set(DISPLAYS) - set(OF_WHOLES))
OF_DENSITIES = sorted(set(OF_PARTS) - {"CalibrationDisplay", "ExplanationDisplay"})

every_display = pytest.mark.parametrize("name", DISPLAYS)


@functools.cache
def fit_once(make):
    return make().fit(X)


def fitted(name):
    return fit_once(DISPLAYS[name][0])


def draw(name, estimator=None, rows=X, **options):
    estimator = fitted(name) if estimator is None else estimator
    arguments = DISPLAYS[name][1](rows)
    return getattr(inspection, name).from_estimator(estimator, **arguments, **options)


def parameters(display):
    return {key: getattr(display, key) for key in inspect.signature(type(display)).parameters}


@pytest.fixture
def ax():
    """Axes of a figure that belongs to no window and no list of open figures."""
    return Figure().subplots()


@pytest.fixture
def figures():
    """New figures need no window and are closed in the end."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    yield plt
    plt.close("all")


@pytest.fixture
def no_matplotlib(monkeypatch):
    """As where it is not installed: no module of it is left from before."""
    for module in [module for module in sys.modules if module.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_every_display_is_in_the_table():
    public = [getattr(inspection, name) for name in inspection.__all__]
    displays = {thing.__name__ for thing in public if inspect.isclass(thing)}
    assert set(DISPLAYS) == {name for name in displays if name.endswith("Display")}


@every_display
def test_signatures_are_those_of_scikit_learn(name):
    display = getattr(inspection, name)
    assert issubclass(display, Display)
    stored = inspect.signature(display).parameters.values()
    assert {p.kind for p in stored} == {inspect.Parameter.KEYWORD_ONLY}
    made = inspect.signature(display.from_estimator).parameters
    assert next(iter(made)) == "estimator"
    assert made["ax"].default is None
    plotted = inspect.signature(display.plot).parameters
    assert list(plotted)[:2] == ["self", "ax"]
    for options in (made, plotted):
        assert list(options)[-1] == "kwargs"
    later = set(list(plotted)[2:-1])
    # What `plot` takes, `from_estimator` takes too, or hands on.
    assert {p for p in later if p in made and made[p].default != plotted[p].default} == set()


@every_display
def test_given_axes_are_drawn_into(name, ax, figures):
    display = draw(name, ax=ax)
    assert display.figure_ is ax.figure
    assert all(panel is ax or panel in ax.child_axes for panel in display.axes_)
    assert display.ax_ is (ax if display.axes_[0] is ax else None)
    assert figures.get_fignums() == []
    ax.figure.canvas.draw()


@every_display
def test_a_new_figure_is_made_and_saved_by_agg(name, figures, tmp_path):
    display = draw(name)
    assert figures.get_fignums() == [display.figure_.number]
    assert isinstance(display.axes_, np.ndarray)
    assert all(isinstance(panel, Axes) and panel.has_data() for panel in display.axes_)
    display.figure_.savefig(tmp_path / "plot.png")


@every_display
def test_plot_can_be_repeated_and_returns_the_display(name, ax, figures):
    display = draw(name, ax=ax)
    before = parameters(display)
    assert display.plot() is display
    assert display.figure_ is not ax.figure
    assert_equal(parameters(display), before)


@every_display
def test_attributes_are_the_documented_ones(name, ax):
    display = draw(name, ax=ax)
    documented = set(re.findall(r"\b\w+_(?=(?:, \w+_)* :)", inspect.getdoc(type(display))))
    kept = {attribute for attribute in vars(display) if attribute.endswith("_")}
    assert kept == documented
    assert {"ax_", "axes_", "figure_"} <= kept


@every_display
def test_nothing_global_is_touched(name, figures):
    def state():
        options = dict(matplotlib.rcParams)
        return options, np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = state()
    draw(name)
    assert state() == before


@every_display
def test_missing_matplotlib_is_named(name, no_matplotlib):
    message = rf'{name}.plot needs matplotlib.*pip install "flowkit-density\[plot\]"'
    with pytest.raises(MissingDependencyError, match=message):
        draw(name)


@every_display
def test_unfitted_estimators_are_refused(name):
    make, arguments = DISPLAYS[name]
    with pytest.raises(NotFittedError):
        getattr(inspection, name).from_estimator(make(), **arguments(X))


@every_display
def test_estimators_that_lack_what_is_drawn_are_refused(name):
    other = StandardScaler() if name in OF_WHOLES else KernelDensity()
    display = getattr(inspection, name)
    for estimator in (other, make_pipeline(FunctionTransformer(), other)):
        # Scores and draws are those of the whole, all else that of what is inside.
        lacking = estimator if name in OF_WHOLES else other
        message = (
            rf"{type(lacking).__name__} has no (method|attribute) {display._needs!r}: only "
            f"{re.escape(display._owners)}, and {name} needs it"
        )
        with pytest.raises(InvalidParameterError, match=message):
            draw(name, estimator.fit(X))


@every_display
def test_several_axes_are_refused_by_what_needs_one(name, ax, figures):
    if draw(name, ax=ax).ax_ is not None:
        with pytest.raises(InvalidParameterError, match="ax must be one matplotlib Axes, got 2"):
            draw(name, ax=Figure().subplots(1, 2))


def held(name, holder):
    """The estimator of a display within another one, and rows as it sees them there."""
    frozen = FrozenEstimator(fitted(name))
    scaler = StandardScaler()
    holders = {
        "frozen": frozen,
        "pipeline": make_pipeline(scaler, frozen),
        "search": GridSearchCV(
            make_pipeline(FunctionTransformer(), frozen), {}, cv=2, scoring=lambda *_: 0.0
        ),
        "transformed": TransformedDensity(scaler, frozen),
        "detector": DensityOutlierDetector(frozen),
        "all": GridSearchCV(
            make_pipeline(scaler, DensityOutlierDetector([KernelDensity(), frozen])),
            {},
            cv=2,
            scoring=lambda *_: 0.0,
        ),
    }
    is_scaled = holder in ("pipeline", "transformed", "all")
    return holders[holder].fit(X, None), scaler.fit_transform(X) if is_scaled else X


@pytest.mark.parametrize("holder", ["frozen", "pipeline", "search", "transformed"])
@pytest.mark.parametrize("name", OF_PARTS)
def test_estimators_are_found_within_others(name, holder, ax):
    outer, rows = held(name, holder)
    assert_equal(parameters(draw(name, outer, ax=ax)), parameters(draw(name, rows=rows, ax=ax)))


@pytest.mark.parametrize("holder", ["detector", "all"])
@pytest.mark.parametrize("name", OF_DENSITIES)
def test_densities_are_found_within_detectors(name, holder, ax):
    outer, rows = held(name, holder)
    assert_equal(parameters(draw(name, outer, ax=ax)), parameters(draw(name, rows=rows, ax=ax)))


@pytest.mark.parametrize("holder", ["frozen", "pipeline", "search", "transformed", "detector"])
def test_scores_are_those_of_the_whole(holder, ax):
    for name in OF_SCORES:
        outer, _ = held(name, holder)
        display = draw(name, outer, ax=ax)
        if name == "ScoreHistogramDisplay":
            scores, rows = display.scores["all"], X
        else:
            scores = display.log_density.ravel()
            rows = np.tile(np.median(X, axis=0), (len(scores), 1))
            rows[:, 0], rows[:, 1] = display.xx0.ravel(), display.xx1.ravel()
        assert_equal(scores, outer.score_samples(rows))


# Topics are told of rows of tables, too.
@pytest.mark.parametrize("name", sorted({*OF_DENSITIES} - {"TopicDisplay", "TopicMapDisplay"}))
def test_tables_have_no_rows_for_the_density_within(name, ax):
    table = TableDensity(FrozenEstimator(fitted(name)), random_state=0).fit(X)
    if any(isinstance(value, np.ndarray) for value in DISPLAYS[name][1](X).values()):
        with pytest.raises(InvalidParameterError, match=r"no single row of the .* inside"):
            draw(name, table, ax=ax)
    else:
        assert_equal(parameters(draw(name, table, ax=ax)), parameters(draw(name, ax=ax)))


def test_words_of_topics_are_found_within_tables(ax):
    table = TableDensity(FrozenEstimator(fitted("TopicDisplay")), random_state=0).fit(X)
    display = inspection.TopicDisplay.from_estimator(table, ax=ax)
    assert display.topics == fitted("TopicDisplay").describe_topics(5)
    # The columns are continuous, so that rows are the same within.
    assert_equal(draw("TopicDisplay", table, ax=ax).topics, draw("TopicDisplay", ax=ax).topics)


@pytest.mark.parametrize("name", ["LogDetTreeDisplay", "ExplanationDisplay"])
def test_columns_keep_their_names_within_pipelines(name, ax):
    rows = pd.DataFrame(X, columns=list("abcd"))
    outer = make_pipeline(StandardScaler(), FrozenEstimator(fitted(name))).fit(rows)
    display = draw(name, outer, rows, ax=ax)
    names = display.names if name == "ExplanationDisplay" else list(display.features[0])
    assert names == list("abcd")
