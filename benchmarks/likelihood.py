"""Held-out mean log density (nats) of flowkit's defaults and of what people use today.

A table is prepared the same for every method: rows are drawn, constant columns dropped, columns
with ties get uniform noise of their spacing, one of each pair of columns with an absolute
correlation above 0.98 is dropped, 80 % of the rows train, 20 % test, and all are standardised with
the training rows' statistics. The number reported is the mean log density of the test rows in
these standardised units.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    environment,
    format_table,
    is_installed,
    load_table,
    make_parser,
    set_threads,
    write_json,
)

TABLES = (
    "2_annthyroid",
    "6_cardio",
    "20_letter",
    "22_magic.gamma",
    "28_pendigits",
    "30_satellite",
    "40_vowels",
    "44_Wilt",
)
MAX_CORRELATION = 0.98
TEST_FRACTION = 0.2

# name -> fit(X, seed, budget), which returns the mean log density as a function of rows.
Score = Callable[[np.ndarray], float]
Fit = Callable[[np.ndarray, int, float], Score]


# Tables


def dequantize(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centred uniform noise, as wide as the median gap, on columns whose values repeat."""
    X = X.copy()
    for column in X.T:
        values = np.unique(column)
        if len(values) < len(column):
            column += np.median(np.diff(values)) * rng.uniform(-0.5, 0.5, len(column))
    return X


def drop_correlated(X: np.ndarray) -> np.ndarray:
    """Keep a column unless an earlier kept one is almost the same up to scale."""
    correlation = np.abs(np.corrcoef(X, rowvar=False))
    kept: list[int] = []
    for j in range(X.shape[1]):
        if all(correlation[j, i] <= MAX_CORRELATION for i in kept):
            kept.append(j)
    return X[:, kept]


