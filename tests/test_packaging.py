"""What the wheel and the sdist hold, what they require, and what is cited."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import flowkit

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_both_packages_and_the_sdist_what_make_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    targets = project["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == ["flowkit", "flowkit_command"]
    sources = {pattern.removeprefix("/") for pattern in targets["sdist"]["include"]}
    assert {"flowkit", "flowkit_command", "tests", "Makefile", ".ci", "CITATION.cff"} <= sources
    for pattern in sources:
        assert list(ROOT.glob(pattern)), pattern


def test_files_that_are_no_code_lie_within_the_package():
    found = {
        path.name
        for path in (ROOT / "flowkit" / "reports").rglob("*")
        if path.suffix in (".md", ".css")
    }
    folder = resources.files("flowkit").joinpath("reports")
    assert folder.joinpath("page.css").is_file()
    assert found == {"page.css"} | {page.name for page in folder.joinpath("pages").iterdir()}


def test_no_requirement_forces_a_build_of_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(name for extra in extras for name in extra)]
    assert [name for name in required if name.startswith("torch")] == ["torch>=2.13"]
    assert not any("nvidia" in name or "+cu" in name or "@" in name for name in required)


def test_what_is_cited_is_this_version():
    cited = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {flowkit.__version__}\n" in cited
