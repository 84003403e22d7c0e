"""How far densities stay behind a known truth where structure is fine, steep or heavy-tailed.

Each density is fitted to rows of a distribution whose density is known. Reported are the nats by
which new rows are less likely than under the truth, and CPU seconds. The kinds: narrow states far
apart, two scales in one column, columns that are nearly equal, heavy tails on one side and on both,
heavy tails that move together, and a code for missing in 1.2 % of the rows, where the truth is that
of the rows without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lib.budgets import TimeLimit
from lib.clocks import Stopwatch
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study
from scipy.stats import cauchy, lognorm, norm

Draws = tuple[np.ndarray, np.ndarray]


def two_states(rng: np.random.Generator, n: int) -> Draws:
    centre = 9_999.0 * rng.integers(0, 2, n)[:, None]
    X = centre + rng.normal(0, 0.01, (n, 2))
    return X, np.log(0.5) + norm(0, 0.01).logpdf(X - centre).sum(1)


def two_scales(rng: np.random.Generator, n: int) -> Draws:
    x = rng.normal(size=n) * np.where(rng.random(n) < 0.3, 1e-3, 1.0)
    parts = np.log(0.3) + norm(0, 1e-3).logpdf(x), np.log(0.7) + norm.logpdf(x)
    return x[:, None], np.logaddexp(*parts)


def nearly_equal(rng: np.random.Generator, n: int, rho: float = 0.99999) -> Draws:
    own = np.sqrt(1 - rho**2)
    a = rng.normal(size=n)
    b = rho * a + own * rng.normal(size=n)
    return np.column_stack([a, b]), norm.logpdf(a) + norm(rho * a, own).logpdf(b)


def lognormal(rng: np.random.Generator, n: int) -> Draws:
    X = rng.lognormal(0, 3, (n, 2))
    return X, lognorm(3).logpdf(X).sum(1)


def both_tails(rng: np.random.Generator, n: int) -> Draws:
    X = 100 + rng.standard_cauchy((n, 2))
    return X, cauchy.logpdf(X - 100).sum(1)


def tails_together(rng: np.random.Generator, n: int) -> Draws:
    Z, log_density = nearly_equal(rng, n, 0.999)
    return np.exp(2 * Z), log_density - 2 * Z.sum(1) - 2 * np.log(2)


def ordinary(rng: np.random.Generator, n: int) -> Draws:
    X = rng.normal(50, 5, (n, 2))
    return X, norm(50, 5).logpdf(X).sum(1)


KINDS = {
    "two states": two_states,
    "two scales": two_scales,
    "nearly equal": nearly_equal,
    "log-normal, 3": lognormal,
    "Cauchy": both_tails,
    "tails together": tails_together,
    "a code, 1.2 %": ordinary,
    "normal": ordinary,
}


def mixture_by_cv(seed: int) -> Any:
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(GaussianMixture(random_state=seed), {"n_components": [1, 2, 3, 5, 8]})


def ours(name: str, **parameters: Any) -> Any:
    def build(seed: int, budget: float) -> Any:
        import flowkit

        given = {"random_state": seed, "callbacks": [TimeLimit(budget)], **parameters}
        return getattr(flowkit, name)(**given)

    return build


METHODS = {
    "GaussianMixture, CV": lambda seed, budget: mixture_by_cv(seed),
    "FlowDensity": ours("FlowDensity"),
    "FlowDensity, normal": ours("FlowDensity", prior="normal"),
    "FractalFlowDensity": ours("FractalFlowDensity"),
    "RGFlowDensity": ours("RGFlowDensity"),
}


def fit_and_score(
    kind: str, method: str, seed: int, budget: float, n_train: int, n_test: int
) -> dict:
    rng = np.random.default_rng(seed)
    X, _ = KINDS[kind](rng, n_train)
    if kind == "a code, 1.2 %":
        X[: round(0.012 * n_train), 0] = -999.0
    test, truth = KINDS[kind](rng, n_test)
    with Stopwatch() as watch:
        density = METHODS[method](seed, budget).fit(X)
    return {"loss": float(truth.mean() - density.score(test)), **watch.seconds("fit")}


def measure(study: Study) -> None:
    args = study.args
    settings = {"n_train": args.n_train, "n_test": args.n_test, "budget": args.budget}
    for kind in args.kinds:
        for seed in study.seeds:
            for method in args.methods:
                about = {"kind": kind, "seed": seed, "method": method}
                work = fit_and_score, kind, method, seed, study.budget, args.n_train, args.n_test
                study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    methods, rows = in_order(METHODS, results), []
    for (kind,) in distinct(results, "kind"):
        cells = []
        for method in methods:
            own = select(results, kind=kind, method=method)
            loss, seconds = (np.mean([r[k] for r in own]) for k in ("loss", "fit_cpu_seconds"))
            cells.append(f"{loss:.2f} ({seconds:.0f} s)" if own else "-")
        rows.append([kind, *cells])
    print_table("Nats behind the truth (CPU seconds of the fit)", ["", *methods], rows)


def main() -> None:
    study = Study("starts", __doc__, seeds=1, budget=None)
    kinds, methods = list(KINDS), list(METHODS)
    smoke = ["two states", "a code, 1.2 %"]
    names = {"nargs": "+", "default": kinds, "choices": kinds}
    study.option("--kinds", smoke=smoke, selects="kind", help="distributions", **names)
    names |= {"default": methods, "choices": methods}
    study.option("--methods", selects="method", help="densities", **names)
    study.option("--n-train", type=int, default=1000, smoke=60, help="training rows")
    study.option("--n-test", type=int, default=2000, smoke=60, help="rows that are scored")
    study.run(measure, report)


if __name__ == "__main__":
    main()
