"""Outliers: flowkit's default detector against its densities and what people use today.

    FLOWKIT_DATA=folder python benchmarks/anomaly.py --resume

runs all that follows, which takes half a day; parts of it can go to files of their own:

    python benchmarks/anomaly.py --parts tables --protocols one-class --seeds 0 --output a.json
    python benchmarks/anomaly.py --parts tables --protocols one-class --seeds 1 --output b.json
    python benchmarks/anomaly.py --output both.json --merge a.json b.json

`tables`: every table of adbench/*.npz, AUROC and average precision of the anomalies, for which no
method sees a label. Columns that are constant in training are dropped, all others standardised by
the training rows, once for all methods.

- one-class: half of the normal rows train, the others and all anomalies test.
- unsupervised: a random sample of all rows trains, anomalies included, and all rows test. Where the
  table is no larger than --max-train, seeds differ in the methods' own randomness alone.

--max-train and --max-test cap both. Capped test rows keep the share of anomalies, but for tables
with hardly any: ten are kept, which raises their average precision.

Every method has its library's defaults and no tuning, but for these: kNN and DTE-NP have five
neighbours, mixtures one to ten normals by BIC, KernelDensity Scott's bandwidth; "smooth mixture" is
a GaussianMixture with reg_covar=0.01 instead of 1e-6, which suits rows of unit variance better; the
MAF has five transforms of 64 x 64 units and is trained as in likelihood.py. flowkit's densities and
the MAF stop training once --budget CPU seconds are used up, with the best weights so far; the
default detector has no budget. CPU seconds are those of one thread, after a first fit that counts
for nothing. Ranks, and means over tables, are of the tables on which all the methods shown have
results; values of a table are means over seeds.

`ablation`: settings of the detector (ABLATION) in the one-class protocol, against its defaults.

`images`: MNIST, flat grey levels. Digits 0 to 8 train, and these kinds are to be told from unseen
digits 0 to 8: "nine", the digit; "strokes", two to four random curves drawn with the pen of a
digit, like letters of no alphabet; and other unseen digits 0 to 8 that are "blurred", "faint" (a
fourth of the contrast), "small" (shrunk to half their size), or "halves" (the upper ones). Small
ones and halves are simpler than digits, hence likelier to densities of images although training has
none: an AUROC of the log density far below a half is that paradox. Each density is fitted once for
all statistics, which take what training scores they need from the training rows.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    distinct,
    environment,
    find,
    format_table,
    is_installed,
    keep_result,
    load_kept,
    load_labels,
    load_table,
    make_parser,
    measure_scores,
    select,
    set_threads,
    standardised,
    table_names,
    write_json,
)
from images import FRACTAL, GREY, flat, load, within_budget
from likelihood import time_limit, train_early_stopped
from phvae import GREY_LEVELS

PARTS = ("tables", "ablation", "images")
PROTOCOLS = ("one-class", "unsupervised")
# CPU seconds for one fit of a density.
BUDGETS = {"tables": 20.0, "ablation": 20.0, "images": 200.0}
MAX_TEST = {"tables": 10_000, "ablation": 10_000, "images": 1000}
FEWEST_ANOMALIES = 10
N_NEIGHBOURS = 5
WARM_UP_ROWS = 64
# A method this near to the best of a table is as good as first.
NEAR = 0.005

DEFAULT = "DensityOutlierDetector"
TRIMMED = f"{DEFAULT}, trim=0.3"
# name -> parameters of DensityOutlierDetector; "density" has, for some of its default densities by
# their place, what differs from them.
ABLATION: dict[str, dict[str, Any]] = {
    "first density alone": {"density": [(0, {})]},
    "second alone": {"density": [(1, {})]},
    "third alone": {"density": [(2, {})]},
    "first and second": {"density": [(0, {}), (1, {})]},
    "first without noise": {"density": [(0, {"noise": None})]},
    "second at its bandwidth": {"density": [(1, {"bandwidth_factor": 1.0})]},
    "second, linear maps alone": {"density": [(1, {"n_transforms": 0})]},
    "second, normal prior": {"density": [(1, {"prior": "normal"})]},
    "n_estimators=3": {"n_estimators": 3},
}

IMAGE_DENSITIES: dict[str, dict[str, Any]] = {
    "RGFlowDensity": {"image_shape": (28, 28)},
    "FractalFlowDensity": {"image_shape": (28, 28), **FRACTAL},
    "PHVAE": GREY_LEVELS,
}
STATISTICS = ("log_density", "typicality", "levels", "dose")
# Only the first has scales to compare.
IMAGE_METHODS = {
    f"{density}, {statistic}": (density, statistic)
    for density, statistic in product(IMAGE_DENSITIES, STATISTICS)
    if statistic != "levels" or density == "RGFlowDensity"
}
IMAGE_PEERS = ("kNN", "IsolationForest")
KINDS = ("nine", "strokes", "blurred", "faint", "small", "halves")
BLUR, FAINT = 1.5, 0.25
EDGE, PEN = 28, 1.2


# Methods: objects with fit(X) and score(X), the higher the stranger a row


class Scored:
    """A model that scores rows by one of its methods: scikit-learn's and flowkit's, or PyOD's."""

    def __init__(self, model: Any):
        self.model = model

    def fit(self, X: np.ndarray) -> Scored:
        self.model.fit(X)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        if hasattr(self.model, "score_samples"):
            return -self.model.score_samples(X)
        return self.model.decision_function(X)


