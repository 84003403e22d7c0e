"""A table in a file, and models of it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from flowkit_command import main


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


def call(*arguments) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code
    return Done(status, out.getvalue(), err.getvalue())


def make_table(n=60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.choice(["small", "large"], n)
    weight = rng.normal(np.where(size == "large", 3.0, 1.0), 0.3)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D")
    table = pd.DataFrame({"size": size, "weight": weight, "n": rng.poisson(20, n), "day": day})
    label = np.where(np.arange(n) == 7, "wrong", "right")
    table.loc[7, "weight"] = 40.0
    return table.assign(label=label)


class Files(NamedTuple):
    """Where a table and its models lie."""

    folder: Path
    table: Path
    density: Path
    detector: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    found = Files(folder, folder / "table.csv", folder / "density.flow", folder / "detector.flow")
    make_table().to_csv(found.table, index=False)
    for estimator, path in (("density", found.density), ("detector", found.detector)):
        done = call(
            *("fit", found.table, "--target", "label", "--drop", "day", "--output", path),
            *("--estimator", estimator, "--max-epochs", 2, "--quiet"),
        )
        assert done.status == 0, done.err
    return found
