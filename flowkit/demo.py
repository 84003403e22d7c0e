"""The tour of ``make demo``: a flow in a pipeline on real tables, beside what people use today.

Run as ``python -m flowkit.demo``. On two tables that scikit-learn ships, one class is held out of
training. Each method is tuned by likelihood with the same grid search on the same normal rows and
then ranks rows it has not seen: do those of the held-out class get the lowest log densities?
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ._optional import require
from .estimators import FlowDensity
from .inspection import DensityDisplay, TrainingCurveDisplay

_SEED = 0
_FLOW = "FlowDensity"
_HELD_OUT_DIGIT = 8
_PICTURED = ["mean concavity", "mean concave points"]


@dataclass(frozen=True)
class Task:
    """Normal rows to train on, normal rows to test on, and the rows of the class held out."""

    name: str
    train: np.ndarray
    test: np.ndarray
    anomalies: np.ndarray
    feature_names: list[str]
    # What comes before the density, the same for all methods.
    preparation: TransformerMixin


@dataclass(frozen=True)
class Result:
    """One method on one task: log densities (or scores) of the rows not seen, and the time."""

    method: str
    model: Pipeline
    chosen: dict
    normal: np.ndarray
    anomalous: np.ndarray
    seconds: float

    @property
    def auroc(self) -> float:
        """Chance that an anomaly scores below a normal row."""
        labels = np.repeat([0, 1], [len(self.normal), len(self.anomalous)])
        return roc_auc_score(labels, -np.concatenate([self.normal, self.anomalous]))

    @property
    def is_density(self) -> bool:
        """Whether the scores are log densities."""
        return hasattr(self.model[-1], "sample")


def breast_cancer() -> Task:
    """Benign tumours are normal; the malignant ones are never trained on."""
    data = load_breast_cancer()
    # FlowDensity standardises by itself; the other methods need it done.
    return _task("breast cancer", data, data.target == 1, StandardScaler())


def digits() -> Task:
    """Nine digits are normal, one is never trained on."""
    data = load_digits()
    # Most pixels of a digit are blank: a few directions hold what differs.
    components = PCA(16, svd_solver="full")
    return _task("digits", data, data.target != _HELD_OUT_DIGIT, components)


def _task(name, data, normal, preparation):
    train, test = train_test_split(data.data[normal], test_size=0.3, random_state=_SEED)
    return Task(name, train, test, data.data[~normal], list(data.feature_names), preparation)


def methods() -> dict[str, tuple[BaseEstimator, dict]]:
    """Each method with the grid it is tuned over."""
    return {
        _FLOW: (
            FlowDensity(random_state=_SEED, verbose=1),
            {"noise": [None, 0.2]},
        ),
        "KernelDensity": (KernelDensity(), {"bandwidth": np.geomspace(0.1, 20.0, 24)}),
        "GaussianMixture": (
            GaussianMixture(random_state=_SEED),
            {
                "n_components": [1, 2, 4, 8, 16],
                "covariance_type": ["full", "diag"],
                "reg_covar": [1e-3, 1e-2, 1e-1, 1.0],
            },
        ),
        "IsolationForest": (IsolationForest(random_state=_SEED), {}),
    }


def fit(task: Task, method: str, density: BaseEstimator, grid: dict) -> Result:
    """Search the grid on the training rows, then score the rows not seen."""
    pipeline = Pipeline([("prepare", clone(task.preparation)), ("density", density)])
    start = time.perf_counter()
    chosen = {}
    if grid:
        grid = {f"density__{name}": values for name, values in grid.items()}
        folds = KFold(3, shuffle=True, random_state=_SEED)
        search = GridSearchCV(pipeline, grid, cv=folds).fit(task.train)
        pipeline, chosen = search.best_estimator_, search.best_params_
    else:
        pipeline.fit(task.train)
    seconds = time.perf_counter() - start
    normal, anomalous = (pipeline.score_samples(X) for X in (task.test, task.anomalies))
    return Result(method, pipeline, chosen, normal, anomalous, seconds)


def draw_rows(result: Result, n: int) -> np.ndarray:
    """Samples in the units of the table."""
    pipeline = result.model
    return pipeline[:-1].inverse_transform(pipeline[-1].sample(n, random_state=_SEED))


def format_table(results: dict[str, list[Result]]) -> str:
    """One block a task, one line a method, the best method first."""
    lines = [f"{'':<18}{'AUROC':>8}{'log density':>14}{'seconds':>10}"]
    for name, block in results.items():
        lines += ["", name]
        for result in sorted(block, key=lambda r: -r.auroc):
            density = f"{result.normal.mean():.2f}" if result.is_density else "-"
            lines.append(
                f"  {result.method:<16}{result.auroc:>8.3f}{density:>14}{result.seconds:>10.1f}"
            )
    return "\n".join(lines)


def format_samples(task: Task, rows: np.ndarray) -> str:
    """A few columns of sampled rows, the medians of the training rows above them."""
    shown = task.feature_names[:5]
    rows = np.vstack([np.median(task.train, axis=0), rows])[:, : len(shown)]
    labels = ["median of table", *(f"sample {i}" for i in range(1, len(rows)))]
    lines = [" " * 16 + "".join(f"{name:>18}" for name in shown)]
    lines += [
        f"{label:<16}" + "".join(f"{value:>18.3f}" for value in row)
        for label, row in zip(labels, rows, strict=True)
    ]
    return "\n".join(lines)


def picture_density(task: Task):
    """Density of two columns, fitted to them alone, with data and samples."""
    columns = [task.feature_names.index(name) for name in _PICTURED]
    X = task.train[:, columns]
    density = FlowDensity(random_state=_SEED, verbose=1).fit(X)
    figure = _figure(6.5, 5)
    display = DensityDisplay.from_estimator(
        density,
        X,
        n_samples=len(X),
        random_state=_SEED,
        xlabel=_PICTURED[0],
        ylabel=_PICTURED[1],
        ax=figure.subplots(),
    )
    display.ax_.set_title(f"Two columns of {task.name}, normal rows")
    return figure


def picture_scores(results: dict[str, list[Result]]):
    """Log densities of normal rows and anomalies, for the flow of each task."""
    figure = _figure(11, 4)
    for ax, (name, block) in zip(figure.subplots(1, len(results)), results.items(), strict=True):
        result = _flow(block)
        # Some anomalies lie so far out that all normal rows would share one bin.
        low, high = np.quantile(result.normal, [0.01, 0.99])
        low = max(low - (high - low), min(result.normal.min(), result.anomalous.min()))
        bins = np.linspace(low, max(result.normal.max(), result.anomalous.max()), 40)
        for scores, label in ((result.normal, "normal"), (result.anomalous, "class held out")):
            shares = np.full(len(scores), 1 / len(scores))
            ax.hist(np.maximum(scores, low), bins, weights=shares, alpha=0.6, label=label)
        ax.set(xlabel="log density (nats); the first bin holds all below", ylabel="share of rows")
        ax.set_title(f"{name}: AUROC {result.auroc:.3f}")
        ax.legend()
    return figure


def picture_training(results: dict[str, list[Result]]):
    """Training curve of each task's flow."""
    figure = _figure(11, 4)
    for ax, (name, block) in zip(figure.subplots(1, len(results)), results.items(), strict=True):
        TrainingCurveDisplay.from_estimator(_flow(block).model, ax=ax)
        ax.set_title(f"{name}: training of the flow")
    return figure


