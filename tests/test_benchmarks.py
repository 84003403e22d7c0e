"""The benchmarks: what a study may be, and what the runner keeps. Nothing is timed here."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from flowkit import FlowDensity

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
STUDIES = sorted(BENCHMARKS.glob("*.py"))
FILES = [*STUDIES, *sorted((BENCHMARKS / "lib").glob("*.py"))]
MAX_LINES = 250


def by_name(path):
    return str(path.relative_to(BENCHMARKS))


def imports_of(tree):
    """Dotted names that a module imports, one for each name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{a.name}" for a in node.names)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def test_there_are_studies():
    assert len(STUDIES) > 10


@pytest.mark.parametrize("path", STUDIES, ids=by_name)
def test_a_study_is_short_and_knows_no_other(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES
    others = {study.stem for study in STUDIES} - {path.stem}
    for name in imports_of(ast.parse(path.read_text())):
        assert name.split(".")[0] not in others, name


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_benchmarks_use_public_names_only(path):
    tree = ast.parse(path.read_text())
    for name in imports_of(tree):
        if name.split(".")[0] == "flowkit":
            assert not any(map(is_private, name.split("."))), name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            assert isinstance(node.value, ast.Name), node.attr
            assert node.value.id == "self", node.attr


@pytest.mark.parametrize("path", STUDIES, ids=by_name)
def test_a_study_is_run_by_the_runner(path):
    """Hence it has --seeds, --budget, --resume and --smoke, and writes to a file of its name."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Study"]
    assert [c.args[0].value for c in made] == [path.stem]
    assert {"seeds", "budget"} <= {keyword.arg for keyword in made[0].keywords}
    # Tiny settings of its own, but for its seeds and budget.
    assert "smoke" in ast.unparse(tree)
    assert ast.unparse(tree.body[-1]).startswith("if __name__ == '__main__':")


def test_make_runs_every_study():
    makefile = (ROOT / "Makefile").read_text()
    assert "STUDIES := $(sort $(wildcard benchmarks/*.py))" in makefile
    for target in ("bench", "bench-smoke"):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
        assert "$(STUDIES" in recipe
    assert "make bench-smoke" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "results").glob("*.json")), ids=by_name)
def test_results_belong_to_a_study(path):
    assert any(path.stem.startswith(study.stem) for study in STUDIES)
    for r in json.loads(path.read_text())["results"]:
        assert "settings" in r


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("lib.runner")
    # The threads of the tests stay as they are.
    monkeypatch.setattr(module, "set_threads", lambda n_threads: None)
    return module


@pytest.fixture
def run(runner, tmp_path):
    """Run a study of two methods; what it calls, and the results that it writes and reports."""

    def run(*argv, methods=("a", "b"), settings=None, fails=()):
        called, reported = [], []

        def work(method, seed):
            called.append((method, seed))
            if method in fails:
                raise ValueError("broken")
            return {"score": len(called)}

        def measure(study):
            for seed in study.seeds:
                for method in methods:
                    own = settings or {"budget": study.args.budget, "rows": study.args.rows}
                    study.cell({"seed": seed, "method": method}, own, work, method, seed)

        study = runner.Study("example", "An example.", seeds=2, budget=3.0)
        study.option("--rows", type=int, default=100, smoke=5)
        study.option("--methods", nargs="+", selects="method")
        output = [] if "--smoke" in argv else ["--output", str(tmp_path / "example.json")]
        study.run(measure, reported.extend, [*argv, *output])
        return called, reported, study

    return run


def test_a_cell_has_both_clocks_and_its_settings(run, tmp_path):
    _, reported, _ = run()
    assert [(r["seed"], r["method"]) for r in reported] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    for r in reported:
        assert r["settings"] == {"budget": 3.0, "rows": 100}
        assert r["cpu_seconds"] >= 0
        assert r["wall_seconds"] >= 0
    assert json.loads((tmp_path / "example.json").read_text())["results"] == reported
    assert [path.name for path in tmp_path.iterdir()] == ["example.json"]


def test_resume_measures_what_is_not_there(run):
    run("--seeds", "1")
    assert run("--resume")[0] == [("a", 1), ("b", 1)]
    assert run("--resume")[0] == []
    assert run("--resume", "--redo", "b", "--seeds", "1")[0] == [("b", 0)]
    assert len(run()[0]) == 4


def test_resume_refuses_other_settings(run):
    run()
    with pytest.raises(SystemExit, match="budget"):
        run("--resume", "--budget", "4")
    assert len(run("--resume", "--budget", "4", "--redo", "a", "b")[0]) == 4


def test_what_fails_is_recorded_and_tried_again(run, capsys):
    called, reported, study = run("--seeds", "1", fails=("a",))
    assert called == [("a", 0), ("b", 0)]
    assert [r["method"] for r in reported] == ["b"]
    assert [r.get("error") for r in study.results] == ["ValueError: broken", None]
    assert "Failed: seed 0, a: ValueError: broken" in capsys.readouterr().out
    assert run("--seeds", "1", "--resume")[0] == [("a", 0)]


def test_report_measures_nothing_and_selects(run):
    run()
    called, reported, _ = run("--report", "--seeds", "1", "--methods", "b")
    assert called == []
    assert [(r["seed"], r["method"]) for r in reported] == [(0, "b")]


def test_merge_joins_files(run, tmp_path):
    other = tmp_path / "other.json"
    run("--first-seed", "1", "--seeds", "1")
    (tmp_path / "example.json").rename(other)
    run("--seeds", "1", fails=("a",))
    called, reported, _ = run("--merge", str(other))
    assert called == []
    assert sorted((r["seed"], r["method"]) for r in reported) == [(0, "b"), (1, "a"), (1, "b")]


def test_smoke_is_tiny_and_leaves_nothing(run, runner):
    called, reported, study = run("--smoke")
    assert called == [("a", 0), ("b", 0)]
    assert reported[0]["settings"] == {"budget": 0.5, "rows": 5}
    assert runner.RESULTS not in study.output.parents
    assert Path(tempfile.gettempdir()) in study.output.parents
    assert run("--smoke", "--rows", "7")[1][0]["settings"]["rows"] == 7


def test_smoke_fails_where_a_cell_fails(run):
    with pytest.raises(SystemExit, match="1 cells failed"):
        run("--smoke", fails=("a",))


def test_all_smokes_run_and_those_that_fail_are_named(runner, tmp_path, capsys):
    smoke = importlib.import_module("lib.smoke").smoke
    paths = [str(tmp_path / name) for name in ("good.py", "bad.py", "fine.py")]
    for path, code in zip(paths, ["import sys; print(sys.argv)", "1 / 0", ""], strict=True):
        Path(path).write_text(code)
    assert smoke(2, paths) == paths[1:2]
    said = capsys.readouterr().out
    assert f"['{paths[0]}', '--smoke']" in said
    assert "ZeroDivisionError" in said
    assert all(path in said for path in paths)


def test_absent_peers_are_left_out_with_a_word(runner, capsys):
    study = runner.Study("example", "An example.", seeds=1, budget=None)
    present = study.installed(["ours", "theirs"], {"theirs": "no_such_library"})
    assert present == ["ours"]
    assert "theirs: left out, as no_such_library is not installed" in capsys.readouterr().out


def test_tables_that_ship_need_no_folder(runner, monkeypatch):
    data = importlib.import_module("lib.data")
    monkeypatch.delenv("FLOWKIT_DATA", raising=False)
    assert data.table_names(None, ("2_annthyroid",)) == list(data.SHIPPED)
    for name in data.SHIPPED:
        train, test = data.split_for_likelihood(name, 0, 100)
        assert train.shape[1] == test.shape[1]
        train, test, anomalous = data.split_for_outliers(name, "one-class", 0, 50, 50)
        assert len(train) <= 50
        assert len(test) == len(anomalous) <= 50
        assert anomalous.any()
    with pytest.raises(SystemExit, match="FLOWKIT_DATA"):
        data.load_images("mnist", 10, 0)


def test_each_table_is_in_one_half(runner, monkeypatch):
    oddbench, data = (importlib.import_module(f"lib.{name}") for name in ("oddbench", "data"))
    monkeypatch.delenv("FLOWKIT_DATA", raising=False)
    halves = [oddbench.oddbench_names([half]) for half in oddbench.HALVES]
    assert sorted(halves[0] + halves[1]) == sorted(data.SHIPPED)
    # Neither changes, or figures of the half that confirms would have been looked at.
    assert [oddbench.half_of(name) for name in ("LandParcels", "AbandonedMineLand")] == [
        "choose",
        "confirm",
    ]


def test_oddbench_is_standardised_by_the_rows_that_train(runner, monkeypatch, tmp_path):
    oddbench = importlib.import_module("lib.oddbench")
    monkeypatch.setenv("FLOWKIT_DATA", str(tmp_path))
    (tmp_path / "oddbench").mkdir()
    rng = np.random.default_rng(0)
    train = np.column_stack([rng.normal(3, 2, 90), np.full(90, 7.0)])
    stored = {"train": train, "test": train[:5] + 1, "test_labels": np.arange(5) > 2}
    np.savez(tmp_path / "oddbench" / "made.npz", **stored)
    rows, test, anomalous = oddbench.split_of_oddbench("made", 40)
    assert rows.shape == (40, 1)
    np.testing.assert_allclose([rows.mean(), rows.std()], [0, 1], atol=1e-12)
    assert len(test) == 5
    assert anomalous.tolist() == [False, False, False, True, True]
    np.testing.assert_array_equal(rows, oddbench.split_of_oddbench("made", 40)[0])


@pytest.fixture
def orders(runner):
    return importlib.import_module("lib.orders")


@pytest.mark.parametrize("seed", range(3))
def test_odd_orders_break_a_rule_that_usual_ones_keep(orders, seed):
    table = orders.made_orders(seed, 400, 300, 30)
    assert table.train.dtypes.equals(table.test.dtypes)
    assert [len(table.train), len(table.test), table.anomalous.sum()] == [400, 300, 30]
    everything = table.train["order"].tolist() + table.test["order"].tolist()
    assert everything == list(range(700))
    assert {k for k in table.kinds if k} == set(orders.ODDITIES)
    test, kinds = table.test, table.kinds
    assert ((test.city.str.split("-").str[0] != test.region) == (kinds == "region")).all()
    known = test.payment.isna() | test.payment.isin(table.train.payment)
    assert (~known == (kinds == "payment")).all()
    error = np.abs(np.log(test.total / (test.price * test.quantity)))
    priced = test.price.notna()
    assert ((error > 0.3) == np.isin(kinds, ["total", "quantity"]))[priced].all()


def test_detectors_by_hand_take_what_training_lacks(orders):
    methods = importlib.import_module("lib.mixed_methods")
    table = orders.made_orders(0, 200, 100, 20)
    detector = methods.MIXED_DETECTORS["one-hot, kNN"](0, 1.0, table.identifiers)
    scores = detector.fit(table.train).score_samples(table.test)
    assert np.isfinite(scores).all()
    assert scores[table.kinds == "quantity"].mean() < scores[~table.anomalous].mean()


def test_a_method_that_failed_somewhere_is_shown(runner, capsys):
    report = importlib.import_module("lib.outlier_tables").report_detectors
    clocks = {"fit_cpu_seconds": 1.0, "score_cpu_seconds": 1.0}
    results = [
        {"data": data, "seed": 0, "method": m, "auroc": a, "average_precision": a, **clocks}
        for data in ("one", "two", "three")
        for m, a in (("base", 0.5), ("better", 0.75))
        if (data, m) != ("three", "better")
    ]
    report(results, "made", ["base", "better"], reference="base", each=False)
    shown = capsys.readouterr().out
    assert "better has 2 of 3 results" in shown
    assert re.search(r"better +2 of 2 +\+0.2500 \+- 0.0000", shown)
    assert "AUROC of each table" not in shown


def test_made_densities_have_the_entropy_that_is_known(runner):
    known = importlib.import_module("lib.known")
    normal, student = 0.5 * np.log(2 * np.pi * np.e), stats.t(3).entropy()
    mixing = np.eye(6) + 0.5 * np.random.default_rng(0).normal(size=(6, 6))
    entropies = {
        "bent": 10 * normal + 9 * np.log(0.5),
        "tails": 3 * student + 3 + np.linalg.slogdet(mixing)[1],
    }
    assert entropies.keys() == known.KNOWN.keys()
    for name, entropy in entropies.items():
        _, log_density = known.KNOWN[name](np.random.default_rng(0), 50_000)
        assert log_density.mean() == pytest.approx(-entropy, abs=0.05)
        train, test, truth = known.split_of_known(name, 0, 40_000, 10_000)
        np.testing.assert_allclose(train.std(0), 1)
        assert len(test) == 10_000
        X, _ = known.KNOWN[name](np.random.default_rng(0), 50_000)
        assert truth == pytest.approx(-entropy + np.log(X[:40_000].std(0)).sum(), abs=0.1)


@pytest.fixture
def anytime(runner, monkeypatch):
    module = importlib.import_module("lib.anytime")
    # Whatever is kept is noted, however soon.
    monkeypatch.setattr(module, "STEP", 0.0)
    monkeypatch.setattr(module, "FIRST", 0.0)
    return module


def test_a_curve_holds_what_was_kept_on_the_way(anytime):
    path, kept = anytime.Path(), [0.0]
    assert copy.deepcopy({"callback": path})["callback"] is path

    class Model:
        watch = None

        def fit(self):
            for kept[0] in (1.0, 2.0, 2.0):
                self.watch(kept)

        def take(self, weights):
            self.value = weights[0]

        def score_samples(self, X):
            return np.full(len(X), self.value)

    model = anytime.watched(Model(), path)
    model.fit()
    points = anytime.curve(model, path, np.zeros((3, 2)))
    assert [value for _, value in points] == [1.0, 2.0, 2.0]
    seconds = [at for at, _ in points]
    assert seconds == sorted(seconds)
    assert anytime.seconds_to(points, 1.5) == seconds[1]
    assert np.isnan(anytime.seconds_to(points, 2.5))
    assert anytime.value_at([(1.0, 5.0), (2.0, 6.0)], 1.5) == 5.0
    assert np.isnan(anytime.value_at([(1.0, 5.0)], 0.5))


def test_the_curve_of_a_density_ends_where_the_density_does(anytime):
    # A bent cloud, which a normal prior does not begin at.
    X = np.random.default_rng(0).normal(size=(200, 2))
    X[:, 1] += X[:, 0] ** 2
    path = anytime.Path()
    density = FlowDensity(
        n_transforms=1, hidden_units=8, prior="normal", max_epochs=4, random_state=0
    )
    density = anytime.watched(density, path).fit(X)
    end = density.score(X)
    values = [value for _, value in anytime.curve(density, path, X)]
    # Before the first epoch, and after each.
    assert len(values) == 5
    assert values[-1] == pytest.approx(end, abs=1e-5)
    assert values[0] != values[-1]


def test_time_to_a_likelihood_is_told_beside_the_fit_of_before(runner):
    study = importlib.import_module("time_to_likelihood")
    about = {"data": "a", "seed": 0, "truth": None, "n_train": 9, "n_features": 2}
    before = {**about, "method": study.EARLIER, "log_density": -1.0, "fit_cpu_seconds": 40.0}
    after = {**about, "method": "FlowDensity", "log_density": -0.5, "fit_cpu_seconds": 50.0}
    before["curve"], after["curve"] = [[1.0, -3.0]], [[2.0, -2.0], [10.0, -1.0], [30.0, -0.75]]
    facts = study.against([before, after], after)
    assert facts == {"seconds": 10.0, "share": 0.25, "gain": 0.25}
    assert study.against([before], before) == {"seconds": 40.0, "share": 1.0, "gain": 0.0}
    assert study.against([after], after) is None


@pytest.fixture
def image_distances(runner):
    return importlib.import_module("lib.image_distances")


def made_images(seed, n=200, *, blur=0.0, shift=0.0, shape=(12, 9)):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(n, *shape)) + rng.normal(size=(n, *(1 for _ in shape)))
    return ndimage.gaussian_filter(images, (0, blur, blur, 0)[: images.ndim]) + shift


@pytest.mark.parametrize("shape", [(12, 9), (12, 9, 3)])
def test_images_of_one_law_are_closer_than_those_of_others(image_distances, shape):
    unseen = made_images(0, shape=shape)
    features = {
        "pca": image_distances.pca_features(made_images(1, shape=shape), 10),
        "convolutions": image_distances.convolution_features(made_images(1, shape=shape)),
    }

    def told(**options):
        def draw(seed):
            return made_images(10 + seed, shape=shape, **options)

        return image_distances.spread_of_distances(draw, unseen, features, 3)

    same, moved, smooth = told(), told(shift=2.0), told(blur=1.0)
    assert same["pca_mmd"] < moved["pca_mmd"]
    assert same["convolutions_mmd"] < smooth["convolutions_mmd"]
    assert abs(same["pca_mmd"]) < 5 * same["pca_mmd_std"] + 0.01
    for name in features:
        key = f"{name}_wasserstein"
        assert 0 < same[key] + 4 * same[f"{key}_std"] < min(moved[key], smooth[key])
        assert image_distances.distances(unseen, unseen, features)[key] == 0
    assert same["high_power"] == pytest.approx(1, abs=0.1)
    assert moved["high_power"] == pytest.approx(same["high_power"])
    assert smooth["high_power"] < 0.1


def test_the_power_of_a_wave_is_where_its_frequency_is(image_distances):
    t = np.arange(12)
    low, high = (np.cos(2 * np.pi * k * t / 12) for k in (2, 5))
    for wave in (high[:, None] * np.ones(9), np.ones((9, 1)) * high, high[:, None] * low):
        power, share = image_distances.high_frequencies(5.0 + wave[None])
        assert share == pytest.approx(1)
        assert power == pytest.approx((wave**2).mean())
    both = 3 * low[:, None] + high[:, None] + np.zeros((1, 12, 9))
    assert image_distances.high_frequencies(both)[1] == pytest.approx(1 / 10)
    assert image_distances.high_frequencies(np.full((2, 4, 4), 7.0)) == (0, 0)


def test_sliced_distance_of_a_shift_is_its_length_over_the_root_of_the_columns(image_distances):
    X = np.random.default_rng(0).normal(size=(50, 4))
    got = image_distances.sliced_wasserstein(X, X[::-1] + np.array([3.0, 0, 0, 0]))
    assert got == pytest.approx(1.5, rel=0.15)
    with pytest.raises(ValueError, match="50 and 49"):
        image_distances.sliced_wasserstein(X, X[1:])


def test_a_pca_gaussian_draws_with_the_covariance_of_its_components(runner):
    study = importlib.import_module("image_samples")
    images = 128 + 20 * made_images(0, 400, shape=(4, 4))
    model = study.PCAGaussian(3).fit(images)
    rows = model.sample(4000, 0).reshape(4000, -1)
    wanted = model.pca.components_.T * model.pca.explained_variance_ @ model.pca.components_
    np.testing.assert_allclose(np.cov(rows.T), wanted, atol=0.1 * wanted.max())
    assert study.fit_pca_gaussian(images, 0).rank in study.RANKS


def test_panels_become_a_small_picture(runner, tmp_path):
    figures = importlib.import_module("lib.figures")
    colours = {f"method {i}": f"C{i}" for i in range(5)}
    lines = [figures.Line(m, [[0.1, -3.0], [1.0, -2.0]], [10.0, -1.5]) for m in colours]
    # The last method has an end alone, and one panel has no truth.
    lines[-1] = figures.Line(lines[-1].method, [], [5.0, -1.0])
    panels = [figures.Panel("a", lines, 0.0), figures.Panel("b", lines[:1])]
    figures.draw_panels(panels, colours, "seconds", "nats", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "figure.png").stat().st_size < 150_000


def test_a_growth_has_the_exponent_of_its_upper_half(runner):
    growth = importlib.import_module("growth")
    sizes = np.array([1, 10, 100, 1000, 10_000])
    assert growth.exponent(sizes, 50.0 + 0.1 * sizes**2.0, 0.0) == pytest.approx(2, abs=0.05)
    assert np.isnan(growth.exponent(sizes, 1.0 * sizes, 500.0))
    assert np.isnan(growth.exponent(sizes[:2], sizes[:2], 0.0))
    for sizes, methods, at in growth.PARTS.values():
        assert sizes == sorted(sizes)
        assert set(methods) <= growth.METHODS.keys()
        assert len(at(sizes[0])) == 3
