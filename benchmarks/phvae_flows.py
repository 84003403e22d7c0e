"""PHVAE with one kind of flow in posterior or prior, or with none, on MNIST.

Flows come on top of the other parameters, in the same CPU seconds: a costly flow has had fewer
epochs. Nats are importance-weighted with 64 draws. Training is that of `lib.vaes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lib.data import flat, load_images
from lib.report import in_order, paired, print_table, select, spread, verdict
from lib.runner import Study
from lib.vae_studies import report_means
from lib.vaes import GREY_LEVELS, describe, make, measure_nats, rate, train, warm_up

NO_FLOW: dict[str, Any] = {"posterior_flow": None, "prior_flow": None}
POSTERIOR_FLOWS = ("planar", "sylvester", "iaf", "coupling")
PRIOR_FLOWS = ("coupling", "autoregressive", "fractal")
FLOWS: dict[str, dict] = {
    "none": NO_FLOW,
    **{f"posterior, {flow}": {**NO_FLOW, "posterior_flow": flow} for flow in POSTERIOR_FLOWS},
    **{f"prior, {flow}": {**NO_FLOW, "prior_flow": flow} for flow in PRIOR_FLOWS},
}
COLUMNS = {
    "nats": ("log_density", 1),
    "median": ("median_log_density", 1),
    "bits/dim": ("bits_per_dim", 3),
    "ELBO": ("elbo", 1),
    "rate": ("rate", 1),
}


def fit_and_measure(
    flow: str, rows: np.ndarray, test: np.ndarray, seed: int, budget: float
) -> dict:
    estimator = make("PHVAE", None, 0, {**GREY_LEVELS, **FLOWS[flow]})
    seconds = train(estimator, rows, seed, budget)
    nats = {**measure_nats(estimator, test), "elbo": float(estimator.elbo(test).mean())}
    return {**nats, "rate": rate(estimator, test), **describe(estimator), **seconds}


def measure(study: Study) -> None:
    warm_up()
    args = study.args
    settings = {"test_rows": args.test_rows, "budget": args.budget}
    for seed in study.seeds:
        rows, test = map(flat, load_images(args.data, args.rows, seed))
        test = test[: args.test_rows]
        for flow in args.flows:
            about = {"data": args.data, "n_train": len(rows), "seed": seed, "method": flow}
            study.cell(about, settings, fit_and_measure, flow, rows, test, seed, study.budget)


def report(results: list[dict]) -> None:
    title = "Flows: IWAE-64 nats of test images"
    report_means(title, COLUMNS, results, ["mnist"], list(FLOWS))
    rows = []
    for flow in in_order(FLOWS, results):
        own, gains = select(results, method=flow), paired(results, flow, "none", "log_density")
        if len(gains):
            step = [r["fit_cpu_seconds"] / max(1, r["n_epochs"]) for r in own]
            size = str(own[0]["n_parameters"])
            rows.append([flow, *verdict(gains, 2)[:2], spread(step, 2), size])
    title = "Nats gained over no flow, and what an epoch costs, initialisation included"
    print_table(title, ["flow", "ahead in", "gain", "CPU s an epoch", "parameters"], rows)


def main() -> None:
    study = Study("phvae_flows", __doc__, seeds=5, budget=120.0, smoke_budget=0.1)
    names = {"choices": ["mnist", "digits"], "default": "mnist", "smoke": "digits"}
    study.option("--data", selects="data", help="images; digits ship", **names)
    names = {"nargs": "+", "choices": FLOWS, "default": list(FLOWS)}
    study.option("--flows", selects="method", help="gains are over none", **names)
    study.option("--rows", type=int, default=10_000, smoke=80, help="training images")
    study.option("--test-rows", type=int, default=500, smoke=8, help="test images")
    study.run(measure, report)


if __name__ == "__main__":
    main()
