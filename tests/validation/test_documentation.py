"""Diagrams in notebooks link to the pages of the site."""

import re
from email.message import Message
from pathlib import Path

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import flowkit
from flowkit import FlowDensity, TableDensity, conditions, estimators, outliers
from flowkit.validation import SuggestingEstimator, _documentation

API = Path(__file__).parents[2] / "docs" / "api.md"
SITE = "https://site.test/flowkit"


def documented_names():
    """Full names that have a page of their own."""
    return {f"flowkit.{name}" for name in re.findall(r"^   ([\w.]+)$", API.read_text(), re.M)}


def public_estimators():
    places = (flowkit, estimators, outliers, conditions)
    things = {vars(place)[name] for place in places for name in place.__all__}
    return sorted(
        (
            thing
            for thing in things
            if isinstance(thing, type) and issubclass(thing, SuggestingEstimator)
        ),
        key=lambda cls: cls.__name__,
    )


def link_of(cls):
    return object.__new__(cls)._get_doc_link()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("FLOWKIT_DOCS", f"{SITE}/")


@pytest.mark.parametrize("cls", public_estimators(), ids=lambda cls: cls.__name__)
def test_public_estimators_link_to_pages_that_are_built(cls, site):
    link = link_of(cls)
    page = re.fullmatch(re.escape(f"{SITE}/api/") + r"([\w.]+)\.html", link)
    assert page, link
    assert page[1] in documented_names()
    assert page[1].split(".")[-1] == cls.__name__


def test_diagrams_link_classes_and_parameters_within_others(site):
    diagram = estimator_html_repr(make_pipeline(StandardScaler(), TableDensity(FlowDensity())))
    assert f'href="{SITE}/api/flowkit.TableDensity.html"' in diagram
    assert f'href="{SITE}/api/flowkit.FlowDensity.html"' in diagram
    assert "scikit-learn.org" in diagram


def test_classes_of_others_have_no_page(site):
    class Own(FlowDensity):
        pass

    assert link_of(Own) == ""
    assert link_of(type("FlowDensity", (FlowDensity,), {"__module__": "flowkit.own"})) == ""


def test_without_an_address_there_are_no_links(monkeypatch):
    monkeypatch.delenv("FLOWKIT_DOCS", raising=False)
    monkeypatch.setattr("flowkit.validation._documentation._stated_site", lambda: "")
    assert link_of(FlowDensity) == ""
    assert "FlowDensity" in estimator_html_repr(FlowDensity())
    assert "flowkit.FlowDensity.html" not in estimator_html_repr(FlowDensity())


def test_the_address_is_that_of_the_distribution(monkeypatch):
    stated = Message()
    stated["Project-URL"] = "Source, https://source.test"
    stated["Project-URL"] = f"Documentation, {SITE}"
    monkeypatch.delenv("FLOWKIT_DOCS", raising=False)
    monkeypatch.setattr(_documentation.metadata, "metadata", lambda name: stated)
    monkeypatch.setattr(_documentation, "_stated_site", _documentation._stated_site.__wrapped__)
    assert link_of(FlowDensity) == f"{SITE}/api/flowkit.FlowDensity.html"
