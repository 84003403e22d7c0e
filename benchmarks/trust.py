"""How far numbers can be trusted: round trips, integrals, and scores that must not change.

Each estimator is fitted to --rows rows and --columns columns of each table, for --epochs epochs. Of
these fits are told, as the largest differences in absolute value:

- round trips: rows, draws and rows far away (a thousand standard deviations) against what
  `inverse_transform` makes of their latents, in standard deviations of each column;
- the integral of the density of two columns, fitted to them alone, by importance sampling from
  draws with heavy-tailed noise; its distance from one in standard errors. Where densities are
  estimates, each group of points has draws of its own;
- scores, in nats per nat of their size where that is more than one: of rows in float32 against the
  same values in float64, of rows in batches of seven, of rows in another order, with eight threads,
  of a second fit with the same seed, after pickling, and after `flowkit.save` and `load`;
- how much the mean log density changes where training is in float64 instead of float32;
- scores of rows far away, up to the largest number, that are no log density.

The scores of `ConditionalFlow` are those of the first column given the others; those of
`DensityImputer` what it fills in for the first column.
"""

from __future__ import annotations

import pickle
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from lib.clocks import set_threads
from lib.data import SURVEYS, load_table, table_names
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study
from lib.trusted import EVERYWHERE, FIXED, INTEGRABLE, INVERTIBLE, METHODS, SINGLE, fitted, numbers

FAR = 1e3
N_CENTRES, N_POINTS, N_GROUPS, TAILS, NOISE = 1000, 4000, 40, 3, (5, 0.5, 0.1, 0.02)
N_THREADS, BATCH = 8, 7
CHECKS = {
    "round_trip_rows": "rows",
    "round_trip_draws": "draws",
    "round_trip_far": "far rows",
    "integral": "integral",
    "float32_rows": "float32",
    "batches": "batches",
    "order": "order",
    "threads": "8 threads",
    "same_seed": "same seed",
    "pickled": "pickled",
    "saved": "saved",
    "float64_training": "float64 fit",
    "no_log_densities": "no number",
}


def rows_of(name: str, n: int, d: int, seed: int) -> np.ndarray:
    """Rows of a table, of its columns that hold most values, as float32 can hold them."""
    X = load_table(name)
    X = X[np.random.default_rng(seed).permutation(len(X))[:n]]
    n_values = np.array([len(np.unique(column)) for column in X.T])
    kept = np.sort(np.argsort(-n_values, kind="stable")[:d])
    return X[:, kept[n_values[kept] > 1]].astype(np.float32).astype(np.float64)


def far_rows(X: np.ndarray) -> np.ndarray:
    """Rows moved away from all others, in every direction."""
    return X.mean(0) + FAR * (X - X.mean(0))


def round_trip(density, X: np.ndarray, unit: np.ndarray) -> float:
    """Largest distance of rows from what their latents become."""
    return float((np.abs(density.inverse_transform(density.transform(X)) - X) / unit).max())


def difference(scores: np.ndarray, others: np.ndarray) -> float:
    """Largest difference of scores, relative to those that are larger than one."""
    same = scores == others
    gaps = np.abs(np.where(same, 0.0, scores - others)) / np.maximum(1.0, np.abs(scores))
    return float(np.where(same, 0.0, gaps).max())


def integral(density, seed: int) -> tuple[float, float]:
    """Integral of a density of two columns, and its standard error."""
    rng = np.random.default_rng(seed)
    centres = np.asarray(density.sample(N_CENTRES, random_state=seed), dtype=np.float64)
    # Kernels along the columns, and along axes in which these do not correlate: rows on a line.
    root = np.linalg.cholesky(np.cov(centres, rowvar=False))
    frames = [turn * spread(np.linalg.solve(turn, centres.T)) for turn in (np.eye(2), root)]
    shapes = np.concatenate([np.multiply.outer(NOISE, frame) for frame in frames])
    centre, kernel = (rng.integers(len(a), size=N_POINTS) for a in (centres, shapes))
    moves = shapes[kernel] @ rng.standard_t(TAILS, size=(N_POINTS, 2, 1))
    points = centres[centre] + moves[..., 0]
    # Density of Student's t with three degrees of freedom along each axis around each centre.
    log_unit = 2 * np.log(2 / (np.pi * np.sqrt(TAILS))) - np.linalg.slogdet(shapes)[1]
    log_proposal = np.empty(N_POINTS)
    for i, point in enumerate(points):
        far = np.linalg.inv(shapes) @ (point - centres).T
        log_kernels = log_unit[:, None] - 2 * np.log1p(far**2 / TAILS).sum(1)
        log_proposal[i] = np.logaddexp.reduce(log_kernels, axis=None)
    log_proposal -= np.log(N_CENTRES * len(shapes))
    module, groups = getattr(density, "module_", None), np.split(np.arange(N_POINTS), N_GROUPS)
    means = np.empty(N_GROUPS)
    for k, group in enumerate(groups):
        # Draws that all points share would shift all densities alike, which no error tells.
        if module is not None and not module.is_exact:
            module.seed = k
        scores = density.score_samples(points[group])
        means[k] = np.exp(scores - log_proposal[group]).mean()
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(N_GROUPS))


