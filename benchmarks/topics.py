"""Topics of FractalFlowDensity as clusters, and samples that keep to the topic asked for.

Every method gets as many clusters as there are classes and never sees a label. Reported are the
normalised mutual information (NMI) and adjusted Rand index (ARI) of the heaviest topic of each row
with the labels, how many topics are the heaviest of at least 1 % of the rows, and CPU seconds of
the fit. Rows are those of the fit.

Control, for FractalFlowDensity: of 200 rows drawn from each topic, the share that `predict` gives
back to that topic; the mean and the worst over all topics, unused ones included.

Baselines see standardised columns of tables and grey levels divided by the largest one of images;
mixtures see 50 principal components of MNIST. "LDA alone" is the heaviest topic of the documents
that FractalFlowDensity starts from. FractalFlowDensity is at its defaults but for what the column
"settings" says, which makes the fits affordable on a CPU; "budget" are the CPU seconds after which
a training ends with its epoch.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    data_folder,
    environment,
    format_table,
    is_installed,
    make_parser,
    set_threads,
    write_json,
)
from likelihood import time_limit

TABLE_BUDGET = 10.0
N_SAMPLES = 200
TARGET_CONTROL = 0.9
IN_USE = 0.01
# A word group a column beyond so many columns takes too long.
MAX_GROUPS = 64
MNIST_COMPONENTS = 50
PICTURES_PER_TOPIC = 10


@dataclass(frozen=True)
class Data:
    """Rows, their labels, the shape of the images that they are, and what the flow is given."""

    X: np.ndarray
    labels: np.ndarray
    budget: float
    image_shape: tuple[int, int] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        return len(np.unique(self.labels))

    def scaled(self) -> np.ndarray:
        if self.image_shape is not None:
            return self.X / self.X.max()
        return (self.X - self.X.mean(0)) / self.X.std(0)


# Data


def load_digits() -> Data:
    from sklearn import datasets

    X, labels = datasets.load_digits(return_X_y=True)
    settings = {"n_blocks": 1, "hidden_units": 16, "max_epochs": 5}
    return Data(X, labels, 60.0, (8, 8), settings)


def load_mnist() -> Data:
    with np.load(data_folder() / "mnist.npz", allow_pickle=False) as arrays:
        X, labels = arrays["x_train"], arrays["y_train"]
    settings = {"n_blocks": 1, "hidden_units": 16, "max_epochs": 1}
    return Data(X.reshape(len(X), -1), labels, 240.0, (28, 28), settings)


def load_bundled(name: str) -> Callable[[], Data]:
    def load() -> Data:
        from sklearn import datasets

        return Data(*getattr(datasets, f"load_{name}")(return_X_y=True), TABLE_BUDGET)

    return load


DATA: dict[str, Callable[[], Data]] = {
    "wine": load_bundled("wine"),
    "breast_cancer": load_bundled("breast_cancer"),
    "digits": load_digits,
    "mnist": load_mnist,
}


def first_rows(data: Data, n: int) -> Data:
    return replace(data, X=data.X[:n], labels=data.labels[:n])


# Methods: fit(data, seed) -> heaviest topic of each row, and the estimator where it can sample


def fit_kmeans(data: Data, seed: int) -> tuple[np.ndarray, None]:
    from sklearn.cluster import KMeans

    model = KMeans(data.n_classes, n_init=10, random_state=seed)
    return model.fit_predict(data.scaled()), None


def fit_mixture(covariance_type: str) -> Callable:
    def fit(data: Data, seed: int) -> tuple[np.ndarray, None]:
        from sklearn.decomposition import PCA
        from sklearn.mixture import GaussianMixture

        X = data.scaled()
        if X.shape[1] > 10 * MNIST_COMPONENTS:
            X = PCA(MNIST_COMPONENTS, random_state=seed).fit_transform(X)
        model = GaussianMixture(
            data.n_classes,
            covariance_type=covariance_type,
            # Constant pixels and atoms need more than scikit-learn's 1e-6.
            reg_covar=1e-3,
            random_state=seed,
        )
        return model.fit_predict(X), None

    return fit


def fit_lda_alone(backend: str) -> Callable:
    def fit(data: Data, seed: int) -> tuple[np.ndarray, None]:
        from flowkit.topics import fit_lda

        rng = np.random.RandomState(seed)
        topics = fit_lda(documents_of(data, rng), data.n_classes, backend, rng)
        return topics.proportions.argmax(1), None

    return fit


def documents_of(data: Data, rng: np.random.RandomState) -> Any:
    """As FractalFlowDensity makes them: overlapping patches of half the edge of images."""
    from flowkit.topics import patch_documents, table_documents

    if data.image_shape is None:
        return table_documents(data.X)
    patch = min(data.image_shape) // 2
    return patch_documents(data.X, data.image_shape, rng, patch=patch, stride=patch // 2)


def n_columns(data: Data) -> int:
    return data.X.shape[1]


def n_patches(data: Data) -> int:
    """Patches of 2 by 2 pixels of small images, of 4 by 4 of others."""
    edge = 2 if min(data.image_shape) < 16 else 4
    return math.prod(length // edge for length in data.image_shape)


def fit_fractal(**parameters: Any) -> Callable:
    def fit(data: Data, seed: int) -> tuple[np.ndarray, Any]:
        from flowkit import FractalFlowDensity

        given = {k: v(data) if callable(v) else v for k, v in parameters.items()}
        estimator = FractalFlowDensity(
            data.n_classes,
            image_shape=data.image_shape,
            random_state=seed,
            callbacks=[time_limit(data.budget)],
            **{**data.settings, **given},
        )
        return estimator.fit(data.X).predict(data.X), estimator

    return fit


FRACTAL: dict[str, dict[str, Any]] = {
    "fractal": {},
    "fractal, 1 group": {"n_word_groups": 1},
    "fractal, patches": {"n_word_groups": n_patches},
    "fractal, a group a column": {"n_word_groups": n_columns},
    "fractal, k-means start": {"lda_backend": None},
    "fractal, gensim start": {"lda_backend": "gensim"},
    "fractal, mixture prior": {"prior": "gaussian_mixture"},
}
BASELINES: dict[str, Callable] = {
    "KMeans": fit_kmeans,
    "GaussianMixture diag": fit_mixture("diag"),
    "GaussianMixture full": fit_mixture("full"),
    "LDA alone, sklearn": fit_lda_alone("sklearn"),
    "LDA alone, gensim": fit_lda_alone("gensim"),
}
METHODS = (*BASELINES, *FRACTAL)


def applies(method: str, data: Data) -> bool:
    """Whether a method can be had here and makes sense of these data."""
    if "gensim" in method:
        return is_installed("gensim")
    if "patches" in method:
        return data.image_shape is not None
    return "a group a column" not in method or n_columns(data) <= MAX_GROUPS


def settings_of(method: str, data: Data) -> dict[str, Any] | None:
    """What a flow is given beside the method's own, None for the other methods."""
    return {**data.settings, "budget": data.budget} if method in FRACTAL else None


