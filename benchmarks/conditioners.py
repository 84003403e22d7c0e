"""KAN against MLP as the conditioner of FractalFlowDensity, at equal numbers of parameters.

For each table the MLP has its default width. The KAN gets the width at which the fractal maps have
as many parameters, within 10 %; where no width does, as widths end at 8, the MLP is widened until
one does. Rows are prepared as in likelihood.py. Reported are the mean log density (nats) of test
rows, the number of parameters of the whole module, and CPU seconds of the fit and of scoring 10,000
rows. The speed of the networks alone is told by conditioner_speed.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lib.budgets import TimeLimit
from lib.clocks import Stopwatch
from lib.data import split_for_likelihood, table_names
from lib.metrics import count
from lib.report import distinct, mean, mean_and_error, print_table, select
from lib.runner import Study
from lib.sizes import CONDITIONERS, equal_widths

TABLES = ("2_annthyroid", "22_magic.gamma", "40_vowels", "44_Wilt", "6_cardio")
# name -> entry and digits of the columns that are means over seeds.
COLUMNS = {
    "parameters": ("n_parameters", 0),
    "test nats": ("log_density", 3),
    "initial": ("initial_valid_log_density", 3),
    "best": ("best_valid_log_density", 3),
    "epochs": ("n_epochs", 1),
    "fit s": ("fit_cpu_seconds", 1),
}


def fractal_widths(n_features: int) -> dict[str, int]:
    from flowkit import FractalFlowDensity
    from flowkit.bijections import FractalCoupling

    default = FractalFlowDensity().get_params()
    options = {name: default[name] for name in ("n_hidden_layers", "n_levels", "n_bins")}

    def size(conditioner: str, width: int) -> int:
        given = {**options, "conditioner": conditioner, "hidden_units": width}
        return count(FractalCoupling(n_features, **given))

    return equal_widths(size)


def fit(
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    budget: float,
    n_scored: int,
    parameters: dict[str, Any],
) -> dict[str, Any]:
    from flowkit import FractalFlowDensity

    callbacks = [TimeLimit(budget)]
    estimator = FractalFlowDensity(random_state=seed, callbacks=callbacks, **parameters)
    with Stopwatch() as watch:
        estimator.fit(train)
    rows = train[np.random.default_rng(seed).integers(len(train), size=n_scored)]
    with Stopwatch() as scoring:
        estimator.score_samples(rows)
    held_out = estimator.history_["valid_log_density"]
    return {
        "n_train": len(train),
        "n_features": train.shape[1],
        "hidden_units": parameters["hidden_units"],
        "log_density": float(estimator.score(test)),
        "n_parameters": count(estimator.module_),
        **watch.seconds("fit"),
        **scoring.seconds("score"),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "initial_valid_log_density": float(held_out[0]),
        "best_valid_log_density": float(held_out[estimator.best_epoch_]),
        "used_up_budget": watch.cpu >= budget,
    }


def measure(study: Study) -> None:
    args = study.args
    settings = {
        name: getattr(args, name) for name in ("max_rows", "max_epochs", "blocks", "budget")
    }
    for seed in study.seeds:
        for table in table_names(args.tables, TABLES):
            train, test = split_for_likelihood(table, seed, args.max_rows)
            widths = fractal_widths(train.shape[1])
            for conditioner in args.conditioners:
                parameters = {"conditioner": conditioner, "hidden_units": widths[conditioner]}
                parameters |= {"max_epochs": args.max_epochs, "n_blocks": args.blocks}
                about = {"data": table, "seed": seed, "method": conditioner}
                work = fit, train, test, seed, study.budget, args.n_scored, parameters
                study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    rows, differences = [], []
    for (table,) in distinct(results, "data"):
        for conditioner in CONDITIONERS:
            own = select(results, data=table, method=conditioner)
            if not own:
                continue
            # What comes before the first epoch counts too.
            epochs = max(1, sum(r["n_epochs"] for r in own))
            rows.append(
                [
                    table,
                    f"{own[0]['n_train']} x {own[0]['n_features']}",
                    conditioner,
                    str(len(own)),
                    "/".join(dict.fromkeys(str(r["hidden_units"]) for r in own)),
                    *(mean(own, key, digits) for key, digits in COLUMNS.values()),
                    f"{sum(r['fit_cpu_seconds'] for r in own) / epochs:.2f}",
                    mean(own, "score_cpu_seconds", 2),
                ]
            )
        for r in select(results, data=table, method="kan"):
            others = select(results, data=table, method="mlp", seed=r["seed"])
            differences += [r["log_density"] - other["log_density"] for other in others]
    header = ["table", "train rows", "net", "seeds", "width", *COLUMNS, "s / epoch", "score s"]
    title = "Means over seeds; 'initial' and 'best' are mean nats of the hold-out rows of the fit"
    print_table(title, header, rows)
    if differences:
        told, wins = mean_and_error(np.array(differences), 3), sum(d > 0 for d in differences)
        print(f"KAN less MLP: {told} nats, ahead in {wins} of {len(differences)} pairs")


def main() -> None:
    study = Study("conditioners", __doc__, seeds=2, budget=60.0, smoke_budget=0.1)
    study.option("--tables", nargs="+", selects="data", smoke=["iris"], help="of ADBench")
    names = {"nargs": "+", "choices": CONDITIONERS, "default": list(CONDITIONERS)}
    study.option("--conditioners", selects="method", help="which to fit", **names)
    study.option("--max-rows", type=int, default=3000, smoke=60, help="rows drawn from a table")
    study.option("--max-epochs", type=int, default=100, smoke=1, help="of each fit")
    study.option("--blocks", type=int, default=4, smoke=1, help="fractal maps of the flow")
    study.option("--n-scored", type=int, default=10_000, smoke=60, help="rows that are scored")
    study.run(measure, report)


if __name__ == "__main__":
    main()