def spread(columns: np.ndarray) -> np.ndarray:
    """Distance between the outer tenths of each column."""
    middle = np.subtract(*np.quantile(columns, (0.9, 0.1), axis=1))
    return np.where(middle > 0, middle, columns.std(1))


def trust(method: str, X: np.ndarray, epochs: int, seed: int) -> dict:
    """All checks of one estimator on rows."""
    import flowkit

    model, scale = fitted(method, X, epochs, seed), X.std(0)
    scores, result = numbers(model, X), {}
    if method in INVERTIBLE:
        draws = model.sample(len(X), random_state=seed)
        far = {"rows": X, "draws": draws, "far": far_rows(X)}
        result |= {f"round_trip_{name}": round_trip(model, x, scale) for name, x in far.items()}
    pair = np.argsort([-len(np.unique(column)) for column in X.T], kind="stable")[:2]
    if method in INTEGRABLE and len(pair) == 2:
        mean, error = integral(fitted(method, X[:, pair], epochs, seed), seed)
        result |= {
            "integral": abs(mean - 1) / error if error else None,
            "mean_weight": mean,
            "standard_error": error,
        }
    again = {
        "float32_rows": numbers(model, X.astype(np.float32)),
        "same_seed": numbers(fitted(method, X, epochs, seed), X),
        "pickled": numbers(pickle.loads(pickle.dumps(model)), X),
    }
    if method in FIXED:
        parts = [numbers(model, X[i : i + BATCH]) for i in range(0, len(X), BATCH)]
        order = np.random.default_rng(seed).permutation(len(X))
        again["batches"] = np.concatenate(parts)
        again["order"] = numbers(model, X[order])[np.argsort(order)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.flowkit"
        flowkit.save(model, path)
        again["saved"] = numbers(flowkit.load(path), X)
    set_threads(N_THREADS)
    again["threads"] = numbers(model, X)
    set_threads(1)
    result |= {name: difference(scores, others) for name, others in again.items()}
    if method in SINGLE:
        double = fitted(method, X, epochs, seed, dtype="float64")
        result["float64_training"] = abs(numbers(double, X).mean() - scores.mean())
    sizes = np.array([1e10, 1e22, 1e39, 1e154, 1e200, 1e300, np.finfo(float).max])
    if method in EVERYWHERE:
        beyond = numbers(model, np.outer(sizes, np.ones(X.shape[1])))
        result["no_log_densities"] = int((np.isnan(beyond) | (beyond == np.inf)).sum())
    return result


def measure(study: Study) -> None:
    args = study.args
    settings = {"rows": args.rows, "columns": args.columns, "epochs": args.epochs}
    tables = table_names(args.data)
    if args.data is None and not args.smoke:
        tables += [name for name in SURVEYS if name not in tables]
    for seed, name in product(study.seeds, tables):
        abouts = [{"data": name, "seed": seed, "method": method} for method in args.methods]
        if study.lacks(abouts):
            X = rows_of(name, args.rows, args.columns, seed)
            for about in abouts:
                study.cell(about, settings, trust, about["method"], X, args.epochs, seed)


def report(results: list[dict]) -> None:
    methods = in_order(METHODS, results)
    n_tables = len(distinct(results, "data"))
    print_table(
        f"Largest over {n_tables} tables",
        ["", *CHECKS.values()],
        [[method, *_largest(select(results, method=method))] for method in methods],
    )
    print_table(
        "Largest over all estimators",
        ["", *CHECKS.values()],
        [[name, *_largest(select(results, data=name))] for (name,) in distinct(results, "data")],
    )


def _largest(results: list[dict]) -> list[str]:
    """The largest value of each check, '-' where none was made."""
    known = ([r[key] for r in results if r.get(key) is not None] for key in CHECKS)
    return [f"{max(values):.2g}" if values else "-" for values in known]


def main() -> None:
    study = Study("trust", __doc__, seeds=1, budget=None)
    one = {"type": int}
    study.option("--rows", default=200, smoke=40, help="of each table", **one)
    study.option("--columns", default=6, smoke=3, help="of each table", **one)
    study.option("--epochs", default=5, smoke=1, help="of each training", **one)
    names = {"nargs": "+", "metavar": "TABLE"}
    study.option("--data", selects="data", smoke=["iris"], help="all by default", **names)
    methods = {"nargs": "+", "choices": METHODS, "metavar": "METHOD", "default": list(METHODS)}
    study.option("--methods", selects="method", help="estimators", **methods)
    study.run(measure, report)


if __name__ == "__main__":
    main()