def picture_digits(task: Task, rows: np.ndarray):
    """Training digits above, sampled ones below."""
    n = len(rows) // 2
    figure = _figure(9, 4.4)
    for part, title, images in zip(
        figure.subfigures(2, 1),
        ("from the table", "sampled"),
        (task.train, rows),
        strict=True,
    ):
        part.suptitle(title)
        for ax, image in zip(part.subplots(2, n).flat, images, strict=False):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
            ax.axis("off")
    return figure


def _flow(block: list[Result]) -> Result:
    return next(result for result in block if result.method == _FLOW)


def _figure(width: float, height: float):
    figure = require("matplotlib.figure", "the demo")
    return figure.Figure(figsize=(width, height), layout="constrained")


def compare(task: Task) -> list[Result]:
    """Fit every method to one task, saying what happens."""
    print(
        f"\n{task.name}: {len(task.train)} normal rows of {task.train.shape[1]} columns to train "
        f"on, {len(task.test)} normal and {len(task.anomalies)} anomalous ones to rank",
        flush=True,
    )
    results = []
    for method, (density, grid) in methods().items():
        print(f"  {method}", flush=True)
        results.append(fit(task, method, density, grid))
        for name, value in results[-1].chosen.items():
            value = f"{value:.3g}" if isinstance(value, float) else value
            print(f"    {name.removeprefix('density__')}: {value}", flush=True)
    return results


def main(arguments: list[str] | None = None) -> None:
    """Run the tour."""
    parser = argparse.ArgumentParser(prog="python -m flowkit.demo", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="for pictures")
    output = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    tumours, images = breast_cancer(), digits()
    results = {task.name: compare(task) for task in (tumours, images)}
    print("\nthe picture of two columns", flush=True)
    pictures = {
        "density": picture_density(tumours),
        "scores": picture_scores(results),
        "training": picture_training(results),
        "digits": picture_digits(images, draw_rows(_flow(results[images.name]), 20)),
    }
    for name, figure in pictures.items():
        figure.savefig(output / f"{name}.png", dpi=120)

    print("\nSampled tumours:")
    print(format_samples(tumours, draw_rows(_flow(results[tumours.name]), 4)))
    print("\nAUROC: how well the score ranks held-out normal rows above a class never trained on.")
    print("Log density: mean of held-out normal rows, in nats, of what the pipeline hands on.")
    print("Seconds: search over the grid and final fit.\n")
    print(format_table(results))
    print(f"\nPictures in {output}/: {', '.join(f'{name}.png' for name in pictures)}")
    print(f"Done in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
