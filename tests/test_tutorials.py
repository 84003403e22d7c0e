"""Tutorials and the examples of the guides run, as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from flowkit import FlowDensity

from .table import perturbed, rows_in

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.py"))


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(script, tmp_path):
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert script.read_text().startswith('"""'), "sphinx-gallery needs a title in the docstring"


def examples(name, folder=Path(__file__).parents[1]):
    """The Python blocks of a page."""
    return re.findall(
        r"^```python\n(.*?)^```", (folder / name).read_text(), re.DOTALL | re.MULTILINE
    )


def test_examples_of_the_readme_run(capsys):
    density, topics, scales, orders, outliers, tables, scalers = examples("README.md")
    exec(density, {})
    normal, anomalous = map(float, capsys.readouterr().out.splitlines()[0].split())
    assert normal > anomalous
    namespace = {}
    exec(topics, namespace)
    assert namespace["density"].predict_proba(namespace["wine"]).shape == (178, 3)
    namespace = {}
    exec(scales, namespace)
    assert namespace["draws"].shape == (4, 1, 64)
    assert namespace["mixed"].shape == (2, 64)
    namespace = {}
    exec(orders, namespace)
    assert namespace["scores"].shape == namespace["error"].shape == (3,)
    capsys.readouterr()
    namespace = {}
    exec(outliers, namespace)
    false_alarms, found = map(float, capsys.readouterr().out.splitlines()[0].split())
    assert false_alarms < 0.2
    assert found > 4 * false_alarms
    assert list(namespace["reasons"].columns) == list(namespace["benign"].columns)
    namespace = {}
    exec(tables, namespace)
    assert np.isfinite(namespace["density"].score_samples(namespace["numbers"])).all()
    namespace = {}
    exec(scalers, namespace)
    assert "box-cox" in str(namespace["search"].best_params_)


def test_bijection_of_the_contributing_guide_keeps_the_contract():
    (bijection_code,) = examples("CONTRIBUTING.md")
    assert len(bijection_code.splitlines()) <= 40
    namespace = {"__name__": "flowkit.bijections.leaky", "__package__": "flowkit.bijections"}
    exec(bijection_code, namespace)
    leaky = perturbed(namespace["Leaky"](3))
    x = rows_in("real", 20, 3)
    z, log_det = leaky(x)
    back, back_log_det = leaky.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(back_log_det, -log_det)
    jacobian = torch.autograd.functional.jacobian(lambda row: leaky(row[None])[0][0], x[0])
    torch.testing.assert_close(log_det[0], jacobian.slogdet()[1])
    rows = np.random.default_rng(0).normal(size=(50, 3))
    density = FlowDensity([leaky.float()], missing="marginalize", max_epochs=1).fit(rows)
    rows[:, 1] = np.nan
    assert (density.score_marginal(rows)[1] == 0).all()
