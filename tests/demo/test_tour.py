"""The tour of `make demo`, with models too small to be good."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import warnings

import pytest
from matplotlib.figure import Figure
from PIL import Image

from flowkit import demo
from flowkit.demo.tour import SECTIONS


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """What the quick tour prints and warns of, and the folder of its pictures."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "pictures"
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        demo.main(["--quick", "--output", str(folder)])
    return printed.getvalue(), [str(warning.message) for warning in caught], folder


def test_sections_come_one_after_the_other(tour):
    places = [tour[0].index(f"\n{section.HEADING}\n") for section in SECTIONS.values()]
    assert places == sorted(places)


def test_each_section_tells_its_seconds_and_its_picture(tour):
    for name in SECTIONS:
        line = next(line for line in tour[0].splitlines() if f"{name}.png" in line)
        assert "CPU seconds" in line


def test_pictures_are_wide_enough_to_read_and_not_empty(tour):
    assert {path.stem for path in tour[2].iterdir()} == set(SECTIONS)
    for path in tour[2].iterdir():
        with Image.open(path) as picture:
            assert picture.width >= 800
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


def test_lines_fit_a_screen(tour):
    assert max(map(len, tour[0].splitlines())) <= 125


def test_no_warning_comes_twice(tour):
    assert len(tour[1]) == len(set(tour[1]))


def test_losses_are_told_with_gains(tour):
    for method in ("IsolationForest", "LocalOutlierFactor", "KernelDensity", "GaussianMixture"):
        assert method in tour[0]


def test_sections_can_be_chosen(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(SECTIONS["topics"], "show", lambda quick: ("as it is told", Figure()))
    demo.main(["--quick", "--sections", "topics", "--output", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["topics.png"]
    assert SECTIONS["densities"].HEADING not in capsys.readouterr().out


def test_it_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["flowkit.demo", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("flowkit.demo", run_name="__main__")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--quick" in said
    assert all(name in said for name in SECTIONS)
