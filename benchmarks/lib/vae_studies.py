"""What studies of PHVAE share: a cell for each method, and tables that compare PHVAE with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .report import distinct, in_order, paired, print_table, select, spread, verdict
from .runner import Study
from .vaes import (
    FAITHFUL,
    FED_X,
    METHODS,
    ONE_ENCODER,
    SEARCH_SHARE,
    TOLERANCE,
    count,
    describe,
    equal_units,
    find_beta,
    make,
    probe,
    rate,
    train,
)

# What each study's columns end with: name -> entry and digits.
COST = {"CPU s": ("fit_cpu_seconds", 1), "epochs": ("n_epochs", 0)}


def add_options(study: Study, test_rows: int, smoke_methods: list[str]) -> None:
    """Options of a study of all methods."""
    names = {"nargs": "+", "choices": METHODS, "smoke": smoke_methods}
    study.option("--methods", selects="method", help="all by default", **names)
    study.option("--max-rows", type=int, smoke=80, help="most training rows of a fit")
    rows = {"type": int, "default": test_rows, "smoke": 12}
    study.option("--test-rows", help="most test rows", **rows)


def most(study: Study, rows: int) -> int:
    """Number of training rows, as the options limit it."""
    return min(rows, study.args.max_rows or rows)


def settings_of(study: Study, method: str) -> dict:
    settings = {"test_rows": study.args.test_rows, "budget": study.args.budget}
    return {**settings, **FAITHFUL} if method == "PHVAE, faithful" else settings


def fit_all(
    study: Study,
    about: dict[str, Any],
    rows: np.ndarray,
    test: np.ndarray,
    settings: dict,
    measure: Callable[[Any], dict],
) -> None:
    """All methods on one set of training rows.

    Parameters
    ----------
    study : Study
        Which study.
    about : dict
        The cell, without the method: ``data``, ``n_train`` and ``seed``.
    rows, test : ndarray of shape (n, n_features)
        Rows to train on, and rows by which rates are measured.
    settings : dict
        Parameters of all models.
    measure : callable
        Gets a fitted estimator.
    """
    for method in METHODS if study.args.methods is None else study.args.methods:
        one = {**about, "method": method}
        work = fit_one, study, one, rows, test, settings, measure
        study.cell(one, settings_of(study, method), *work)


def fit_one(
    study: Study,
    about: dict[str, Any],
    rows: np.ndarray,
    test: np.ndarray,
    settings: dict,
    measure: Callable[[Any], dict],
) -> dict:
    method, seed, budget = about["method"], about["seed"], study.budget
    reference = probe(make("PHVAE", None, 0, settings), rows)
    units = equal_units(method, reference, rows, settings)

    def weighted(beta: float) -> Any:
        return make(method, reference, units, {**settings, "divergence_weights": beta})

    def rate_at(beta: float) -> float:
        estimator = weighted(beta)
        train(estimator, rows, seed, SEARCH_SHARE * budget)
        return rate(estimator, test)

    extra: dict[str, Any] = {}
    if method == "beta-VAE":
        extra["beta"] = _beta(study.results, about, rate_at)
        estimator = weighted(extra["beta"])
    else:
        estimator = make(method, reference, units, settings)
    seconds = train(estimator, rows, seed, budget)
    told = {**describe(estimator), **seconds, **extra, "hidden_units": units}
    if abs(told["n_parameters"] / count(reference) - 1) > TOLERANCE:
        raise RuntimeError(f"{told['n_parameters']} parameters, not {count(reference)}")
    return {**measure(estimator), "rate": rate(estimator, test), **told}


def _beta(results: list[dict], about: dict, rate_at: Callable[[float], float]) -> float:
    """The weight found with an earlier seed, or else searched for."""
    same = {k: about[k] for k in ("data", "n_train", "method")}
    for r in select(results, **same):
        if "beta" in r:
            return r["beta"]
    rates = []
    for method in ("PHVAE", "plain VAE"):
        fitted = [r for r in select(results, **{**about, "method": method}) if "rate" in r]
        if not fitted:
            raise RuntimeError(f"beta-VAE needs the rate of {method}: run that one too")
        rates.append(fitted[0]["rate"])
    return find_beta(*rates, rate_at)


def report_means(
    title: str,
    columns: dict[str, tuple[str, int]],
    results: list[dict],
    data: list[str],
    methods: list[str],
) -> None:
    """Means and standard deviations over seeds.

    Parameters
    ----------
    title : str
        What is shown.
    columns : dict
        Name -> entry of the results and digits; names that begin with 1000 are in thousandths.
    results : list of dict
        All of a study.
    data, methods : list of str
        In the order to show them.
    """
    columns, rows = {**columns, **COST}, []
    for name in in_order(data, results, "data"):
        of_data = select(results, data=name)
        for (n_train,) in sorted(distinct(of_data, "n_train")):
            for method in in_order(methods, select(of_data, n_train=n_train)):
                own = select(of_data, n_train=n_train, method=method)
                cells = []
                for column, (key, digits) in columns.items():
                    factor = 1000 if column.startswith("1000 ") else 1
                    cells.append(spread([factor * r[key] for r in own if key in r], digits))
                size = [str(own[0].get(key, "-")) for key in ("n_parameters", "hidden_units")]
                rows.append([name, str(n_train), method, str(len(own)), *cells, *size])
    header = ["data", "train", "method", "seeds", *columns, "parameters", "units"]
    print_table(f"{title}; means and standard deviations over seeds", header, rows)


def report_verdicts(results: list[dict]) -> None:
    """PHVAE against each other method, in test log density."""
    rows = []
    for (data,) in distinct(results, "data"):
        for method in METHODS[1:]:
            pairs = paired(select(results, data=data), "PHVAE", method, "log_density")
            if len(pairs):
                rows.append([data, method, *verdict(pairs)])
    title = "PHVAE less another method, nats: pairs of equal data, rows and seed, standard errors"
    header = ["data", "other", "ahead in", "mean difference", "PHVAE better?"]
    print_table(title, header, rows)
    for method in (FED_X, ONE_ENCODER):
        pairs = paired(results, "PHVAE", method, "log_density")
        if len(pairs):
            wins, difference, told = verdict(pairs)
            print(
                f"Do polynomial encoders beat '{method}'? {told}: ahead in {wins} pairs, "
                f"{difference} nats"
            )