class Neighbours:
    """Distance to the last of the nearest training rows."""

    def fit(self, X: np.ndarray) -> Neighbours:
        from sklearn.neighbors import NearestNeighbors

        self.search = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(X)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        return self.search.kneighbors(X)[0][:, -1]


class DiffusionTime(Neighbours):
    """DTE-NP: the time at which a diffusion of the training rows would most likely give a row.

    Rows x + s e with normal noise e and a flat prior on the variance s^2, which grows with time:
    given a row, s^2 has an inverse gamma density of shape d/2 - 1 and rate D/2, where D is the
    squared distance from x, for which the nearest rows stand: their mean D. Its mode is D/d.

    Livernoche, Jain, Hezaveh and Ravanbakhsh, "On diffusion modeling for anomaly detection", 2024.
    They round it to one of a few hundred times, the last of which all far rows would share.
    """

    def score(self, X: np.ndarray) -> np.ndarray:
        shape, rate = X.shape[1] / 2 - 1, (self.search.kneighbors(X)[0] ** 2).mean(1) / 2
        return rate / (shape + 1)


class Mixture(Scored):
    """Normals with full covariances, as many as BIC wants."""

    def __init__(self, seed: int, **parameters: Any):
        self.parameters = {"random_state": seed, **parameters}

    def fit(self, X: np.ndarray) -> Mixture:
        from sklearn.mixture import GaussianMixture

        numbers = range(1, min(10, len(X)) + 1)
        mixtures = [GaussianMixture(k, **self.parameters).fit(X) for k in numbers]
        self.model = min(mixtures, key=lambda mixture: mixture.bic(X))
        return self


