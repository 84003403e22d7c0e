"""The recipes of CONTRIBUTING.md, carried out in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

import flowkit

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
TABLE = "tests/table.py"

# Of each recipe: where its kind is tested, and the name that its part has in the ids of tests.
TESTED = {
    "A bijection by name": ("tests/bijections", "power_tails"),
    "A prior by name": ("tests/priors", "logistic"),
    "A statistic of the detector": ("tests/outliers/test_statistic_registry.py", "latent_norm"),
    "A Display": ("tests/inspection/test_displays.py", "LatentDisplay"),
    "An estimator": ("tests/estimators", "independent_components"),
}
# Tests of all parts of a kind, and of the package as a whole.
OF_ALL = ["IndependentComponents", "in_the_table", "docstring_names_all", "test_package"]
CHEAP = "test_importing_leaves_global_state_alone_and_is_cheap_in_dependencies"
AS_THE_PAGE_SAYS = "new parts do what the page says"


@dataclass
class Block:
    """Code of a recipe, and the file that it belongs to."""

    path: str
    kind: str
    code: str

    def apply(self, root):
        path = root / self.path
        if self.kind == "diff":
            path.write_text(patched(path.read_text(), self.code))
        else:
            assert not path.exists(), self.path
            path.write_text(self.code)

    def lines(self, sign):
        return [line for line in self.code.splitlines() if line.startswith(sign)]


def patched(text, diff):
    """A text with the hunks of a diff, each of which stands in it exactly once."""
    for hunk in diff.split("...\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"found {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def section(title):
    """A section of the page, up to the next heading of any level."""
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)[
        1
    ]


def blocks(text):
    """Blocks of code, each below the path of its file at the beginning of a line."""
    titled = r"^`([\w./]+)`[^\n]*(?:\n[^\n`]+)*\n\n```(python|diff)\n(.*?)^```$"
    found = [Block(*match) for match in re.findall(titled, text, re.MULTILINE | re.DOTALL)]
    assert len(found) == len(re.findall(r"^```\w+$", text, re.MULTILINE))
    return found


RECIPES = {title: blocks(section(title)) for title in TESTED}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and its tests, with every recipe carried out."""
    root = tmp_path_factory.mktemp("copy")
    # What numba has compiled goes along, without files that are being written.
    ignored = shutil.ignore_patterns("*.pyc*", "*.tmp.*")
    for folder in ("flowkit", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, root)
    for recipe in RECIPES.values():
        for block in recipe:
            block.apply(root)
    return root


def test_every_recipe_of_the_page_is_carried_out():
    recipes = PAGE[PAGE.index("\n## Recipes\n") : PAGE.index("\n## Style\n")]
    assert re.findall(r"^### (.+)$", recipes, re.MULTILINE) == list(TESTED)
    assert len(blocks(PAGE)) == sum(map(len, RECIPES.values()))


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_costs_two_files_and_one_line_in_the_table(title):
    new, known, table = RECIPES[title]
    assert (new.kind, known.kind, table.kind) == ("python", "diff", "diff")
    assert not (ROOT / new.path).exists()
    assert new.path.startswith("flowkit/")
    assert (ROOT / known.path).parent == (ROOT / new.path).parent
    assert table.path == TABLE
    assert (len(table.lines("+")), table.lines("-")) == (1, [])


def run(copy, *arguments):
    """A module of Python, run in the copy: its exit status and what it says."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=environment | {"OMP_NUM_THREADS": "1", "SCIPY_ARRAY_API": "1", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def said(copy):
    """What one process says in the copy: of the new parts, and of their tests."""
    places, names = zip(*TESTED.values(), strict=True)
    options = ["-v", "--tb=short", "--disable-warnings", "-p", "no:cacheprovider"]
    options += ["-k", " or ".join([*names, *OF_ALL])]
    # That importing is cheap needs a process of its own, and the recipes import nothing new.
    options += ["--deselect", f"tests/test_package.py::{CHEAP}"]
    status, said = run(copy, "tests.test_recipes", *options, *places, "tests/test_package.py")
    assert status == 0, said
    return said


def test_new_parts_pass_the_tests_of_their_kinds(said):
    """Those that the line in the table brings, and those of the package as a whole."""
    for place, name in TESTED.values():
        passed = re.findall(rf"^{place}\S*\[.*{name}.*\] PASSED", said, re.MULTILINE)
        assert len(passed) > 5, (name, said)


def in_the_copy():
    """What the page says of the new parts, which only the copy has."""
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(1000, 2))
    X = sources @ [[1.0, 0.5], [-0.5, 1.0]] + 3.0
    brief = {"max_epochs": 2, "random_state": 0}
    density = flowkit.FlowDensity(transforms="power_tails", prior="logistic", **brief).fit(X)
    steps = {type(step).__name__ for step in density.module_.bijection.bijections}
    assert "PowerTails" in steps
    lattice = flowkit.RGFlowDensity(prior="logistic", n_layers=1, hidden_units=8, **brief).fit(X)
    detector = flowkit.DensityOutlierDetector(FrozenEstimator(density), statistic="latent_norm")
    for fitted in (density, lattice, detector.fit(X)):
        assert np.isfinite(fitted.score_samples(X)).all()
    with pytest.raises(ValueError, match="Did you mean 'power_tails'"):
        flowkit.FlowDensity(transforms="power_tail").fit(X)
    components = flowkit.estimators.IndependentComponents(max_epochs=30, random_state=0).fit(X)
    alike = np.abs(np.corrcoef(components.transform(X).T, sources.T)[:2, 2:])
    assert alike.max(axis=1).min() > 0.95
    assert alike.min(axis=1).max() < 0.2
    score = components.score(X)
    assert components.set_params(prior="normal").fit(X).score(X) < score - 0.05


def test_new_parts_do_what_the_page_says(said):
    assert said.startswith(AS_THE_PAGE_SAYS)


def test_new_parts_are_in_the_style_of_the_house(copy):
    pytest.importorskip("ruff")
    paths = [block.path for recipe in RECIPES.values() for block in recipe]
    for command in (["check"], ["format", "--check"]):
        status, said = run(copy, "ruff", *command, "--no-cache", *paths)
        assert status == 0, said


if __name__ == "__main__":
    in_the_copy()
    print(AS_THE_PAGE_SAYS, flush=True)
    sys.exit(pytest.main())
