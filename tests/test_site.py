"""The pages of the site: what they show runs and prints what they say, and they name everything."""

import doctest
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from .table import DISPLAYS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {"_build", "api", "benchmarks", "figures", "gallery"}
PAGES = sorted(
    path.relative_to(DOCS)
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in GENERATED
)
# Packages beside those of the tests that examples of a page need.
NEEDED = {Path("guide/ecosystem.md"): ("imblearn", "sdmetrics", "skrub")}
# Rooms whose public names all stand on the page of the API.
ROOMS = [
    "",
    ".bijections",
    ".datasets",
    ".distributed",
    ".exceptions",
    ".exchange",
    ".inspection",
    ".outliers",
    ".priors",
    ".topics",
]


def examples_only(text):
    """A page with its lines where they were, but blank where they are no example."""
    lines, inside = [], False
    for line in text.splitlines():
        fence = line.startswith("```")
        inside = not inside and line == "```pycon" if fence else inside
        lines.append(line if inside and not fence else "")
    return "\n".join(lines) + "\n"


def test_examples_keep_their_lines():
    page = "text\n```pycon\n>>> 1\n1\n```\n>>> 2\n"
    assert examples_only(page) == "\n\n>>> 1\n1\n\n\n"


class AboutAsPrinted(doctest.OutputChecker):
    """Numbers of a fit may differ by a tenth from one machine to another; words may not."""

    _number = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        wanted, given = ([float(n) for n in self._number.findall(text)] for text in (want, got))
        words = (self._number.sub("0", text) for text in (want, got))
        return super().check_output(*words, optionflags) and given == pytest.approx(
            wanted, rel=0.1, abs=0.02
        )


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("1.00 nats", "1.05 nats", True),
        ("1.00 nats", "1.20 nats", False),
        ("1.00 nats", "1.00 bits", False),
        ("1 2", "1", False),
        ("True", "False", False),
        ("-inf", "inf", False),
    ],
)
def test_numbers_are_compared_about(want, got, same):
    assert AboutAsPrinted().check_output(want, got, doctest.NORMALIZE_WHITESPACE) == same


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_of_a_page_print_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for package in NEEDED.get(page, ()):
        pytest.importorskip(package)
    pytest.importorskip("matplotlib.pyplot").switch_backend("agg")
    text = examples_only((DOCS / page).read_text())
    test = doctest.DocTestParser().get_doctest(text, {}, str(page), str(page), 0)
    told = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(AboutAsPrinted(), optionflags=options).run(test, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_stands_on_the_page_of_the_api(room):
    page = (DOCS / "api.md").read_text().split()
    for name in set(importlib.import_module(f"flowkit{room}").__all__) - {"__version__"}:
        assert {name, f"{room[1:]}.{name}"} & set(page), name


def test_every_estimator_has_its_page():
    section = re.search(r"## Estimators\n(.*?)\n## ", (DOCS / "api.md").read_text(), re.DOTALL)[1]
    estimators = re.findall(r"^   (\w+)$", section, re.MULTILINE)
    assert len(estimators) > 8
    for name in estimators:
        assert (DOCS / "estimators" / f"{name}.md").is_file(), name


def test_every_page_is_in_a_table_of_contents():
    listed = {Path("index"), Path("losses")}
    for page in PAGES:
        text = (DOCS / page).read_text()
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            entries = [line for line in tree.split() if not line.startswith(":")]
            listed |= {page.parent / entry for entry in entries}
    assert not {page.with_suffix("") for page in PAGES} - listed


def test_every_check_of_a_report_has_its_text():
    page = (DOCS / "guide" / "reports.md").read_text()
    included = re.findall(r"^```\{include\} \.\./\.\./(.+)$", page, re.MULTILINE)
    pages = sorted((ROOT / "flowkit" / "reports" / "pages").glob("*.md"))
    assert pages
    assert [ROOT / path for path in included] == pages


def test_every_display_has_its_picture():
    page = (DOCS / "guide" / "plots.md").read_text()
    shown = re.findall(r"^```\{figure\} \.\./figures/displays/(\w+)\.png$", page, re.MULTILINE)
    drawn = re.findall(r'"(\w+Display)": \(', (DOCS / "_ext" / "display_figures.py").read_text())
    assert sorted(shown) == sorted(drawn) == sorted(DISPLAYS)


def test_losses_are_those_of_studies():
    studies = set(re.findall(r"^###? (.+)$", (ROOT / "benchmarks/README.md").read_text(), re.M))
    losses = re.findall(r"^## (.+)$", (DOCS / "losses.md").read_text(), re.MULTILINE)
    assert len(losses) > 10
    assert set(losses) <= studies


def test_everything_that_builds_the_site_is_an_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    configuration = (DOCS / "conf.py").read_text()
    for package in ("myst-parser", "numpydoc", "pydata-sphinx-theme", "sphinx-gallery"):
        assert package.replace("-", "_").removesuffix("_gallery") in configuration
        assert any(requirement.startswith(package) for requirement in extras["docs"]), package