class DeepSVDD(Scored):
    """PyOD's, which wants to know the number of columns."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: np.ndarray) -> DeepSVDD:
        from pyod.models.deep_svdd import DeepSVDD

        self.model = DeepSVDD(X.shape[1], random_state=self.seed, verbose=0).fit(X)
        return self


class ZukoMAF:
    def __init__(self, seed: int, budget: float):
        self.seed, self.budget = seed, budget

    def fit(self, X: np.ndarray) -> ZukoMAF:
        import torch
        import zuko

        torch.manual_seed(self.seed)
        self.flow = zuko.flows.MAF(X.shape[1], transforms=5, hidden_features=(64, 64))
        train_early_stopped(self.flow, torch.as_tensor(X, dtype=torch.float32), self.budget)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return -self.flow().log_prob(torch.as_tensor(X, dtype=torch.float32)).double().numpy()


# An untrained method, of a seed and a budget.
Builder = Callable[[int, float], Any]


def of_class(path: str, seeded: bool = True, limited: bool = False, **parameters: Any) -> Builder:
    """Builder of a class at an import path; `limited` ones stop training at the budget."""

    def build(seed: int, budget: float) -> Scored:
        module, _, name = path.rpartition(".")
        given = dict(parameters)
        if seeded:
            given["random_state"] = seed
        if limited:
            given |= {"callbacks": [time_limit(budget)], "device": "cpu"}
        return Scored(getattr(importlib.import_module(module), name)(**given))

    return build


def detector(density: Any = None, **parameters: Any) -> Builder:
    """Builder of the detector, of an estimator or of some of its default densities."""

    def build(seed: int, budget: float) -> Scored:
        from flowkit import DensityOutlierDetector
        from flowkit.outliers.detector import default_densities

        given = density
        if isinstance(density, list):
            defaults = default_densities()
            given = [defaults[i].set_params(**changes) for i, changes in density]
        return Scored(DensityOutlierDetector(given, random_state=seed, **parameters))

    return build


DENSITIES = ("FlowDensity", "FractalFlowDensity", "RGFlowDensity", "PHVAE")
BUDGETED = (*DENSITIES, "zuko MAF", *IMAGE_METHODS)
METHODS: dict[str, Builder] = {
    DEFAULT: detector(),
    TRIMMED: detector(trim=0.3),
    **{name: of_class(f"flowkit.{name}", limited=True) for name in DENSITIES},
    "kNN": lambda seed, budget: Neighbours(),
    "DTE-NP": lambda seed, budget: DiffusionTime(),
    "LOF": of_class("sklearn.neighbors.LocalOutlierFactor", seeded=False, novelty=True),
    "IsolationForest": of_class("sklearn.ensemble.IsolationForest"),
    "OneClassSVM": of_class("sklearn.svm.OneClassSVM", seeded=False),
    "KernelDensity": of_class("sklearn.neighbors.KernelDensity", seeded=False, bandwidth="scott"),
    "GaussianMixture": lambda seed, budget: Mixture(seed),
    "smooth mixture": lambda seed, budget: Mixture(seed, reg_covar=0.01),
    "ECOD": of_class("pyod.models.ecod.ECOD", seeded=False),
    "COPOD": of_class("pyod.models.copod.COPOD", seeded=False),
    "PyOD VAE": of_class("pyod.models.vae.VAE", device="cpu", verbose=0),
    "DeepSVDD": lambda seed, budget: DeepSVDD(seed),
    "zuko MAF": ZukoMAF,
}
LIBRARIES = {"pyod": ("ECOD", "COPOD", "PyOD VAE", "DeepSVDD"), "zuko": ("zuko MAF",)}
VARIANTS = {name: detector(**parameters) for name, parameters in ABLATION.items()}


def warm_up(build: Builder) -> None:
    """A fit that counts for nothing: the first one would pay for what is loaded when needed."""
    rows = np.random.default_rng(0).normal(size=(WARM_UP_ROWS, 3))
    # What fails here fails again where it is recorded.
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        build(0, 0.5).fit(rows).score(rows)


# Tables


def capped(
    rows: np.ndarray, anomalous: np.ndarray, most: int, rng: np.random.Generator
) -> np.ndarray:
    """At most so many of these rows, with their share of anomalies."""
    rows = rng.permutation(rows)
    if len(rows) <= most:
        return rows
    strange, usual = rows[anomalous[rows]], rows[~anomalous[rows]]
    n_strange = max(round(most * len(strange) / len(rows)), FEWEST_ANOMALIES)
    strange = strange[:n_strange]
    return rng.permutation(np.concatenate([strange, usual[: most - len(strange)]]))


def split(
    anomalous: np.ndarray, protocol: str, seed: int, max_train: int, max_test: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and test rows."""
    rng = np.random.default_rng(seed)
    if protocol == "one-class":
        normal = rng.permutation(np.flatnonzero(~anomalous))
        half = len(normal) // 2
        train, rest = normal[:half], np.concatenate([normal[half:], np.flatnonzero(anomalous)])
    else:
        train, rest = rng.permutation(len(anomalous)), np.arange(len(anomalous))
    return train[:max_train], capped(rest, anomalous, max_test, rng)


