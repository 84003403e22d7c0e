"""Topics of FractalFlowDensity as clusters, and samples that keep to the topic asked for.

Every method gets as many clusters as there are classes and never sees a label. Reported are the
normalised mutual information (NMI) and adjusted Rand index (ARI) of the heaviest topic of each row
with the labels, how many topics are the heaviest of at least 1 % of the rows, and CPU seconds of
the fit. Rows are those of the fit.

Control, for FractalFlowDensity: of 200 rows drawn from each topic, the share that `predict` gives
back to that topic; the mean and the worst over all topics, unused ones included.

Reading, for FractalFlowDensity: means over topics of the coherence of their words, which is
normalised pointwise mutual information in the rows of the fit, and of their exclusivity. Agreement,
with ``--agreement``: the adjusted Rand index of the heaviest topics that two fits, one to each half
of the rows, give to all rows, which needs no labels.

Baselines see standardised columns of tables and grey levels divided by the largest one of images;
mixtures see 50 principal components of MNIST. "LDA alone" is the heaviest topic of the documents
that FractalFlowDensity is initialised from. FractalFlowDensity is at its defaults but for what the
column "settings" says, which makes the fits affordable on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lib.class_tables import CLASS_TABLES, load_class_table
from lib.clocks import Stopwatch
from lib.clusterers import CLUSTERERS, NEEDED, Data, applies
from lib.data import flat, load_digits, load_labelled
from lib.metrics import count
from lib.pictures import draw_rows
from lib.report import distinct, in_order, mean, print_table, select
from lib.runner import Study

N_SAMPLES = 200
TARGET_CONTROL = 0.9
IN_USE = 0.01
PICTURES_PER_TOPIC = 10


def load(name: str, rows: int) -> Data:
    if name in ("wine", "breast_cancer"):
        from sklearn import datasets

        X, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
        return Data(X[:rows], labels[:rows])
    if name in CLASS_TABLES:
        return Data(*load_class_table(name, rows))
    if name == "digits":
        images, labels = load_digits()
        budget, max_epochs = 60.0, 5
    else:
        arrays = load_labelled("mnist")
        images, labels = arrays["x_train"], arrays["y_train"]
        budget, max_epochs = 240.0, 1
    settings = {"n_blocks": 1, "hidden_units": 16, "max_epochs": max_epochs}
    return Data(flat(images[:rows]), labels[:rows], budget, images.shape[1:], settings)


def control(estimator: Any, n_topics: int, seed: int) -> dict[str, Any]:
    """Share of the rows drawn from each topic that are told to be of it."""
    with Stopwatch() as watch:
        hits = [
            float((estimator.predict(estimator.sample(N_SAMPLES, seed, topics=k)) == k).mean())
            for k in range(n_topics)
        ]
    shares = {"control": hits, "control_mean": float(np.mean(hits)), "control_worst": min(hits)}
    return {**shares, **watch.seconds("control")}


def describe_words(estimator: Any, X: np.ndarray) -> dict[str, Any]:
    """How the words of topics are to read, in the rows of the fit."""
    topics = estimator.describe_topics(X=X)
    names = "coherence", "exclusivity"
    return {name: float(np.nanmean([topic[name] for topic in topics])) for name in names}


def agreement(fit: Callable, data: Data, seed: int, budget: float) -> dict[str, Any]:
    """Whether fits to either half of the rows give all rows the same topics."""
    from sklearn.metrics import adjusted_rand_score

    order = np.random.default_rng(seed).permutation(len(data.X))
    topics = []
    with Stopwatch() as watch:
        for half in np.array_split(order, 2):
            part = replace(data, X=data.X[half], labels=data.labels[half])
            topics.append(fit(part, seed, budget)[1].predict(data.X))
    return {"agreement": float(adjusted_rand_score(*topics)), **watch.seconds("agreement")}


def describe_fit(estimator: Any) -> dict[str, Any]:
    held_out = estimator.history_["valid_log_density"]
    return {
        "n_groups": len(estimator.word_groups_),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "n_parameters": count(estimator.module_),
        "valid_log_density": [float(held_out[i]) for i in (0, estimator.best_epoch_)],
        "topic_weights": [topic["weight"] for topic in estimator.topics_],
        "alpha": [topic["alpha"] for topic in estimator.topics_],
    }


def fit_and_compare(
    fit: Callable, data: Data, seed: int, budget: float, path: Path | None, halves: bool
) -> dict:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    with Stopwatch() as watch:
        topics, estimator = fit(data, seed, budget)
    result = {
        "nmi": float(normalized_mutual_info_score(data.labels, topics)),
        "ari": float(adjusted_rand_score(data.labels, topics)),
        "n_in_use": int((np.bincount(topics) >= IN_USE * len(topics)).sum()),
        **watch.seconds("fit"),
    }
    if estimator is None:
        return result
    if path is not None and data.image_shape is not None:
        draw_topics(estimator, data, topics, path)
    result |= describe_fit(estimator) | describe_words(estimator, data.X)
    if halves:
        result |= agreement(fit, data, seed, budget)
    return result | control(estimator, data.n_classes, seed)


def draw_topics(estimator: Any, data: Data, topics: np.ndarray, path: Path) -> None:
    """A row of samples for each topic, after the mean of the rows of that topic."""
    rows = []
    for k in range(data.n_classes):
        members = data.X[topics == k] if (topics == k).any() else np.zeros_like(data.X[:1])
        drawn = estimator.sample(PICTURES_PER_TOPIC, 0, topics=k)
        rows.append(np.concatenate([members.mean(0, keepdims=True), drawn]))
    images = np.stack(rows).reshape(len(rows), -1, *data.image_shape)
    labels = [f"topic {k}" for k in range(len(rows))]
    draw_rows(images, labels, "Mean of the rows of each topic, then samples of it", path)


def measure(study: Study) -> None:
    args = study.args
    methods = study.installed(args.methods, NEEDED)
    for name in args.data:
        data = load(name, args.rows)
        budget = data.budget if args.budget is None else args.budget
        for seed in study.seeds:
            for method in [m for m in methods if applies(m, data)]:
                stem = f"{name} {method} seed {seed}".replace(",", "").replace(" ", "_")
                path = args.pictures / f"{stem}.png" if args.pictures else None
                settings = (
                    {**data.settings, "budget": budget} if method.startswith("fractal") else {}
                )
                about = {"data": name, "seed": seed, "method": method, "n_rows": len(data.X)}
                work = fit_and_compare, CLUSTERERS[method], data, seed, budget, path, args.agreement
                study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    header = ["data", "rows", "method", "seeds", "NMI", "ARI", "in use", "CPU s", "groups"]
    header += ["epochs", "coherence", "exclusivity", "agreement", "control", "worst", "settings"]
    rows = []
    for name, n_rows in distinct(results, "data", "n_rows"):
        of_data = select(results, data=name, n_rows=n_rows)
        for method in in_order(CLUSTERERS, of_data):
            own = select(of_data, method=method)
            worst = min((r["control_worst"] for r in own if "control" in r), default=None)
            numbers = (("nmi", 3), ("ari", 3), ("n_in_use", 1), ("fit_cpu_seconds", 1))
            numbers += (("n_groups", 1), ("n_epochs", 1), ("coherence", 3))
            numbers += (("exclusivity", 3), ("agreement", 3), ("control_mean", 3))
            cells = [mean(own, key, digits) for key, digits in numbers]
            cells += ["-" if worst is None else f"{worst:.3f}"]
            settings = " ".join(f"{k}={v}" for k, v in own[0]["settings"].items()) or "-"
            rows.append([name, str(n_rows), method, str(len(own)), *cells, settings])
    print_table("Means over seeds; 'worst' is the worst topic of the worst seed", header, rows)
    missed = [r for r in results if r.get("control_mean", 1.0) < TARGET_CONTROL]
    n_fits = sum("control" in r for r in results)
    print(f"Mean control below {TARGET_CONTROL:.0%} in {len(missed)} of {n_fits} fits")


def main() -> None:
    study = Study("topics", __doc__, seeds=3, budget=None, smoke_budget=0.1)
    data = ["wine", "breast_cancer", "digits", "mnist"]
    choices = [*data, *CLASS_TABLES]
    names = {"nargs": "+", "choices": choices, "default": data, "smoke": ["wine", "digits"]}
    study.option("--data", selects="data", help="data sets", **names)
    methods = {"nargs": "+", "choices": CLUSTERERS, "default": list(CLUSTERERS)}
    smoke = ["KMeans", "GaussianMixture full", "LDA alone, sklearn", "fractal", "fractal, patches"]
    study.option("--methods", selects="method", smoke=smoke, help="rows of the table", **methods)
    study.option("--rows", type=int, default=10_000, smoke=150, help="most rows, the first ones")
    text = "also fit both halves of the rows, and compare their topics"
    study.option("--agreement", action="store_true", smoke=True, help=text)
    study.option("--pictures", type=Path, help="folder for pictures of samples by topic")
    study.run(measure, report)


if __name__ == "__main__":
    main()
