"""What each part of FractalFlowDensity brings: depth of the recursion, prior, initial topics.

Depths are compared at equal numbers of parameters: the default depth has its default width, the
others the width at which the fractal maps come closest to as many parameters. Priors differ in
size by what they are. Rows are prepared as in likelihood.py; all fits of a table and seed hold the
same rows out. Where the columns run out before the depth does, the tree of the depth before is the
same, and so is its result, which is taken over.

The baseline of a table and seed is a plain coupling flow, n_levels=0 with prior='normal'. Reported
are the mean log density (nats) of test rows, the hold-out log density before training, and how soon
the hold-out log density reaches the best that the baseline ever has: the number of epochs, 0 if it
is there before the first, '-' if that never happens, and CPU seconds, with those before training.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from lib.budgets import Clock, TimeLimit
from lib.clocks import Stopwatch
from lib.data import split_for_likelihood, table_names
from lib.metrics import count
from lib.report import print_table
from lib.runner import Study

TABLES = ("40_vowels", "44_Wilt", "2_annthyroid", "22_magic.gamma")
LEVELS = (0, 1, 2, 3)
PRIORS: dict[str, dict[str, Any]] = {
    "normal": {"prior": "normal"},
    "mixture": {"prior": "gaussian_mixture"},
    "topic, k-means": {"prior": "topic", "lda_backend": None},
    "topic, LDA": {"prior": "topic", "lda_backend": "sklearn"},
}
BASELINE = (0, "normal")
WIDTHS = range(8, 257)
# name -> entry and digits of the columns that are means over fits.
SUMMARY = {"gain": ("gain", 3), "initial gain": ("initial_gain", 3)}


def fractal_size(n_features: int, n_levels: int, width: int) -> int:
    """Parameters of a pair of fractal maps, one of each direction."""
    from flowkit.bijections import FractalCoupling

    return sum(
        count(FractalCoupling(n_features, n_levels=n_levels, hidden_units=width, reverse=reverse))
        for reverse in (False, True)
    )


def equal_widths(n_features: int) -> dict[int, int]:
    """Width of each depth, of equal size as the defaults."""
    from flowkit import FractalFlowDensity

    default = FractalFlowDensity()
    target = fractal_size(n_features, default.n_levels, default.hidden_units)

    def gap(n_levels: int, width: int) -> int:
        return abs(fractal_size(n_features, n_levels, width) - target)

    return {n: min(WIDTHS, key=lambda width, n=n: gap(n, width)) for n in LEVELS}


def depth(n_features: int, n_levels: int) -> int:
    """The smallest n_levels of the same tree."""
    from flowkit.bijections import FractalCoupling

    return len(FractalCoupling(n_features, n_levels=n_levels, hidden_units=8).couplings) - 1


def fit(
    train: np.ndarray, test: np.ndarray, seed: int, budget: float, parameters: dict[str, Any]
) -> dict[str, Any]:
    from flowkit import FractalFlowDensity

    seconds: list[float] = []
    callbacks = [Clock(seconds), TimeLimit(budget)]
    estimator = FractalFlowDensity(random_state=seed, callbacks=callbacks, **parameters)
    with Stopwatch() as watch:
        estimator.fit(train)
    return {
        "n_train": len(train),
        "n_features": train.shape[1],
        "hidden_units": parameters["hidden_units"],
        "log_density": float(estimator.score(test)),
        "n_parameters": count(estimator.module_),
        "n_parameters_prior": count(estimator.module_.prior),
        "n_groups": len(getattr(estimator, "word_groups_", [])),
        **watch.seconds("fit"),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "valid_log_density": estimator.history_["valid_log_density"].tolist(),
        "cpu_seconds_after_epoch": seconds,
        "used_up_budget": watch.cpu >= budget,
    }


def take_over(result: dict, n_levels: int, hidden_units: int) -> dict:
    """The result of a shallower tree that is the same one."""
    about = ("data", "seed", "n_levels", "prior", "settings")
    taken = {key: value for key, value in result.items() if key not in about}
    return {**taken, "hidden_units": hidden_units, "same_as_n_levels": n_levels}


def measure(study: Study) -> None:
    args = study.args
    shared = {"n_blocks": args.blocks, "max_epochs": args.max_epochs}
    settings = {"max_rows": args.max_rows, **shared, "budget": args.budget}
    for seed, table in product(study.seeds, table_names(args.tables, TABLES)):
        train, test = split_for_likelihood(table, seed, args.max_rows)
        d = train.shape[1]
        widths = equal_widths(d)
        for n_levels, prior in product(LEVELS, args.priors):
            about = {"data": table, "seed": seed, "n_levels": n_levels, "prior": prior}
            if (same := depth(d, n_levels)) < n_levels:
                # Shallower trees come first.
                work = take_over, study.find({**about, "n_levels": same}), same, widths[n_levels]
            else:
                parameters = {**shared, **PRIORS[prior], "n_levels": n_levels}
                parameters["hidden_units"] = widths[n_levels]
                work = fit, train, test, seed, study.budget, parameters
            study.cell(about, settings, *work)


def compare(fits: list[dict]) -> list[dict]:
    """Fits with their gains over the baseline, and how soon they reach its best."""
    baselines = {(r["data"], r["seed"]): r for r in fits if (r["n_levels"], r["prior"]) == BASELINE}
    compared = []
    for r in fits:
        baseline = baselines.get((r["data"], r["seed"]))
        if baseline is None:
            continue
        valid, seconds = r["valid_log_density"], r["cpu_seconds_after_epoch"]
        there = np.flatnonzero(np.array(valid) >= max(baseline["valid_log_density"]))
        epoch = int(there[0]) if len(there) else None
        compared.append(
            {
                **r,
                "gain": r["log_density"] - baseline["log_density"],
                "initial_gain": valid[0] - baseline["valid_log_density"][0],
                "epochs": epoch,
                "seconds": None if epoch is None else seconds[min(epoch, len(seconds) - 1)],
            }
        )
    return compared


def reached(values: list[float | None]) -> str:
    """Mean of those that are there, and how many are not."""
    there = [value for value in values if value is not None]
    never = len(values) - len(there)
    text = f"{np.mean(there):.1f}" if there else "-"
    return f"{text} ({never} never)" if never else text


def summary_of(fits: list[dict], keys: list[str]) -> list[list[str]]:
    """Rows of means over all fits that share these keys."""
    ways = {"n_levels": LEVELS, "prior": PRIORS}
    rows = []
    for values in product(*(ways[key] for key in keys)):
        own = [r for r in fits if all(r[k] == v for k, v in zip(keys, values, strict=True))]
        if own:
            gains = [f"{np.mean([r[k] for r in own]):.{digits}f}" for k, digits in SUMMARY.values()]
            worst, seconds = min(r["gain"] for r in own), [r["fit_cpu_seconds"] for r in own]
            soon = [reached([r[key] for r in own]) for key in ("epochs", "seconds")]
            cells = [*gains, f"{worst:.3f}", *soon, f"{np.mean(seconds):.1f}"]
            rows.append([*map(str, values), str(len(own)), *cells])
    return rows


def report(results: list[dict]) -> None:
    fits = compare(results)

    def text(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    header = ["table", "seed", "prior", "n_levels", "width", "parameters", "of prior", "groups"]
    header += ["test", "gain", "initial", "best hold-out", "epochs", "CPU s", "fit CPU s", "run"]
    rows = [
        [
            r["data"],
            str(r["seed"]),
            r["prior"],
            str(r["n_levels"]) + ("*" if "same_as_n_levels" in r else ""),
            str(r["hidden_units"]),
            str(r["n_parameters"]),
            str(r["n_parameters_prior"]),
            str(r["n_groups"] or "-"),
            text(r["log_density"], 3),
            text(r["gain"], 3),
            text(r["valid_log_density"][0], 3),
            text(max(r["valid_log_density"]), 3),
            text(r["epochs"], 0),
            text(r["seconds"], 1),
            text(r["fit_cpu_seconds"], 1),
            str(r["n_epochs"]) + ("!" if r["used_up_budget"] else ""),
        ]
        for r in sorted(fits, key=lambda r: (r["data"], r["seed"]))
    ]
    title = "Nats; epochs and CPU s until the hold-out is at the baseline's best, '-' never;\n"
    print_table(title + "* the tree of the depth before, ! budget used up", header, rows)
    for keys in (["n_levels"], ["prior"], ["prior", "n_levels"]):
        names = [*keys, "fits", *SUMMARY, "worst gain", "epochs", "CPU s", "fit CPU s"]
        title = f"Means over tables, seeds and the rest, by {' and '.join(keys)}; gains in nats"
        print_table(title, names, summary_of(fits, keys))


def main() -> None:
    study = Study("ablation", __doc__, seeds=1, budget=30.0, smoke_budget=0.05)
    study.option("--tables", nargs="+", selects="data", smoke=["iris"], help="of ADBench")
    priors = {"nargs": "+", "choices": PRIORS, "default": list(PRIORS)}
    smoke = ["normal", "topic, LDA"]
    study.option(
        "--priors", selects="prior", smoke=smoke, help="priors; gains are over normal", **priors
    )
    study.option("--max-rows", type=int, default=2000, smoke=60, help="rows drawn from a table")
    study.option("--blocks", type=int, default=2, smoke=1, help="n_blocks of the flows")
    study.option("--max-epochs", type=int, default=30, smoke=1, help="longest training")
    study.run(measure, report)


if __name__ == "__main__":
    main()