def measure(model: Any, train: np.ndarray, test: np.ndarray, anomalous: np.ndarray) -> dict:
    with Stopwatch() as fitting:
        model.fit(train)
    with Stopwatch() as scoring:
        scores = model.score(test)
    return {
        **measure_scores(scores, anomalous),
        "fit_cpu_seconds": fitting.cpu,
        "score_cpu_seconds": scoring.cpu,
        "n_train": len(train),
        "n_test": len(test),
        "n_anomalies": int(anomalous.sum()),
        "d": train.shape[1],
    }


# Images


def strokes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Images of two to four quadratic curves, as thick and as far from the border as digits."""
    t = np.linspace(0, 1, 40)[:, None]
    weights = np.hstack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    pixels = np.stack(np.mgrid[:EDGE, :EDGE], -1).reshape(-1, 1, 2)
    images = np.empty((n, EDGE, EDGE))
    for image in images:
        corners = rng.uniform(4, EDGE - 5, (rng.integers(2, 5), 3, 2))
        points = (weights @ corners).reshape(-1, 2)
        distance = np.sqrt(((pixels - points) ** 2).sum(-1).min(1))
        image[:] = np.clip(PEN + 0.5 - distance, 0, 1).reshape(EDGE, EDGE)
    return np.rint(GREY * images)


def load_images(
    seed: int, max_train: int, max_test: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Training digits, unseen digits, and images of each kind that is strange, all flat."""
    from scipy.ndimage import gaussian_filter

    arrays, rng = load("mnist"), np.random.default_rng(seed)
    train = rng.permutation(arrays["x_train"][arrays["y_train"] < 9])[:max_train]
    unseen = rng.permutation(arrays["x_test"][arrays["y_test"] < 9].astype(np.float64))
    digits, others = unseen[:max_test], unseen[max_test : 2 * max_test]
    small, halves = np.zeros_like(others), others.copy()
    quarter = EDGE // 4
    pairs = others.reshape(-1, EDGE // 2, 2, EDGE // 2, 2)
    small[:, quarter:-quarter, quarter:-quarter] = np.rint(pairs.mean((2, 4)))
    halves[:, EDGE // 2 :] = 0
    kinds = {
        "nine": rng.permutation(arrays["x_test"][arrays["y_test"] == 9])[:max_test],
        "strokes": strokes(max_test, rng),
        "blurred": np.rint(gaussian_filter(others, (0, BLUR, BLUR))),
        "faint": np.rint(FAINT * others),
        "small": small,
        "halves": halves,
    }
    rows = {kind: flat(images).astype(np.float64) for kind, images in kinds.items()}
    return flat(train).astype(np.float64), flat(digits), rows


def fit_density(name: str, train: np.ndarray, seed: int, budget: float) -> tuple[Any, float]:
    """A density of images, and the CPU seconds of its fit."""
    import flowkit

    settings = {**IMAGE_DENSITIES[name], "random_state": seed, "device": "cpu"}
    # The budget ends the training.
    settings |= {"max_epochs": 1000, "callbacks": [within_budget(budget)]}
    with Stopwatch() as watch:
        model = getattr(flowkit, name)(**settings).fit(train)
    return model, watch.cpu


def measure_images(
    model: Any, train: np.ndarray, digits: np.ndarray, kinds: dict[str, np.ndarray]
) -> dict:
    with Stopwatch() as fitting:
        model.fit(train)
    result: dict[str, Any] = {"fit_cpu_seconds": fitting.cpu, "n_train": len(train)}
    with Stopwatch() as scoring:
        usual = model.score(digits)
        strange = {kind: model.score(rows) for kind, rows in kinds.items()}
    for kind, scores in strange.items():
        anomalous = np.repeat([False, True], [len(usual), len(scores)])
        result |= measure_scores(np.concatenate([usual, scores]), anomalous, f"_{kind}")
    return {**result, "score_cpu_seconds": scoring.cpu}


# Running


class Run:
    """Options and results; the file is complete after every fit."""

    def __init__(self, arguments: argparse.Namespace, payload: dict):
        self.arguments, self.payload = arguments, payload
        self.warm: set[str] = set()

    def missing(self, about: dict, methods: Any) -> list[str]:
        """Those of the methods that are wanted and have no result yet."""
        wanted, results = self.arguments.methods or methods, self.payload["results"]
        return [m for m in methods if m in wanted and find(results, {**about, "method": m}) is None]

    def keep(self, about: dict, method: str, work: Callable[[], dict]) -> None:
        settings = settings_of(self.arguments, about["part"], method)
        about = {**about, "method": method}
        keep_result(self.arguments.output, self.payload, about, settings, work)

    def builder(self, method: str) -> Builder:
        """What builds a method, which has been fitted once."""
        build = {**METHODS, **VARIANTS}[method]
        if method not in self.warm:
            self.warm.add(method)
            warm_up(build)
        return build

    def table(self, about: dict, methods: Any) -> None:
        methods = self.missing(about, methods)
        if not methods:
            return
        anomalous, limits = load_labels(about["data"]), limits_of(self.arguments, about["part"])
        train, test = split(anomalous, about["protocol"], about["seed"], **limits)
        X = standardised(load_table(about["data"]), train)
        for method in methods:
            build = self.builder(method)

            def work(build: Builder = build) -> dict:
                model = build(about["seed"], budget_of(self.arguments, about["part"]))
                return measure(model, X[train], X[test], anomalous[test])

            self.keep(about, method, work)


def run_tables(run: Run, seed: int) -> None:
    absent = [m for library, own in LIBRARIES.items() if not is_installed(library) for m in own]
    if absent:
        print(f"Left out, as their libraries are not installed: {', '.join(absent)}")
    for protocol, table in product(run.arguments.protocols, run.arguments.tables or table_names()):
        about = {"part": "tables", "protocol": protocol, "data": table, "seed": seed}
        run.table(about, [name for name in METHODS if name not in absent])


def run_ablation(run: Run, seed: int) -> None:
    for table in run.arguments.tables or table_names():
        about = {"protocol": PROTOCOLS[0], "data": table, "seed": seed}
        # What the variants are compared with is a result of the other part.
        run.table({"part": "tables", **about}, [DEFAULT])
        run.table({"part": "ablation", **about}, VARIANTS)


def run_images(run: Run, seed: int) -> None:
    about = {"part": "images", "data": "mnist", "seed": seed}
    methods = run.missing(about, [*IMAGE_METHODS, *IMAGE_PEERS])
    if not methods:
        return
    train, digits, kinds = load_images(seed, **limits_of(run.arguments, "images"))
    budget = budget_of(run.arguments, "images")

    @functools.cache
    def fitted(name: str) -> tuple[Any, float]:
        return fit_density(name, train, seed, budget)

    def score(method: str) -> dict:
        from sklearn.frozen import FrozenEstimator

        name, statistic = IMAGE_METHODS[method]
        model, seconds = fitted(name)
        scored = detector(density=FrozenEstimator(model), statistic=statistic)(seed, budget)
        result = measure_images(scored, train, digits, kinds)
        return {**result, "density_cpu_seconds": seconds, "n_epochs": int(model.n_iter_)}

    def peer(method: str) -> dict:
        return measure_images(run.builder(method)(seed, budget), train, digits, kinds)

    for method in methods:
        work = functools.partial(score if method in IMAGE_METHODS else peer, method)
        run.keep(about, method, work)


RUNS = {"tables": run_tables, "ablation": run_ablation, "images": run_images}


# Tables of results


def grid(results: list[dict], key: str, tables: list[str], methods: list[str]) -> np.ndarray:
    """Means over seeds, (tables, methods), NaN where there is none."""
    values: dict[tuple, list[float]] = {}
    for r in results:
        values.setdefault((r["data"], r["method"]), []).append(r[key])
    return np.array([[np.mean(values.get((t, m), np.nan)) for m in methods] for t in tables])


def report_tables(results: list[dict], title: str, order: list[str]) -> None:
    from scipy.stats import rankdata

    if not results:
        return
    tables = sorted({r["data"] for r in results}, key=lambda t: (len(t.partition("_")[0]), t))
    methods = [m for m in order if select(results, method=m)]
    auroc, precision = (grid(results, k, tables, methods) for k in ("auroc", "average_precision"))
    complete = np.isfinite(auroc).all(1)
    counts = [len(select(results, method=m)) for m in methods]
    for method, count in zip(methods, counts, strict=True):
        if count < max(counts):
            print(f"{title}: {method} has {count} of {max(counts)} results")
    if not complete.any():
        print(f"{title}: no table has results of all of {', '.join(methods)}")
        return
    columns = {"AUROC": auroc[complete].mean(0), "AP": precision[complete].mean(0)}
    for name, values in (("rank", auroc), ("rank AP", precision)):
        columns[name] = rankdata(-values[complete], axis=1).mean(0)
    best = auroc[complete].max(1, keepdims=True)
    columns |= {"first": (auroc[complete] == best).sum(0)}
    columns |= {f"< {NEAR} off": (auroc[complete] >= best - NEAR).sum(0)}
    for name, key, statistic in (
        ("fit s", "fit_cpu_seconds", np.mean),
        ("most", "fit_cpu_seconds", np.max),
        ("score s", "score_cpu_seconds", np.mean),
    ):
        columns[name] = [statistic([r[key] for r in select(results, method=m)]) for m in methods]
    digits = {"AUROC": 4, "AP": 4, "first": 0, f"< {NEAR} off": 0}
    ranking = np.argsort(-columns["AUROC"])
    rows = [
        [methods[i], *(f"{values[i]:.{digits.get(name, 2)}f}" for name, values in columns.items())]
        for i in ranking
    ]
    seeds = distinct(results, "seed")
    print(f"\n{title}: means over the {complete.sum()} tables that all have, {len(seeds)} seed(s);")
    print("on how many tables a method is first in AUROC, or near; CPU seconds of fits")
    print(format_table(["method", *columns], rows))
    report_each(title, tables, methods, auroc, ranking)
    if DEFAULT in methods:
        report_pairs(title, methods, auroc, precision)


def report_each(
    title: str, tables: list[str], methods: list[str], auroc: np.ndarray, ranking: np.ndarray
) -> None:
    rows = []
    for table, values in zip(tables, auroc, strict=True):
        stars = np.where(values == np.nanmax(values), "*", " ")
        cells = [f"{values[i]:.3f}{stars[i]}" if np.isfinite(values[i]) else "-" for i in ranking]
        rows.append([table, *cells])
    print(f"\n{title}: AUROC of each table, * the best")
    print(format_table(["table", *(methods[i] for i in ranking)], rows))


def report_pairs(title: str, methods: list[str], auroc: np.ndarray, precision: np.ndarray) -> None:
    """The default detector against each other method, table by table."""
    rows, default = [], methods.index(DEFAULT)
    for i, method in enumerate(methods):
        if i == default:
            continue
        cells = []
        for values in (auroc, precision):
            pairs = values[:, default] - values[:, i]
            pairs = pairs[np.isfinite(pairs)]
            error = pairs.std(ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
            cells += [f"{(pairs > 0).sum()} of {len(pairs)}", f"{pairs.mean():+.4f} +- {error:.4f}"]
        rows.append([method, *cells])
    print(f"\n{title}: {DEFAULT} less another method, with standard errors over tables")
    header = ["other", "ahead in AUROC", "difference", "ahead in AP", "difference "]
    print(format_table(header, rows))


def report_images(results: list[dict]) -> None:
    if not results:
        return
    rows = []
    for method in [m for m in (*IMAGE_METHODS, *IMAGE_PEERS) if select(results, method=m)]:
        own = select(results, method=method)
        cells = [f"{np.mean([r[f'auroc_{kind}'] for r in own]):.3f}" for kind in KINDS]
        seconds = [r.get("density_cpu_seconds", 0) + r["fit_cpu_seconds"] for r in own]
        rows.append([method, str(len(own)), *cells, f"{np.mean(seconds):.1f}"])
    print("\nImages: AUROC of each kind against unseen digits; CPU seconds of the fit")
    print(format_table(["method", "seeds", *KINDS, "fit s"], rows))


def report(arguments: argparse.Namespace, payload: dict) -> None:
    """What the options choose of all results."""
    of_interest = [
        r
        for r in payload["results"]
        if r["part"] in arguments.parts
        and r["seed"] in arguments.seeds
        and (arguments.methods is None or r["method"] in arguments.methods)
        and (arguments.tables is None or r["part"] == "images" or r["data"] in arguments.tables)
    ]
    failures = Counter((r["part"], r["method"], r["error"]) for r in of_interest if "error" in r)
    for (part, method, error), count in failures.items():
        print(f"Failed: {part}, {method}, {count} fit(s): {error}")
    for protocol in arguments.protocols:
        results = select(of_interest, part="tables", protocol=protocol)
        report_tables(results, protocol, list(METHODS))
    variants = select(of_interest, part="ablation")
    compared = {(r["data"], r["seed"]) for r in variants}
    usual = select(payload["results"], part="tables", protocol=PROTOCOLS[0], method=DEFAULT)
    usual = [r for r in usual if (r["data"], r["seed"]) in compared]
    names = [DEFAULT, *(name for (name,) in distinct(variants, "method"))]
    report_tables([*usual, *variants], "ablation", names)
    report_images(select(of_interest, part="images"))


# Options


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("anomaly", "Outliers of tables and images, against other detectors.")
    add_threads_option(parser)
    methods = list(dict.fromkeys([*METHODS, *VARIANTS, *IMAGE_METHODS]))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--tables", nargs="+", help="of adbench, all by default")
    names = {"nargs": "+", "choices": methods, "metavar": "METHOD"}
    parser.add_argument("--methods", **names, help="all by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--budget", type=float, help=f"CPU seconds for one fit, not {BUDGETS}")
    parser.add_argument("--max-train", type=int, default=5000, help="most training rows")
    parser.add_argument("--max-test", type=int, help=f"most test rows, not {MAX_TEST}")
    parser.add_argument("--resume", action="store_true", help="keep the results in --output")
    parser.add_argument("--redo", **names, default=[], help="not to keep")
    parser.add_argument("--report", action="store_true", help="only print what --output holds")
    parser.add_argument(
        "--merge", type=Path, nargs="+", help="only add results of these files to --output"
    )
    return parser.parse_args()


def budget_of(arguments: argparse.Namespace, part: str) -> float:
    return arguments.budget or BUDGETS[part]


def limits_of(arguments: argparse.Namespace, part: str) -> dict[str, int]:
    max_test = arguments.max_test or MAX_TEST[part]
    return {"max_train": arguments.max_train, "max_test": max_test}


def settings_of(arguments: argparse.Namespace, part: str, method: str) -> dict:
    """What results of a method in one file must share."""
    budget = {"budget": budget_of(arguments, part)} if method in BUDGETED else {}
    parameters = {name: repr(value) for name, value in ABLATION.get(method, {}).items()}
    return {**limits_of(arguments, part), **budget, **parameters}


def kept_results(arguments: argparse.Namespace) -> list[dict]:
    only_reads = arguments.report or arguments.merge
    if not (arguments.resume or only_reads) or not arguments.output.exists():
        return []
    return load_kept(
        arguments.output,
        lambda r: not only_reads and r["part"] in arguments.parts,
        arguments.redo,
        lambda r: settings_of(arguments, r["part"], r["method"]),
    )


def merge(payload: dict, files: list[Path]) -> None:
    """Add what is not there yet; what failed gives way to what did not."""
    keys = ("part", "protocol", "data", "seed", "method")
    merged = {tuple(r.get(k) for k in keys): r for r in payload["results"]}
    for file in files:
        added = json.loads(file.read_text())
        payload["environment"] = added["environment"]
        for r in added["results"]:
            earlier = merged.setdefault(tuple(r.get(k) for k in keys), r)
            if earlier["settings"] != r["settings"]:
                raise SystemExit(
                    f"{file} has {r['method']} with {r['settings']}, others have it with "
                    f"{earlier['settings']}: these cannot be merged."
                )
            if "error" in earlier:
                merged[tuple(r.get(k) for k in keys)] = r
    payload["results"] = list(merged.values())


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    payload: dict[str, Any] = {
        "environment": environment(arguments.threads),
        "results": kept_results(arguments),
    }
    if arguments.merge:
        merge(payload, arguments.merge)
    elif not arguments.report:
        run = Run(arguments, payload)
        for seed, part in product(arguments.seeds, arguments.parts):
            RUNS[part](run, seed)
    report(arguments, payload)
    if not arguments.report:
        write_json(arguments.output, payload)
        print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
