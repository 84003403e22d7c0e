"""The tour of `make demo`, with models too small to be good."""

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity, demo


def small_methods():
    flow = FlowDensity(prior="normal", n_transforms=1, max_epochs=1, random_state=0)
    return {
        "FlowDensity": (flow, {"noise": [None, 0.2]}),
        "GaussianMixture": (GaussianMixture(random_state=0), {}),
        "IsolationForest": (IsolationForest(n_estimators=5, random_state=0), {}),
    }


def test_tour_prints_its_table_and_draws_its_pictures(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, "methods", small_methods)
    demo.main(["--output", str(tmp_path / "pictures")])
    out = capsys.readouterr().out
    table = out[out.index("AUROC") :]
    for method in small_methods():
        assert table.count(f"  {method}") == 2
    names = {"density.png", "scores.png", "training.png", "digits.png"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names


def test_the_class_held_out_is_in_no_training_row():
    task = demo.digits()
    assert len(task.train) + len(task.test) + len(task.anomalies) == 1797
    anomalies = {row.tobytes() for row in task.anomalies}
    assert len(anomalies) > 100
    assert not anomalies & {row.tobytes() for row in np.vstack([task.train, task.test])}


def test_auroc_is_one_where_every_anomaly_scores_below_every_normal_row():
    result = demo.Result("any", None, {}, np.array([1.0, 2.0]), np.array([-1.0, 0.0]), 0.0)
    assert result.auroc == 1.0
    turned = demo.Result("any", None, {}, result.anomalous, result.normal, 0.0)
    assert turned.auroc == 0.0


def test_samples_come_back_in_the_units_of_the_table():
    task = demo.breast_cancer()
    density, grid = small_methods()["FlowDensity"]
    rows = demo.draw_rows(demo.fit(task, "FlowDensity", density, grid), 500)
    deviation = task.train.std(0)
    np.testing.assert_array_less(np.abs(rows.mean(0) - task.train.mean(0)), deviation)
    assert rows.shape == (500, 30)