# Measures


def agreement(labels: np.ndarray, topics: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "nmi": float(normalized_mutual_info_score(labels, topics)),
        "ari": float(adjusted_rand_score(labels, topics)),
        "n_in_use": int((np.bincount(topics) >= IN_USE * len(topics)).sum()),
    }


def control(estimator: Any, n_topics: int, seed: int) -> dict[str, Any]:
    """Share of the rows drawn from each topic that are told to be of it."""
    with Stopwatch() as watch:
        hits = [
            float((estimator.predict(estimator.sample(N_SAMPLES, seed, topics=k)) == k).mean())
            for k in range(n_topics)
        ]
    return {
        "control": hits,
        "control_mean": float(np.mean(hits)),
        "control_worst": min(hits),
        "control_cpu_seconds": watch.cpu,
    }


def describe_fit(estimator: Any) -> dict[str, Any]:
    history = estimator.history_
    return {
        "n_groups": len(estimator.word_groups_),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "n_parameters": sum(p.numel() for p in estimator.module_.parameters()),
        "valid_log_density": [
            float(history["valid_log_density"][i]) for i in (0, estimator.best_epoch_)
        ],
        "topic_weights": [topic["weight"] for topic in estimator.topics_],
        "alpha": [topic["alpha"] for topic in estimator.topics_],
    }


def measure(fit: Callable, data: Data, seed: int) -> tuple[dict, Any]:
    """One result; a method that fails is recorded, the others go on."""
    try:
        with warnings.catch_warnings(), Stopwatch() as watch:
            warnings.simplefilter("ignore")
            topics, estimator = fit(data, seed)
        result = {**agreement(data.labels, topics), "fit_cpu_seconds": watch.cpu}
        if estimator is not None:
            result |= describe_fit(estimator) | control(estimator, data.n_classes, seed)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, None
    return result, estimator


# Pictures


