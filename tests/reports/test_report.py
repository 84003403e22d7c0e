"""A report holds what was measured, in each of its forms."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import flowkit
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers import Reasons
from flowkit.reports import CHECKS
from flowkit.reports._images import strip
from flowkit.reports._strange import _within

from .examples import Nowhere, kernels, normal_rows

VOID = {"meta", "br", "img", "link", "input", "hr"}


def make_table(n=120):
    rng = np.random.default_rng(0)
    size = rng.choice(["small", "large <b>"], n)
    weight = rng.normal(np.where(size == "small", 1.0, 4.0), 0.2)
    weight[5] = 50.0
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n), unit="D")
    return pd.DataFrame({"size": size, "weight | kg": weight, "n": rng.poisson(9, n), "day": day})


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def density(table):
    flow = flowkit.FlowDensity(max_epochs=2, random_state=0)
    return flowkit.TableDensity(flow, random_state=0).fit(table)


@pytest.fixture(scope="module")
def detector(table):
    gaussian = flowkit.TableDensity(GaussianMixture(), random_state=0)
    return flowkit.DensityOutlierDetector(gaussian, random_state=0).fit(table)


@pytest.fixture(scope="module")
def told(density, table, detector):
    return flowkit.report(density, table, detector=detector, n_strange=3)


class Page(HTMLParser):
    """Tags, their attributes and text of a page; tags must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.text, self.tags = [], [], [], set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def html(told, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    told.save(path)
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(html):
    page = Page(html)
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    addresses = [value for name, value in page.attributes if name in ("href", "src")]
    assert addresses
    assert all(address.startswith("#s") for address in addresses)
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_is_for_narrow_and_dark_screens_too(html):
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert html.count("<table>") == html.count('<div class="wide"><table>')


def test_the_page_tells_the_strange_row_and_its_reason(html):
    text = " ".join(Page(html).text)
    assert "The strangest row is 5: weight | kg = 50" in text
    assert "large <b>" in text
    for title in ("Checks", "Held-out log density", "Training", "Rows drawn", "The data as read"):
        assert title in text


def test_numbers_in_pictures_are_finite(html):
    assert "<svg" in html
    assert not any(word in html for word in ("nan,", ",nan", '"nan"', "inf,", ",inf"))


def test_numbers_are_plain(told, tmp_path):
    found = told.to_dict()
    path = tmp_path / "report.json"
    told.save(path)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == found
    assert [check["number"] for check in found["checks"]] == [check.number for check in CHECKS]
    assert [column["column"] for column in found["columns"]] == ["size", "weight | kg", "n", "day"]
    assert [column["kind"] for column in found["columns"]] == [
        "categorical",
        "continuous",
        "integer",
        "date",
    ]
    assert found["columns"][3]["low"].startswith("2024-01-0")
    assert found["strange_rows"][0]["row"] == 5
    assert len(found["strange_rows"]) == 3
    assert set(found["held_out"]["densities"]) == {
        "this density",
        "Gaussian",
        "Gaussian mixture (BIC)",
        "kernel density (CV)",
    }
    assert found["training"]["epochs"] == [0, 1, 2]


def test_text_is_markdown_with_as_many_cells_in_each_line(told, tmp_path):
    path = tmp_path / "report.md"
    told.save(path)
    text = path.read_text(encoding="utf-8")
    assert text == str(told)
    assert text.startswith("# TableDensity: a report\n")
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
    assert len(tables) >= 3
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "weight \\| kg" in text
    assert "large \\<b>" in text


def test_notebooks_get_the_page_in_a_frame(told, html):
    frame = told._repr_html_()
    page = Page(frame)
    assert dict(page.attributes)["srcdoc"] == html
    assert page.tags == {"iframe"}
    assert "The strangest row is 5" in repr(told)


def test_the_estimator_stays_as_it_is(density, table, detector, told):
    again = flowkit.report(density, table, detector=detector, n_strange=3)
    assert again.to_dict() == told.to_dict()


def test_held_out_rows_are_scored_in_the_units_of_the_estimator():
    X, X_test = 100 * normal_rows(200, 2), 100 * normal_rows(100, 2, seed=1)
    alone = GaussianMixture(random_state=0)
    scaled = make_pipeline(StandardScaler(), clone(alone))
    shift = np.log(X.std(0)).sum()
    for model, units in ((alone, 0.0), (scaled, shift)):
        model.fit(X)
        found = flowkit.report(model, X, X_test=X_test).to_dict()["held_out"]["densities"]
        assert found["this density"]["mean"] == pytest.approx(model.score(X_test))
        assert found["Gaussian"]["mean"] - units == pytest.approx(
            alone.fit(X).score(X_test), abs=0.05
        )


def test_missing_values_are_counted_and_not_compared():
    table = make_table(80).drop(columns="day")
    table.loc[:9, "n"] = np.nan
    flow = flowkit.FlowDensity(missing="marginalize", max_epochs=1, random_state=0)
    density = flowkit.TableDensity(flow, random_state=0).fit(table)
    found = flowkit.report(density, table, n_strange=1).to_dict()
    assert [column["missing"] for column in found["columns"]] == [0, 0, 10]
    assert found["held_out"]["held_out_rows"] < 16 or found["held_out"]["training_rows"] == 64
    assert found["held_out"]["not_fitted"] == {}


def test_detectors_and_densities_without_draws_have_reports():
    X = normal_rows(100, 2)
    X[3] = 30.0
    detector = flowkit.DensityOutlierDetector(kernels(), random_state=0).fit(X)
    found = flowkit.report(detector, X).to_dict()
    assert "no log densities" in found["held_out"]
    assert found["strange_rows"][0]["row"] == 3
    assert found["training"] is None


def test_frozen_estimators_are_compared_on_rows_given():
    X, X_test = normal_rows(100, 2), normal_rows(60, 2, seed=1)
    frozen = FrozenEstimator(kernels().fit(X))
    assert "frozen" in flowkit.report(frozen, X).to_dict()["held_out"]
    found = flowkit.report(frozen, X, X_test=X_test).to_dict()["held_out"]
    assert found["held_out_rows"] == 60
    assert not found["refitted"]


def test_a_density_that_holds_all_rows_impossible_has_a_report(tmp_path):
    X = normal_rows(100, 3)
    told = flowkit.report(Nowhere().fit(X), X)
    found = {check["number"]: check["status"] for check in told.to_dict()["checks"]}
    assert found["R2"] == found["R3"] == "found"
    told.save(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"[>\s\"(]nan\b", text)


def test_topics_are_told():
    X = np.random.default_rng(0).poisson(3, (80, 6)).astype(float)
    density = flowkit.FractalFlowDensity(n_topics=2, max_epochs=1, random_state=0).fit(X)
    told = flowkit.report(density, X, refit=False, n_strange=1)
    assert len(told.to_dict()["topics"]) == 2
    assert "## Topics" in str(told)


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_images_are_shown_as_they_are(channels, tmp_path):
    shape = (4, 6, *channels)
    X = np.random.default_rng(0).integers(0, 256, (40, np.prod(shape))).astype(float)
    found = strip(X[:3], shape, (0.0, 255.0), "three")
    png = base64.b64decode(found.split("base64,")[1].split('"')[0])
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    assert pixels.shape == (4, 3 * 6 + 2, *channels)
    for i in range(3):
        np.testing.assert_array_equal(pixels[:, 7 * i : 7 * i + 6], X[i].reshape(shape))
    options = {"hidden_units": 8, "max_epochs": 1, "random_state": 0}
    density = flowkit.RGFlowDensity(image_shape=shape, **options).fit(X)
    flowkit.report(density, X, refit=False, n_strange=2).save(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<img class="strip"') == 3


def test_many_columns_are_cut_in_text_only():
    X = normal_rows(60, 45)
    told = flowkit.report(GaussianMixture(covariance_type="diag").fit(X), X, refit=False)
    assert "5 more columns" in str(told)
    assert len(told.to_dict()["columns"]) == 45


def test_mistakes_are_told(density, table, told, tmp_path):
    with pytest.raises(NotFittedError):
        flowkit.report(flowkit.FlowDensity(), table)
    with pytest.raises(NotFittedError):
        flowkit.report(density, table, detector=flowkit.DensityOutlierDetector())
    with pytest.raises(InvalidParameterError, match="no score_samples"):
        flowkit.report(StandardScaler().fit([[1.0]]), [[1.0]])
    with pytest.raises(InvalidDataError, match="n_strange"):
        flowkit.report(density, table, n_strange=0)
    with pytest.raises(InvalidParameterError, match=r"\.html, \.md or \.json"):
        told.save(tmp_path / "report.pdf")
    with pytest.raises(OSError, match="none"):
        told.save(tmp_path / "none" / "report.html")


@pytest.mark.parametrize("rows", ["X", "X_test"])
def test_no_rows_are_told(density, table, rows):
    for none in (table[:0], 3):
        with pytest.raises(InvalidDataError, match=f"{rows} holds no rows"):
            flowkit.report(density, **{"X": table, rows: none})


@pytest.mark.parametrize("rows", ["X", "X_test"])
def test_rows_of_other_columns_are_refused_by_name(density, table, rows):
    wrong = {"X": table, rows: table.drop(columns="n")}
    with pytest.raises(InvalidDataError, match="n"):
        flowkit.report(density, wrong.pop("X"), refit=False, **wrong)


def test_typical_values_keep_to_bounds_that_the_detector_does_not_know(table, density, detector):
    bounded = clone(density).set_params(
        bounds={"weight | kg": (3.5, 4.0)}, density=GaussianMixture()
    )
    bounded.fit(table.assign(**{"weight | kg": np.linspace(3.5, 4.0, len(table))}))
    told = flowkit.report(bounded, table, detector=detector, refit=False).to_dict()
    texts = [line for row in told["strange_rows"] for line in row["reasons"]]
    told = [line for line in texts if line.startswith("weight | kg") and "typical" in line]
    assert told
    for line in told:
        numbers = map(float, re.search(r"typical (\S+) \((\S+) to (\S+)\)", line).groups())
        assert all(3.5 <= number <= 4.0 for number in numbers)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, [True, 12345678, "red", 0.5]),
        ({"b": (0, 3), "d": (1.0, 2.0)}, [True, 3, "red", 1.0]),
        (
            {"a": (-np.inf, np.inf), "b": (0.0, 12345677.5), "c": (0, 1)},
            [True, 12345677.5, "red", 0.5],
        ),
    ],
)
def test_bounds_change_no_value_within_them_and_no_type(bounds, expected):
    typical = np.array([[True, 12345678, "red", 0.5]], dtype=object)
    none = np.full(typical.shape, np.nan)
    names = np.array([list("abcd")], dtype=object)
    reasons = Reasons([0], names, typical, typical, none, none, none, none, none == 0)
    found = _within(reasons, bounds)
    assert found.typical[0].tolist() == expected
    assert [type(value) for value in found.typical[0]] == [type(value) for value in expected]
    assert np.isnan(found.low).all()
