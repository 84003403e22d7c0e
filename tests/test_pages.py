"""The pages a reader opens first: their length, their links and the commands they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "tutorials/README.md"]


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def relative_links(page):
    """Targets of links and pictures that do not leave the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in targets if "://" not in target]


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_lead_somewhere(name):
    page = ROOT / name
    for target in relative_links(page):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_the_first_page_leads_to_every_tutorial():
    linked = set(relative_links(ROOT / "README.md"))
    for tutorial in (ROOT / "tutorials").glob("*.py"):
        assert f"tutorials/{tutorial.name}" in linked


@pytest.mark.parametrize("name", PAGES)
def test_commands_name_scripts_that_exist(name):
    for script in re.findall(r"\bpython ((?!-)[\w./-]+)", (ROOT / name).read_text()):
        assert script.endswith(".py"), script
        assert (ROOT / script).is_file(), script


def test_every_study_has_its_command():
    page = (ROOT / "benchmarks" / "README.md").read_text()
    for script in (ROOT / "benchmarks").glob("[!_]*.py"):
        assert f"python benchmarks/{script.name}" in page, script.name


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    page = (ROOT / name).read_text()
    for target in re.findall(r"(?:^    |`)make ([a-z-]+)", page, re.MULTILINE):
        assert target in targets, target


def test_the_picture_of_the_first_page_is_small():
    picture = ROOT / "tutorials" / "images" / "first_page.png"
    assert 10_000 < picture.stat().st_size < 150_000
