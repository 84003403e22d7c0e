"""How methods of a study rank on its tables: a row a method, a dot a table, the mean in front."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

_RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
_OURS = ("FlowDensity", "FractalFlowDensity", "RGFlowDensity", "PHVAE", "StackedDensity")
_OURS += ("DensityOutlierDetector", "ConditionalFlow")


@dataclass(frozen=True)
class Study:
    """What is ranked: a file of results, a number in it, and which of its cells."""

    file: str
    metric: str
    words: str
    lower: bool = False
    only: tuple = ()


STUDIES = {
    "Held-out log density": Study("likelihood", "log_density", "held-out log density"),
    "OddBench": Study("outliers_oddbench", "auroc", "AUROC", only=(("half", "confirm"),)),
    "ADBench": Study("outliers", "auroc", "AUROC", only=(("protocol", "one-class"),)),
    "Anomalies left in training": Study(
        "outliers_trim",
        "average_precision",
        "average precision",
        only=(("half", "confirm"), ("protocol", "unsupervised")),
    ),
    "Topics": Study("topics", "nmi", "normalised mutual information with classes"),
    "Regression": Study("regression", "crps", "continuous ranked probability score", lower=True),
}


@dataclass(frozen=True)
class Figure:
    """A figure in a file, and what is said of it."""

    path: Path
    alt: str
    caption: str


def ranks(study):
    """Methods that were run everywhere, their ranks (a row a method, a column a table), and seeds.

    Seeds are those that all of these methods have.
    """
    cells = json.loads((_RESULTS / f"{study.file}.json").read_text())["results"]
    cells = [c for c in cells if all(c.get(key) == value for key, value in study.only)]
    cells = [c for c in cells if c.get(study.metric) is not None]
    tables = {c["data"] for c in cells}
    having = {m: {c["data"] for c in cells if c["method"] == m} for m in _distinct(cells, "method")}
    methods = [m for m, its in having.items() if len(its) > 0.9 * len(tables)]
    seeds = set.intersection(*({c["seed"] for c in cells if c["method"] == m} for m in methods))
    tables = sorted(set.intersection(*(having[m] for m in methods)))
    values = {(m, t): [] for m in methods for t in tables}
    for cell in cells:
        key = cell["method"], cell["data"]
        if key in values and cell["seed"] in seeds:
            values[key].append(cell[study.metric])
    table = np.array([[np.mean(values[m, t]) for t in tables] for m in methods])
    return methods, rankdata(table if study.lower else -table, axis=0), len(seeds)


def _distinct(cells, key):
    return list(dict.fromkeys(cell[key] for cell in cells))


def draw(title, folder):
    """Draw the figure of a study into a folder; None where nothing is ranked."""
    if title not in STUDIES:
        return None
    from matplotlib.figure import Figure as Canvas

    study = STUDIES[title]
    methods, rank, n_seeds = ranks(study)
    order = np.argsort(rank.mean(axis=1))
    canvas = Canvas(figsize=(5.6, 0.3 * len(methods) + 0.8), layout="constrained")
    ax = canvas.subplots()
    shift = np.random.default_rng(0).uniform(-0.25, 0.25, rank.shape[1])
    for place, i in enumerate(order):
        colour = "tab:orange" if methods[i].split(",")[0] in _OURS else "tab:blue"
        ax.plot(rank[i], place + shift, "o", ms=4, color=colour, alpha=0.4, mec="none")
        ax.plot(rank[i].mean(), place, "D", ms=7, color=colour, mec="black")
    ax.set_yticks(range(len(order)), [methods[i] for i in order])
    ax.invert_yaxis()
    ax.locator_params("x", integer=True)
    ax.set_xlabel(f"rank by {study.words}: 1 is best")
    ax.spines[["top", "right"]].set_visible(False)
    path = folder / f"{study.file}.svg"
    canvas.savefig(path, metadata={"Date": None})
    best = methods[order[0]]
    return Figure(
        path,
        f"Ranks of {len(methods)} methods; the best mean rank is that of {best}",
        f"Ranks by {study.words} of the {len(methods)} methods that were run on all of "
        f"{rank.shape[1]} data sets, {n_seeds} {'seed' if n_seeds == 1 else 'seeds'}. "
        "A dot is a data set, a diamond the mean; orange is flowkit. "
        f"From `benchmarks/results/{study.file}.json`.",
    )
