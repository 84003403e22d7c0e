"""KAN against MLP as the conditioner of FractalFlowDensity, at equal numbers of parameters.

For each table the MLP has its default width. The KAN gets the width at which the fractal maps have
as many parameters, within 10 %; where no width does, as widths end at 8, the MLP is widened until
one does. Rows are prepared as in likelihood.py. Reported are the mean log density (nats) of test
rows, the number of parameters of the whole module, CPU seconds of the fit and of scoring 10,000
rows, and for the networks alone the rows a second of one forward and backward pass in training.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
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

TABLES = ("2_annthyroid", "22_magic.gamma", "40_vowels", "44_Wilt", "6_cardio")
CONDITIONERS = ("mlp", "kan")
MLP_WIDTHS = range(64, 257)
KAN_WIDTHS = range(8, 129)
TOLERANCE = 0.1
N_SCORED = 10_000
# groups, in_features, out_features of networks alone: a root, a second level and a third one.
NETS = ((1, 8, 184), (2, 4, 92), (4, 2, 46))
NET_BATCH = 256
NET_REPEATS = 5


# Equal sizes


def count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def gap(first: int, second: int) -> float:
    return abs(first - second) / max(first, second)


def equal_widths(size: Any) -> tuple[int, int]:
    """Widths of MLP and KAN that make them equally large: size(conditioner, width)."""
    kan_sizes = {width: size("kan", width) for width in KAN_WIDTHS}
    for mlp_width in MLP_WIDTHS:
        target = size("mlp", mlp_width)
        kan_width = min(kan_sizes, key=lambda width: gap(kan_sizes[width], target))
        if gap(kan_sizes[kan_width], target) <= TOLERANCE:
            break
    return mlp_width, kan_width


def fractal_widths(n_features: int) -> dict[str, int]:
    from flowkit import FractalFlowDensity
    from flowkit.bijections import FractalCoupling

    default = FractalFlowDensity()

    def size(conditioner: str, width: int) -> int:
        fractal = FractalCoupling(
            n_features,
            conditioner=conditioner,
            hidden_units=width,
            n_hidden_layers=default.n_hidden_layers,
            n_levels=default.n_levels,
            n_bins=default.n_bins,
        )
        return count(fractal)

    return dict(zip(CONDITIONERS, equal_widths(size), strict=True))


# Fits


def fit(
    train: np.ndarray, test: np.ndarray, seed: int, budget: float, parameters: dict[str, Any]
) -> dict[str, Any]:
    from flowkit import FractalFlowDensity

    callbacks = [time_limit(budget)]
    estimator = FractalFlowDensity(random_state=seed, callbacks=callbacks, **parameters)
    with Stopwatch() as watch:
        estimator.fit(train)
    rows = train[np.random.default_rng(seed).integers(len(train), size=N_SCORED)]
    with Stopwatch() as scoring:
        estimator.score_samples(rows)
    return {
        "log_density": float(estimator.score(test)),
        "n_parameters": count(estimator.module_),
        "fit_cpu_seconds": watch.cpu,
        "score_cpu_seconds": scoring.cpu,
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "start_valid_log_density": float(estimator.history_["valid_log_density"][0]),
        "best_valid_log_density": float(
            estimator.history_["valid_log_density"][estimator.best_epoch_]
        ),
        "used_up_budget": watch.cpu >= budget,
    }


def run_fits(arguments: argparse.Namespace, payload: dict) -> None:
    """Fit whatever is not in the payload yet; the file is complete after every fit."""
    done = {(r["table"], r["seed"], r["conditioner"]) for r in payload["fits"]}
    for seed in arguments.seeds:
        for table in arguments.tables:
            train, test = prepare(load_table(table), seed, arguments.max_rows)
            widths = fractal_widths(train.shape[1])
            for conditioner in arguments.conditioners:
                if (table, seed, conditioner) in done:
                    continue
                parameters = {"conditioner": conditioner, "hidden_units": widths[conditioner]}
                parameters |= {
                    "max_epochs": arguments.max_epochs,
                    "n_blocks": arguments.blocks,
                }
                result = {
                    "table": table,
                    "seed": seed,
                    "n_train": len(train),
                    "n_features": train.shape[1],
                    **parameters,
                    **fit(train, test, seed, arguments.budget, parameters),
                }
                payload["fits"].append(result)
                write_json(arguments.output, payload)
                print(
                    f"{table:>14} seed {seed} {conditioner}: {result['log_density']:.3f} nats, "
                    f"{result['fit_cpu_seconds']:.1f} s, {result['n_epochs']} epochs",
                    flush=True,
                )


# Networks alone


def net_speed(groups: int, in_features: int, out_features: int, seconds: float) -> list[dict]:
    """Rows a second of each network; they take turns, so that both meet the same load."""
    import torch

    from flowkit.nets import KAN, GroupedMLP

    kinds = {"mlp": GroupedMLP, "kan": KAN}
    n_hidden_layers = 2

    def build(conditioner: str, width: int) -> Any:
        return kinds[conditioner](
            in_features,
            out_features,
            groups,
            hidden_units=width,
            n_hidden_layers=n_hidden_layers,
            zero=False,
            generator=torch.Generator().manual_seed(0),
        )

    widths = equal_widths(lambda conditioner, width: count(build(conditioner, width)))
    nets = {name: build(name, width) for name, width in zip(CONDITIONERS, widths, strict=True)}
    x = torch.randn(
        groups, in_features, NET_BATCH, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    speeds: dict[str, list[float]] = {name: [] for name in nets}
    for net in nets.values():
        net(x).square().mean().backward()
    for _ in range(NET_REPEATS):
        for name, net in nets.items():
            speeds[name].append(rows_per_second(net, x, seconds))
    return [
        {
            "groups": groups,
            "in_features": in_features,
            "out_features": out_features,
            "conditioner": name,
            "hidden_units": width,
            "n_parameters": count(nets[name]),
            "rows_per_cpu_second": statistics.median(speeds[name]),
        }
        for name, width in zip(CONDITIONERS, widths, strict=True)
    ]


def rows_per_second(net: Any, x: Any, seconds: float) -> float:
    rows, cpu = 0, 0.0
    while cpu < seconds:
        with Stopwatch() as watch:
            for _ in range(20):
                net.zero_grad()
                net(x).square().mean().backward()
        rows, cpu = rows + 20 * x.shape[2], cpu + watch.cpu
    return rows / cpu


# Tables of results


def report(payload: dict) -> None:
    fits, rows, differences = payload["fits"], [], []
    for table in dict.fromkeys(r["table"] for r in fits):
        own = [r for r in fits if r["table"] == table]
        for conditioner in CONDITIONERS:
            these = [r for r in own if r["conditioner"] == conditioner]
            if not these:
                continue

            def mean(key: str, digits: int = 1, these: list[dict] = these) -> str:
                return f"{np.mean([r[key] for r in these]):.{digits}f}"

            rows.append(
                [
                    table,
                    f"{these[0]['n_train']} x {these[0]['n_features']}",
                    conditioner,
                    ",".join(str(r["seed"]) for r in these),
                    "/".join(dict.fromkeys(str(r["hidden_units"]) for r in these)),
                    mean("n_parameters", 0),
                    mean("log_density", 3),
                    mean("start_valid_log_density", 3),
                    mean("best_valid_log_density", 3),
                    mean("n_epochs"),
                    mean("fit_cpu_seconds"),
                    f"{seconds_an_epoch(these):.2f}",
                    mean("score_cpu_seconds", 2),
                ]
            )
        by_seed = {(r["seed"], r["conditioner"]): r["log_density"] for r in own}
        differences += [
            by_seed[seed, "kan"] - by_seed[seed, "mlp"]
            for seed, conditioner in by_seed
            if conditioner == "mlp" and (seed, "kan") in by_seed
        ]
    header = ["table", "train rows", "net", "seeds", "width", "parameters", "test nats"]
    header += ["start", "best", "epochs", "fit s", "s / epoch", "score s"]
    print("\nMeans over seeds; 'start' and 'best' are mean nats of the hold-out rows of the fit")
    print(format_table(header, rows))
    if differences:
        mean, wins = float(np.mean(differences)), sum(d > 0 for d in differences)
        payload["kan_minus_mlp"] = {"mean": mean, "wins": wins, "pairs": len(differences)}
        error = np.std(differences, ddof=1) / math.sqrt(len(differences)) if differences[1:] else 0
        print(
            f"KAN less MLP: {mean:+.3f} +- {error:.3f} nats, ahead in {wins} of "
            f"{len(differences)} pairs"
        )
    header = ["groups x in x out", "net", "width", "parameters", "rows / CPU s"]
    shapes = [f"{r['groups']} x {r['in_features']} x {r['out_features']}" for r in payload["nets"]]
    rows = [
        [
            shape,
            r["conditioner"],
            str(r["hidden_units"]),
            str(r["n_parameters"]),
            f"{r['rows_per_cpu_second']:,.0f}",
        ]
        for shape, r in zip(shapes, payload["nets"], strict=True)
    ]
    print(f"\nNetworks alone, forward and backward, batches of {NET_BATCH}")
    print(format_table(header, rows))


def seconds_an_epoch(fits: list[dict]) -> float:
    """CPU seconds of the fit over epochs: the start is in it."""
    return sum(r["fit_cpu_seconds"] for r in fits) / max(1, sum(r["n_epochs"] for r in fits))


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("conditioners", "KAN against MLP conditioners of equal size.")
    add_threads_option(parser)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), help="files of adbench")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="splits and fits")
    parser.add_argument(
        "--conditioners",
        nargs="+",
        choices=CONDITIONERS,
        default=list(CONDITIONERS),
        help="which to fit",
    )
    parser.add_argument("--max-rows", type=int, default=3000, help="rows drawn from a table")
    parser.add_argument("--max-epochs", type=int, default=100, help="of each fit")
    parser.add_argument("--blocks", type=int, default=4, help="fractal maps of the flow")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds for one fit")
    parser.add_argument(
        "--net-seconds", type=float, default=0.5, help="CPU seconds for one timing of a network"
    )
    parser.add_argument("--resume", action="store_true", help="keep the fits in --output")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    names = ("max_rows", "max_epochs", "blocks", "budget")
    settings = {name: getattr(arguments, name) for name in names}
    payload: dict[str, Any] = {
        "environment": environment(arguments.threads),
        "settings": settings,
        "fits": [],
        "nets": [],
    }
    if arguments.resume and arguments.output.exists():
        earlier = json.loads(arguments.output.read_text())
        if earlier["settings"] != settings:
            raise SystemExit(f"{arguments.output} was made with {earlier['settings']}.")
        payload["fits"] = earlier["fits"]
    for shape in NETS:
        payload["nets"] += net_speed(*shape, arguments.net_seconds)
    run_fits(arguments, payload)
    report(payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
