"""The pages a reader opens first: their length, their links and the commands they name."""

import re
from pathlib import Path

import pytest

from .test_package import FLOORS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flowkit"
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "docs/scaling.md",
    "tutorials/README.md",
]


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


def section(heading):
    """What stands below a heading of the contributing guide, up to the next one."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    return re.search(rf"^#+ {heading}\n(.*?)(?=^#)", page, re.MULTILINE | re.DOTALL)[1]


def rows_of(heading):
    """Cells of the tables below a heading, without the rows at their top."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    # A cell may hold a vertical line behind a backslash.
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [
        row
        for row, below in zip(rows, [*rows[1:], [""]], strict=True)
        if not {row[0], below[0]} & {"---"}
    ]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def paths_in(cell):
    """Files that a cell names, in the folder of the file before where they name none."""
    folder, paths = Path(), []
    for name in names_in(cell):
        if not re.fullmatch(r"[\w./]+\.(py|md)", name):
            continue
        tried = [ROOT / name, PACKAGE / name] + [folder / name] * ("/" not in name)
        found = [path for path in tried if path.is_file()]
        assert found, f"{name} of {cell}"
        folder = found[-1].parent
        paths.append(found[-1])
    return paths


def test_every_room_stands_in_the_house_above_what_it_imports():
    rooms = [name.strip("/") for row in rows_of("The house") for name in names_in(row[0])]
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert sorted(rooms) == sorted([*folders, *(path.name for path in PACKAGE.glob("*.py"))])
    for room, below in FLOORS.items():
        places = [rooms.index(name if name in rooms else f"{name}.py") for name in below]
        assert rooms.index(room) < min(places), room


def test_what_is_looked_for_is_where_the_guide_says():
    rows = rows_of(r"Where is \.\.\.\?")
    assert len(rows) > 20
    for _, files, names in rows:
        code = "\n".join(path.read_text() for path in paths_in(files))
        for name in names_in(names):
            defined = rf"^\s*(def |class ){name}\b|^{name}( =|: )"
            assert re.search(defined, code, re.MULTILINE), f"{name} in {files}"


def test_what_was_moved_is_where_the_guide_says():
    rows = rows_of("What was moved where")
    assert len(rows) > 30
    for _, now, _ in rows:
        assert paths_in(now), now


def test_every_file_that_the_guide_names_exists():
    page = re.sub(r"^```.*?^```", "", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.M | re.S)
    new = re.findall(r"^`([\w./]+)`, a new file", page, re.MULTILINE)
    assert new
    for path in re.findall(r"`((?:flowkit|tests)/[\w./]*)`", page):
        assert (ROOT / path).exists() != (path in new), path