def draw_pictures(estimator: Any, data: Data, path: Path) -> None:
    """A row of samples for each topic, after the mean of the rows of that topic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    topics = estimator.predict(data.X)
    rows = []
    for k in range(data.n_classes):
        members = data.X[topics == k] if (topics == k).any() else np.zeros_like(data.X[:1])
        drawn = estimator.sample(PICTURES_PER_TOPIC, 0, topics=k)
        rows.append(np.concatenate([members.mean(0, keepdims=True), drawn]))
    # A grey line between images.
    images = np.stack(rows).reshape(len(rows), -1, *data.image_shape)
    images = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=data.X.max() / 2)
    height = images.shape[2]
    grid = images.transpose(0, 2, 1, 3).reshape(len(rows) * height, -1)
    figure, axes = plt.subplots(figsize=(PICTURES_PER_TOPIC + 1, len(rows)), layout="tight")
    axes.imshow(grid, cmap="gray", vmin=0, vmax=data.X.max())
    axes.set_xticks([])
    axes.set_yticks((np.arange(len(rows)) + 0.5) * height, [f"topic {k}" for k in range(len(rows))])
    axes.set_title("Mean of the rows of each topic, then samples of it")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    plt.close(figure)


# Running


def run(arguments: argparse.Namespace, payload: dict) -> None:
    """Fit everything asked for; the file is complete after every fit."""
    for name in arguments.data:
        data = first_rows(DATA[name](), arguments.rows)
        if arguments.budget is not None:
            data = replace(data, budget=arguments.budget)
        payload["results"] = [r for r in payload["results"] if r["data"] != name or fits(r, data)]
        done = {(r["data"], r["seed"], r["method"]) for r in payload["results"]}
        for seed, method in product(arguments.seeds, arguments.methods):
            if (name, seed, method) in done or not applies(method, data):
                continue
            own = FRACTAL.get(method)
            fit = BASELINES[method] if own is None else fit_fractal(**own)
            result, estimator = measure(fit, data, seed)
            about = {"data": name, "seed": seed, "method": method, "n_rows": len(data.X)}
            settings = settings_of(method, data)
            payload["results"].append({**about, "settings": settings, **result})
            write_json(arguments.output, payload)
            print("  ".join(describe(payload["results"][-1])), flush=True)
            if arguments.pictures and data.image_shape and estimator is not None:
                stem = f"{name} {method} seed {seed}".replace(",", "").replace(" ", "_")
                draw_pictures(estimator, data, arguments.pictures / f"{stem}.png")


def fits(result: dict, data: Data) -> bool:
    """Whether an earlier result belongs in one table with those of now."""
    return (
        "error" not in result
        and result["n_rows"] == len(data.X)
        and result["settings"] == settings_of(result["method"], data)
    )


def describe(result: dict) -> list[str]:
    start = [result["data"], str(result["seed"]), result["method"]]
    if "error" in result:
        return [*start, result["error"]]
    end = f"control {result['control_mean']:.3f}" if "control" in result else ""
    seconds = f"{result['fit_cpu_seconds']:.1f} s"
    return [*start, f"NMI {result['nmi']:.3f}", f"ARI {result['ari']:.3f}", seconds, end]


def mean_of(results: list[dict], key: str, digits: int = 3) -> str:
    values = [r[key] for r in results if key in r]
    return f"{np.mean(values):.{digits}f}" if values else "-"


def report(payload: dict) -> None:
    results = [r for r in payload["results"] if "error" not in r]
    header = ["data", "rows", "method", "seeds", "NMI", "ARI", "in use", "CPU s", "groups"]
    header += ["epochs", "control", "worst", "settings"]
    rows = []
    for name in DATA:
        for method in METHODS:
            own = [r for r in results if (r["data"], r["method"]) == (name, method)]
            if not own:
                continue
            settings = own[0]["settings"] or {}
            worst = min((r["control_worst"] for r in own if "control" in r), default=None)
            rows.append(
                [
                    name,
                    str(own[0]["n_rows"]),
                    method,
                    ",".join(str(r["seed"]) for r in own),
                    mean_of(own, "nmi"),
                    mean_of(own, "ari"),
                    mean_of(own, "n_in_use", 1),
                    mean_of(own, "fit_cpu_seconds", 1),
                    mean_of(own, "n_groups", 1),
                    mean_of(own, "n_epochs", 1),
                    mean_of(own, "control_mean"),
                    "-" if worst is None else f"{worst:.3f}",
                    " ".join(f"{key}={value}" for key, value in settings.items()) or "-",
                ]
            )
    print("\nMeans over seeds; 'worst' is the worst topic of the worst seed")
    print(format_table(header, rows))
    missed = [r for r in results if r.get("control_mean", 1.0) < TARGET_CONTROL]
    n_fits = sum("control" in r for r in results)
    print(f"Mean control below {TARGET_CONTROL:.0%} in {len(missed)} of {n_fits} fits")
    for r in payload["results"]:
        if "error" in r:
            print(f"Failed: {r['data']} seed {r['seed']} {r['method']}: {r['error']}")


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("topics", "Topics as clusters, and samples of given topics.")
    add_threads_option(parser)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the fits")
    parser.add_argument("--rows", type=int, default=10_000, help="most rows, the first ones")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="rows of the table"
    )
    parser.add_argument(
        "--budget", type=float, help="CPU seconds after which a training ends, for all data"
    )
    parser.add_argument("--pictures", type=Path, help="folder for pictures of samples by topic")
    parser.add_argument(
        "--resume", action="store_true", help="keep results of the same settings in --output"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    payload: dict[str, Any] = {"environment": environment(arguments.threads), "results": []}
    if arguments.resume and arguments.output.exists():
        payload["results"] = json.loads(arguments.output.read_text())["results"]
    run(arguments, payload)
    report(payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
