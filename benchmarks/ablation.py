"""What each part of FractalFlowDensity brings: depth of the recursion, prior, start from topics.

Depths are compared at equal numbers of parameters: the default depth has its default width, the
others the width at which the fractal maps come closest to as many parameters. Priors differ in
size by what they are. Rows are prepared as in likelihood.py; all fits of a table and seed hold the
same rows out. Where the columns run out before the depth does, the tree of the depth before is the
same, and so is its result, which is taken over.

The baseline of a table and seed is a plain coupling flow, n_levels=0 with prior='normal'. Reported
are the mean log density (nats) of test rows, the hold-out log density of the start, and how soon
the hold-out log density reaches the best that the baseline ever has: the number of epochs, 0 if the
start is there already, '-' if that never happens, and CPU seconds, those of the start included.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    environment,
    format_table,
    load_table,
    make_parser,
    set_threads,
    write_json,
)
from likelihood import prepare, time_limit

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


# Equal sizes


def count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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
    return {
        n_levels: min(
            WIDTHS, key=lambda width: abs(fractal_size(n_features, n_levels, width) - target)
        )
        for n_levels in LEVELS
    }


def depth(n_features: int, n_levels: int) -> int:
    """The smallest n_levels of the same tree."""
    from flowkit.bijections import FractalCoupling

    return len(FractalCoupling(n_features, n_levels=n_levels, hidden_units=8).couplings) - 1


# Fits


def clock(seconds: list[float]) -> Any:
    """skorch callback that notes CPU seconds at the start of the training and after each epoch."""
    from skorch.callbacks import Callback

    begin = time.process_time()

    class Clock(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            if not seconds:
                seconds.append(time.process_time() - begin)

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            seconds.append(time.process_time() - begin)

    return Clock()


def fit(
    train: np.ndarray, test: np.ndarray, seed: int, budget: float, parameters: dict[str, Any]
) -> dict[str, Any]:
    from flowkit import FractalFlowDensity

    seconds: list[float] = []
    callbacks = [clock(seconds), time_limit(budget)]
    estimator = FractalFlowDensity(random_state=seed, callbacks=callbacks, **parameters)
    with Stopwatch() as watch:
        estimator.fit(train)
    return {
        "log_density": float(estimator.score(test)),
        "n_parameters": count(estimator.module_),
        "n_parameters_prior": count(estimator.module_.prior),
        "n_groups": len(getattr(estimator, "word_groups_", [])),
        "fit_cpu_seconds": watch.cpu,
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "valid_log_density": estimator.history_["valid_log_density"].tolist(),
        "cpu_seconds_after_epoch": seconds,
        "used_up_budget": watch.cpu >= budget,
    }


def key_of(result: dict) -> tuple:
    return result["table"], result["seed"], result["n_levels"], result["prior"]


def run(arguments: argparse.Namespace, payload: dict) -> None:
    """Fit whatever is not in the payload yet; the file is complete after every fit."""
    fits = {key_of(result): result for result in payload["fits"]}
    shared = {"n_blocks": arguments.blocks, "max_epochs": arguments.max_epochs}
    for seed, table in product(arguments.seeds, arguments.tables):
        train, test = prepare(load_table(table), seed, arguments.max_rows)
        d = train.shape[1]
        widths = equal_widths(d)
        for n_levels, prior in product(LEVELS, PRIORS):
            about = {"table": table, "seed": seed, "n_levels": n_levels, "prior": prior}
            if key_of(about) in fits:
                continue
            about |= {"n_train": len(train), "n_features": d, "hidden_units": widths[n_levels]}
            if (same := depth(d, n_levels)) < n_levels:
                result = {**fits[table, seed, same, prior], **about, "same_as_n_levels": same}
            else:
                parameters = {**shared, **PRIORS[prior]}
                parameters |= {"n_levels": n_levels, "hidden_units": widths[n_levels]}
                result = {**about, **fit(train, test, seed, arguments.budget, parameters)}
            fits[key_of(about)] = result
            payload["fits"].append(result)
            write_json(arguments.output, payload)
            print(
                f"{table:>14} seed {seed} n_levels={n_levels} {prior:<14} "
                f"{result['log_density']:8.3f} nats {result['fit_cpu_seconds']:6.1f} s "
                f"{result['n_epochs']:3d} epochs",
                flush=True,
            )


# Convergence


def add_convergence(fits: list[dict]) -> None:
    """Gains over the baseline of the same table and seed, and how soon its best is reached."""
    by_key = {key_of(result): result for result in fits}
    for result in fits:
        baseline = by_key[result["table"], result["seed"], *BASELINE]
        target = max(baseline["valid_log_density"])
        there = np.flatnonzero(np.array(result["valid_log_density"]) >= target)
        epoch = int(there[0]) if len(there) else None
        seconds = result["cpu_seconds_after_epoch"]
        result |= {
            "gain": result["log_density"] - baseline["log_density"],
            "start_valid": result["valid_log_density"][0],
            "start_gain": result["valid_log_density"][0] - baseline["valid_log_density"][0],
            "best_valid": max(result["valid_log_density"]),
            "epochs_to_baseline": epoch,
            "seconds_to_baseline": None if epoch is None else seconds[min(epoch, len(seconds) - 1)],
        }


def spread(values: list[int | None]) -> str:
    """Mean of those that are there, and how many are not."""
    reached = [value for value in values if value is not None]
    never = len(values) - len(reached)
    text = f"{np.mean(reached):.1f}" if reached else "-"
    return f"{text} ({never} never)" if never else text


def summarize(fits: list[dict], keys: list[str]) -> list[dict]:
    """Means over all fits that share these keys."""
    ways = {"n_levels": LEVELS, "prior": PRIORS}
    rows = []
    for values in product(*(ways[key] for key in keys)):
        own = [r for r in fits if all(r[k] == v for k, v in zip(keys, values, strict=True))]
        if own:
            rows.append(
                {
                    **dict(zip(keys, values, strict=True)),
                    "n_fits": len(own),
                    "gain": float(np.mean([r["gain"] for r in own])),
                    "worst_gain": min(r["gain"] for r in own),
                    "start_gain": float(np.mean([r["start_gain"] for r in own])),
                    "epochs": spread([r["epochs_to_baseline"] for r in own]),
                    "seconds": spread([r["seconds_to_baseline"] for r in own]),
                    "fit_cpu_seconds": float(np.mean([r["fit_cpu_seconds"] for r in own])),
                }
            )
    return rows


def report(payload: dict) -> None:
    fits = payload["fits"]
    add_convergence(fits)

    def text(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    header = ["table", "seed", "prior", "n_levels", "width", "parameters", "of prior", "groups"]
    header += ["test", "gain", "start", "best hold-out", "epochs", "CPU s", "fit CPU s", "run"]
    rows = [
        [
            r["table"],
            str(r["seed"]),
            r["prior"],
            str(r["n_levels"]) + ("*" if "same_as_n_levels" in r else ""),
            str(r["hidden_units"]),
            str(r["n_parameters"]),
            str(r["n_parameters_prior"]),
            str(r["n_groups"] or "-"),
            text(r["log_density"], 3),
            text(r["gain"], 3),
            text(r["start_valid"], 3),
            text(r["best_valid"], 3),
            text(r["epochs_to_baseline"], 0),
            text(r["seconds_to_baseline"], 1),
            text(r["fit_cpu_seconds"], 1),
            str(r["n_epochs"]) + ("!" if r["used_up_budget"] else ""),
        ]
        for r in sorted(fits, key=lambda r: (r["table"], r["seed"]))
    ]
    print("\nNats; epochs and CPU s until the hold-out is at the baseline's best, '-' never;")
    print("* the tree of the depth before, ! budget used up")
    print(format_table(header, rows))
    payload["summary"] = {}
    for keys in (["n_levels"], ["prior"], ["prior", "n_levels"]):
        summary = payload["summary"][" and ".join(keys)] = summarize(fits, keys)
        names = [*keys, "fits", "gain", "worst", "start gain", "epochs", "CPU s", "fit CPU s"]
        cells = [
            [
                *(str(r[key]) for key in keys),
                str(r["n_fits"]),
                *(f"{r[key]:.3f}" for key in ("gain", "worst_gain", "start_gain")),
                r["epochs"],
                r["seconds"],
                f"{r['fit_cpu_seconds']:.1f}",
            ]
            for r in summary
        ]
        print(f"\nMeans over tables, seeds and the rest, by {' and '.join(keys)}; gains in nats")
        print(format_table(names, cells))


# Running


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("ablation", "The parts of FractalFlowDensity at equal sizes.")
    add_threads_option(parser)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), help="files of adbench")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="splits")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows drawn from a table")
    parser.add_argument("--blocks", type=int, default=2, help="n_blocks of the flows")
    parser.add_argument("--max-epochs", type=int, default=30, help="longest training")
    parser.add_argument("--budget", type=float, default=30.0, help="CPU seconds for one fit")
    parser.add_argument("--resume", action="store_true", help="keep the fits in --output")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    payload: dict[str, Any] = {
        "environment": environment(arguments.threads),
        "settings": {
            "max_rows": arguments.max_rows,
            "n_blocks": arguments.blocks,
            "max_epochs": arguments.max_epochs,
            "budget": arguments.budget,
        },
        "fits": [],
    }
    if arguments.resume and arguments.output.exists():
        earlier = json.loads(arguments.output.read_text())
        if earlier["settings"] != payload["settings"]:
            raise SystemExit(
                f"{arguments.output} was made with {earlier['settings']}, now it is "
                f"{payload['settings']}: choose another --output or leave out --resume."
            )
        payload["fits"] = earlier["fits"]
    run(arguments, payload)
    report(payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
