"""PHVAE, a plain VAE of equal size and PyOD's autoencoders as outlier detectors.

Half of the normal rows of each table train, 5,000 at most; the others and all anomalies test,
10,000 at most; columns constant in training are dropped, all others standardised by the training
rows, once for all methods. Everyone has its own default training; the budget is but a limit to
flowkit's. PyOD's VAE at its defaults has no divergence, as its capacity of 0 cuts it to 0.
"""

from __future__ import annotations

import numpy as np
from lib.budgets import TimeLimit
from lib.clocks import Stopwatch
from lib.data import split_for_outliers, table_names
from lib.methods import LIBRARIES, PyOD
from lib.metrics import measure_scores
from lib.report import distinct, means, print_table, select, verdict
from lib.runner import Study
from lib.vaes import describe, equal_units, make, probe, warm_up

PEERS = {"PyOD VAE": "vae.VAE", "PyOD AutoEncoder": "auto_encoder.AutoEncoder"}
METHODS = ("PHVAE", "plain VAE", *PEERS)
# Name of a column -> the method, and the end of the names of its results.
COLUMNS = {"PHVAE": ("PHVAE", ""), "PHVAE, error": ("PHVAE", "_of_error")}
COLUMNS |= {name: (name, "") for name in METHODS[1:]}

Split = tuple[np.ndarray, np.ndarray, np.ndarray]


def fit_peer(path: str, split: Split, seed: int) -> dict:
    rows, test, anomalous = split
    peer = PyOD(path, preprocessing=False, random_state=seed, device="cpu", verbose=0)
    with Stopwatch() as watch:
        peer.fit(rows)
    n_parameters = sum(p.numel() for p in peer.model.model.parameters())
    scores = measure_scores(-peer.score_samples(test), anomalous)
    return {**scores, "n_parameters": n_parameters, **watch.seconds("fit")}


def fit_own(method: str, split: Split, seed: int, budget: float) -> dict:
    rows, test, anomalous = split
    reference = probe(make("PHVAE", None, 0, {}), rows)
    model = make(method, reference, equal_units(method, reference, rows, {}), {})
    with Stopwatch() as watch:
        callbacks = [TimeLimit(budget)]
        model.set_params(random_state=seed, device="cpu", callbacks=callbacks).fit(rows)
    return {
        **measure_scores(-model.score_samples(test), anomalous),
        **measure_scores(model.reconstruction_error(test), anomalous, "_of_error"),
        **describe(model),
        **watch.seconds("fit"),
    }


def measure(study: Study) -> None:
    args = study.args
    methods = study.installed(args.methods, LIBRARIES)
    warm_up()
    rows = np.random.default_rng(0).normal(size=(64, 3))
    for method in [m for m in methods if m in PEERS]:
        fit_peer(PEERS[method], (rows, rows, rows[:, 0] > 0), 0)
    settings = {"test_rows": args.test_rows, "budget": args.budget}
    for seed in study.seeds:
        for table in table_names(args.tables):
            limits = {"max_train": args.max_rows, "max_test": args.test_rows}
            split = split_for_outliers(table, "one-class", seed, **limits, keep_share=False)
            for method in methods:
                if method in PEERS:
                    work = fit_peer, PEERS[method], split, seed
                else:
                    work = fit_own, method, split, seed, study.budget
                about = {"data": table, "n_train": len(split[0]), "seed": seed, "method": method}
                study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    columns = {k: v for k, v in COLUMNS.items() if select(results, method=v[0])}
    tables = [table for (table,) in distinct(results, "data")]
    values = {}
    for key in ("auroc", "average_precision"):
        parts = [means(results, key + end, tables, [m]) for m, end in columns.values()]
        values[key] = np.hstack(parts)
        rows = [
            [table, *(f"{v:.3f}" for v in row)]
            for table, row in zip(tables, values[key], strict=True)
        ]
        complete = values[key][np.isfinite(values[key]).all(1)]
        rows.append(["mean", *(f"{v:.3f}" for v in complete.mean(0))])
        title = f"{key}, means over seeds; the last row is of tables that all have"
        print_table(title, ["table", *columns], rows)
    rows = []
    for name, (method, _) in columns.items():
        own = select(results, method=method)
        seconds = f"{np.mean([r['fit_cpu_seconds'] for r in own]):.1f}"
        rows.append([name, seconds, f"{np.median([r['n_parameters'] for r in own]):.0f}"])
    title = "Mean CPU seconds of a fit, and median number of parameters"
    print_table(title, ["method", "CPU s", "parameters"], rows)
    for j, other in enumerate(list(columns)[1:], start=1):
        pairs = values["auroc"][:, 0] - values["auroc"][:, j]
        if other != "PHVAE, error" and np.isfinite(pairs).any():
            wins, difference, told = verdict(pairs[np.isfinite(pairs)], 4)
            print(f"PHVAE beats {other}? {told}: ahead on {wins} tables, AUROC {difference}")


def main() -> None:
    study = Study("phvae_outliers", __doc__, seeds=5, budget=60.0, smoke_budget=0.1)
    study.option("--tables", nargs="+", selects="data", smoke=["wine"], help="of ADBench")
    names = {"nargs": "+", "choices": METHODS, "default": list(METHODS)}
    study.option("--methods", selects="method", help="detectors", **names)
    study.option("--max-rows", type=int, default=5000, smoke=60, help="most training rows")
    study.option("--test-rows", type=int, default=10_000, smoke=60, help="most test rows")
    study.run(measure, report)


if __name__ == "__main__":
    main()