def prepare(X: np.ndarray, seed: int, max_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows of one seed."""
    rng = np.random.default_rng(seed)
    X = X[rng.permutation(len(X))[:max_rows]]
    X = X[:, np.ptp(X, axis=0) > 0]
    X = drop_correlated(dequantize(X, rng))
    n_test = round(TEST_FRACTION * len(X))
    test, train = X[:n_test], X[n_test:]
    mean, scale = train.mean(0), train.std(0)
    return (train - mean) / scale, (test - mean) / scale


# Methods


def fit_gaussian(X: np.ndarray, seed: int, budget: float) -> Score:
    from scipy.stats import multivariate_normal

    density = multivariate_normal(X.mean(0), np.cov(X, rowvar=False, bias=True))
    return lambda test: density.logpdf(test).mean()


def fit_mixture(X: np.ndarray, seed: int, budget: float) -> Score:
    """Best BIC over 1 to 20 components, full and diagonal, as far as the budget reaches."""
    from sklearn.mixture import GaussianMixture

    end = time.process_time() + budget
    best, best_bic = None, np.inf
    for n_components in range(1, 21):
        for covariance_type in ("full", "diag"):
            mixture = GaussianMixture(
                n_components,
                covariance_type=covariance_type,
                # scikit-learn's 1e-6 overfits columns with atoms: by 6 nats on 6_cardio.
                reg_covar=1e-4,
                max_iter=300,
                random_state=seed,
            ).fit(X)
            if (bic := mixture.bic(X)) < best_bic:
                best, best_bic = mixture, bic
        if time.process_time() > end:
            break
    return best.score


def fit_kernel(X: np.ndarray, seed: int, budget: float) -> Score:
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.neighbors import KernelDensity

    search = GridSearchCV(
        KernelDensity(),
        {"bandwidth": np.geomspace(0.05, 1.5, 15)},
        cv=KFold(5, shuffle=True, random_state=seed),
    ).fit(X)
    return lambda test: search.best_estimator_.score(test) / len(test)


def fit_zuko(flow_name: str) -> Fit:
    def fit(X: np.ndarray, seed: int, budget: float) -> Score:
        import torch
        import zuko

        torch.manual_seed(seed)
        flow = getattr(zuko.flows, flow_name)(X.shape[1])
        train_early_stopped(flow, torch.as_tensor(X, dtype=torch.float32), budget)

        @torch.inference_mode()
        def score(test: np.ndarray) -> float:
            return flow().log_prob(torch.as_tensor(test, dtype=torch.float32)).mean().item()

        return score

    return fit


def train_early_stopped(flow: Any, X: Any, budget: float, patience: int = 20) -> None:
    """AdamW, batches of 256; the weights with the best log density of a tenth of the rows."""
    import torch

    end = time.process_time() + budget
    X = X[torch.randperm(len(X))]
    n_validation = len(X) // 10
    validation, train = X[:n_validation], X[n_validation:]
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-3)
    best, best_weights, epochs_since = -np.inf, copy.deepcopy(flow.state_dict()), 0
    while epochs_since < patience and time.process_time() < end:
        for batch in train[torch.randperm(len(train))].split(256):
            optimizer.zero_grad()
            loss = -flow().log_prob(batch).mean()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            current = flow().log_prob(validation).mean().item()
        epochs_since += 1
        if current > best:
            best, best_weights, epochs_since = current, copy.deepcopy(flow.state_dict()), 0
    flow.load_state_dict(best_weights)


def fit_flowkit(estimator: str, **parameters: Any) -> Fit:
    def fit(X: np.ndarray, seed: int, budget: float) -> Score:
        import flowkit

        callbacks = [time_limit(budget)]
        density = getattr(flowkit, estimator)(random_state=seed, callbacks=callbacks, **parameters)
        return density.fit(X).score

    return fit


def time_limit(budget: float) -> Any:
    """skorch callback that ends a training once the budget is used up."""
    from skorch.callbacks import Callback

    from flowkit import StopTraining

    end = time.process_time() + budget

    class TimeLimit(Callback):
        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            if time.process_time() > end:
                raise StopTraining

    return TimeLimit()


METHODS: dict[str, tuple[str, Fit]] = {
    "Gaussian": ("scipy.stats", fit_gaussian),
    "GaussianMixture": ("sklearn.mixture", fit_mixture),
    "KernelDensity": ("sklearn.neighbors", fit_kernel),
    "zuko MAF": ("zuko", fit_zuko("MAF")),
    "zuko NSF": ("zuko", fit_zuko("NSF")),
    "flowkit": ("flowkit", fit_flowkit("FlowDensity")),
    "fractal": ("flowkit", fit_flowkit("FractalFlowDensity")),
}


def parse_variant(words: list[str]) -> tuple[str, dict[str, Any]]:
    """`NAME [estimator=CLASS] KEY=VALUE ...` to a name, the class and its parameters."""
    name, *settings = words
    parameters: dict[str, Any] = {"estimator": "FlowDensity"}
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            parameters[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            parameters[key] = text
    return name, parameters


# Running


def run_fit(fit: Fit, train: np.ndarray, test: np.ndarray, seed: int, budget: float) -> dict:
    """One result; a method that fails is recorded, the others go on."""
    try:
        with Stopwatch() as watch:
            score = fit(train, seed, budget)
        log_density = float(score(test))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "log_density": log_density,
        "fit_cpu_seconds": watch.cpu,
        "fit_wall_seconds": watch.wall,
        "used_up_budget": watch.cpu >= budget,
    }


def load_done(path: Path, payload: dict, redo: list[str]) -> list[dict]:
    """Results of an earlier run with the same settings, but for those to be done anew."""
    if not path.exists():
        return []
    earlier = json.loads(path.read_text())
    if earlier["settings"] != payload["settings"]:
        raise SystemExit(
            f"{path} was made with {earlier['settings']}, now it is {payload['settings']}: they do "
            "not belong in one table. Choose another --output or leave out --resume."
        )
    changed = {
        name
        for name, parameters in payload["variants"].items()
        if earlier["variants"].get(name) != parameters
    }
    stale = {*redo, *changed}
    return [r for r in earlier["results"] if "error" not in r and r["method"] not in stale]


def run(arguments: argparse.Namespace, methods: dict[str, Fit], payload: dict) -> None:
    """Fit whatever is not in the payload yet; the file is complete after every fit."""
    results = payload["results"]
    done = {(r["table"], r["seed"], r["method"]) for r in results}
    for table in arguments.tables:
        X = load_table(table)
        for seed in arguments.seeds:
            train, test = prepare(X, seed, arguments.max_rows)
            for method, fit in methods.items():
                if (table, seed, method) in done:
                    continue
                result = {
                    "table": table,
                    "seed": seed,
                    "method": method,
                    "n_train": len(train),
                    "n_test": len(test),
                    "n_features": train.shape[1],
                    **run_fit(fit, train, test, seed, arguments.budget),
                }
                results.append(result)
                write_json(arguments.output, payload)
                print(describe(result), flush=True)


def describe(result: dict) -> str:
    where = f"{result['table']:>14} seed {result['seed']} {result['method']:<16}"
    if "error" in result:
        return f"{where} {result['error']}"
    end = " (budget used up)" if result["used_up_budget"] else ""
    return f"{where} {result['log_density']:9.3f} nats {result['fit_cpu_seconds']:6.1f} s{end}"


# Tables of results


def mean_over_seeds(
    results: list[dict], key: str, tables: list[str], methods: list[str], seeds: list[int]
) -> np.ndarray:
    """(table, method) means; NaN where a seed is missing or failed."""
    values = {(r["table"], r["method"], r["seed"]): r.get(key, np.nan) for r in results}
    means = np.empty((len(tables), len(methods)))
    for i, table in enumerate(tables):
        for j, method in enumerate(methods):
            means[i, j] = np.mean([values.get((table, method, seed), np.nan) for seed in seeds])
    return means


def summarize(log_density: np.ndarray, seconds: np.ndarray, methods: list[str]) -> dict[str, list]:
    """Per method: ranks and gaps. A method without a result on a table ranks last there."""
    from scipy.stats import rankdata

    filled = np.where(np.isnan(log_density), -np.inf, log_density)
    gap_to_best = np.nanmax(log_density, axis=1, keepdims=True) - log_density
    summary = {
        "mean rank": rankdata(-filled, axis=1).mean(0).tolist(),
        "mean gap to best": gap_to_best.mean(0).tolist(),
    }
    if "Gaussian" in methods:
        over_gaussian = log_density - log_density[:, [methods.index("Gaussian")]]
        summary["worst gain on Gaussian"] = over_gaussian.min(0).tolist()
    summary["mean fit cpu seconds"] = seconds.mean(0).tolist()
    return summary


def report(arguments: argparse.Namespace, methods: list[str], payload: dict) -> None:
    def means(key: str) -> np.ndarray:
        return mean_over_seeds(payload["results"], key, arguments.tables, methods, arguments.seeds)

    log_density = means("log_density")
    if np.isnan(log_density).all(axis=1).any():
        print("A table has no result of any method: no summary.")
        return
    payload["summary"] = {
        "methods": methods,
        **summarize(log_density, means("fit_cpu_seconds"), methods),
    }
    shapes = {r["table"]: f"{r['n_train']} x {r['n_features']}" for r in payload["results"]}
    rows = [
        [table, shapes[table], *(f"{value:.3f}" for value in log_density[i])]
        for i, table in enumerate(arguments.tables)
    ]
    for name, values in payload["summary"].items():
        if name != "methods":
            rows.append([name, "", *(f"{value:.2f}" for value in values)])
    print(f"\nMean log density of held-out rows, nats, mean over seeds {arguments.seeds}")
    print(format_table(["table", "train rows", *methods], rows))


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("likelihood", "Held-out likelihood of flowkit and its peers.")
    add_threads_option(parser)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), help="files of adbench")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="splits")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="columns"
    )
    parser.add_argument("--max-rows", type=int, default=5000, help="rows drawn from a table")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds for one fit")
    parser.add_argument(
        "--variant",
        dest="variants",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help="one more column: a FlowDensity, or the class that estimator=CLASS names, with these "
        "parameters (may be repeated)",
    )
    parser.add_argument("--resume", action="store_true", help="keep the fits in --output")
    parser.add_argument(
        "--redo", nargs="+", default=[], metavar="METHOD", help="with --resume: fit these anew"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    methods: dict[str, Fit] = {}
    for name in arguments.methods:
        module, fit = METHODS[name]
        if is_installed(module):
            # Otherwise the first fit would be charged for the import.
            importlib.import_module(module)
            methods[name] = fit
        else:
            print(f"{name}: not installed")
    variants = dict(map(parse_variant, arguments.variants))
    methods.update({name: fit_flowkit(**parameters) for name, parameters in variants.items()})
    payload = {
        "environment": environment(arguments.threads),
        "settings": {"max_rows": arguments.max_rows, "budget": arguments.budget},
        "variants": variants,
        "results": [],
    }
    if arguments.resume:
        payload["results"] = load_done(arguments.output, payload, arguments.redo)
    run(arguments, methods, payload)
    report(arguments, list(methods), payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
