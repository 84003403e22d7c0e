"""Commands do what the estimators do, and write it where they are told."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pytest

import flowkit
from flowkit.cli.report import without_identifiers

from .conftest import call, make_table

COLUMNS = ["size", "weight", "n"]


def test_fit_tells_kinds_and_keeps_a_model(files):
    done = call(
        *("fit", files.table, "--drop", "day", "label", "--kinds", "n=categorical"),
        *("weight=bounded:0:", "--max-epochs", 1, "-o", files.folder / "new.flow"),
    )
    assert done.status == 0
    assert "weight  bounded" in done.out
    model = flowkit.load(files.folder / "new.flow")
    assert model.kinds_ == ["categorical", "bounded", "categorical"]
    assert model.bounds == {"weight": (0.0, np.inf)}


def test_scores_are_those_of_the_model(files):
    done = call("score", files.density, files.table, "--target", "label")
    assert done.status == 0
    scored = pd.read_csv(io.StringIO(done.out))
    expected = flowkit.load(files.density).score_samples(make_table()[COLUMNS])
    np.testing.assert_allclose(scored["log_density"], expected, rtol=1e-9)
    assert scored["row"].tolist() == list(range(1, 61))
    assert scored["label"].tolist() == make_table()["label"].tolist()


def test_columns_are_found_by_name_in_any_order(files):
    other = files.folder / "other.parquet"
    make_table()[["n", "label", "weight", "size"]].to_parquet(other)
    one, two = (call("score", files.density, path).out for path in (files.table, other))
    assert one == two


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "parquet"])
def test_output_has_the_format_of_its_name(files, ending):
    path = files.folder / f"scores.{ending}"
    done = call("score", files.density, files.table, "-o", path)
    assert (done.status, done.out) == (0, "")
    read = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "json": pd.read_json,
        "parquet": pd.read_parquet,
    }[ending]
    expected = flowkit.load(files.density).score_samples(make_table()[COLUMNS])
    np.testing.assert_allclose(read(path)["log_density"], expected, rtol=1e-9)


def test_draws_have_the_columns_and_the_seed_decides_them(files):
    arguments = ("sample", files.density, "-n", 4)
    one, again, other = (call(*arguments, "--seed", seed).out for seed in (1, 1, 2))
    assert one == again != other
    drawn = pd.read_csv(io.StringIO(one))
    assert drawn.columns.tolist() == COLUMNS
    assert len(drawn) == 4


def test_draws_keep_what_is_given(files):
    done = call("sample", files.density, "-n", 5, "--given", "size=large", "n=21")
    drawn = pd.read_csv(io.StringIO(done.out))
    assert set(drawn["size"]) == {"large"}
    assert set(drawn["n"]) == {21}


def test_a_strange_row_comes_first_with_its_reason(files):
    done = call("detect", files.table, "--model", files.detector, "--top", 2, "--format", "json")
    assert done.status == 0
    first, second = json.loads(done.out)
    assert first["row"] == 8
    assert first["reasons"].startswith("weight = 40")
    assert first["p_value"] <= second["p_value"] <= 1


def test_rows_are_compared_with_each_other_or_with_others(files):
    arguments = ("detect", files.table, "--target", "label", "--drop", "day", "--max-epochs", 1)
    alone = call(*arguments, "--top", 3)
    assert "compared with the rows themselves" in alone.out
    assert "row 8: p 0.0167, label wrong" in alone.out
    assert "AUROC" in alone.err
    normal = files.folder / "normal.csv"
    make_table().drop(columns="label").drop(index=7).to_csv(normal, index=False)
    trained = call(*arguments, "--train", normal, "--format", "csv", "--quiet")
    table = pd.read_csv(io.StringIO(trained.out))
    assert len(table) == 10
    assert table["row"][0] == 8
    assert table["p_value"].is_monotonic_increasing
    assert trained.err == ""


@pytest.mark.parametrize(
    ("command", "model", "own"),
    [
        ("score", "density", ["row", "log_density"]),
        ("score", "detector", ["row", "score"]),
        ("detect", "detector", ["row", "p_value", "score", "reasons"]),
    ],
)
def test_a_target_overwrites_no_result(files, tmp_path, command, model, own):
    path, model = tmp_path / "table.csv", getattr(files, model)
    names = ["row", "log_density", "p_value", "score", "reasons"]
    make_table().assign(**dict.fromkeys(names, 5)).to_csv(path, index=False)
    files_given = (model, path) if command == "score" else (path, "--model", model)
    for name in names:
        done = call(command, *files_given, "--target", name, "--format", "csv")
        if name in own:
            assert (done.status, done.out) == (2, "")
            assert f"--target {name!r}" in done.err
        else:
            assert pd.read_csv(io.StringIO(done.out)).columns.tolist() == [*own, name]


def test_labels_that_are_dates_or_missing_are_kept(files, tmp_path):
    path = tmp_path / "table.parquet"
    weight = pd.array([None, *range(59)], dtype="Int64")
    make_table().assign(times=weight).to_parquet(path)
    for name, expected in (("day", make_table()["day"].astype(str)), ("times", weight)):
        done = call(
            *("detect", path, "--model", files.detector, "--target", name, "--top", 60),
            *("--format", "json", "--quiet"),
        )
        assert done.status == 0, done.err
        told = {row["row"]: row[name] for row in json.loads(done.out)}
        if name == "day":
            assert [told[i + 1][:10] for i in range(60)] == expected.tolist()
        else:
            assert [told[i + 1] for i in range(60)] == [None, *range(59)]


def test_arrays_have_no_names(files):
    path, model = files.folder / "rows.npz", files.folder / "rows.flow"
    X = np.random.default_rng(0).normal(size=(50, 3))
    np.savez(path, X=X, y=np.zeros(50))
    done = call("fit", path, "--drop", "x1", "--max-epochs", 1, "-o", model)
    assert done.status == 0, done.err
    done = call("score", model, path, "--drop", "x1")
    scored = pd.read_csv(io.StringIO(done.out))
    expected = flowkit.load(model).score_samples(X[:, [0, 2]])
    np.testing.assert_allclose(scored["log_density"], expected, rtol=1e-9)


@pytest.mark.parametrize("ending", ["html", "md", "json"])
def test_a_report_is_written_in_each_form(files, ending):
    path = files.folder / f"report.{ending}"
    done = call("report", files.table, "--model", files.density, "--output", path, "--quiet")
    assert done.status == 0, done.err
    assert "Report of table.csv" in path.read_text(encoding="utf-8")
    assert "The strangest row is" in done.out


def test_a_report_of_a_new_density_finds_the_strange_row(files):
    done = call("report", files.table, "--drop", "day", "label", "--max-epochs", 1, "--quiet")
    assert done.status == 0, done.err
    assert "The strangest row is 8: weight = 40" in done.out
    assert call("report", files.table, "-o", "report.pdf").status == 2


def test_a_report_leaves_out_columns_that_tell_rows_apart(tmp_path):
    table = make_table().assign(name=[f"customer {i}" for i in range(60)])
    table.loc[::6, "n"] = -999
    path = tmp_path / "table.csv"
    table.drop(columns=["day", "label"]).to_csv(path, index=False)
    options = ["--max-epochs", 1, "--missing", -999, "-o", tmp_path / "report.json"]
    done = call("report", path, *options)
    assert done.status == 0, done.err
    assert "name tell rows apart" in done.err
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["title"] == "Report of table.csv, without name"
    assert [column["column"] for column in told["columns"]] == ["size", "weight", "n"]
    assert told["columns"][2]["missing"] == 10
    assert all(math.isfinite(one["mean"]) for one in told["held_out"]["densities"].values())
    kept, left_out = without_identifiers(table, {"name": "categorical"})
    assert kept is table
    assert left_out == []


def test_columns_without_names_stay_in_a_report_as_they_are_called(files):
    rows = np.column_stack([np.arange(60.0), np.arange(60) % 7 % 3, np.arange(60) * 0.37 % 5])
    np.savez(files.folder / "rows.npz", X=rows)
    output = files.folder / "rows.json"
    kinds = ("--kinds", "x1=categorical", "--max-epochs", 1, "--quiet")
    done = call("report", files.folder / "rows.npz", *kinds, "-o", output)
    assert done.status == 0, done.err
    kinds = [column["kind"] for column in json.loads(output.read_text())["columns"]]
    assert kinds == ["integer", "categorical", "continuous"]
