"""PHVAE and its controls on images with known factors: latents, and the scales of orders.

MIG, SAP and DCI of posterior means of test images. "global" factors are those of the image, "local"
are means over the ellipses: channels and angle for MSDS1, the other way round for MSDS2; an angle
counts as sine and cosine of its double. DCI is over all five. Bands: the latents of one order are
replaced by those of another image, and the change of the decoded image is split by radial
frequency, in octaves of cycles an image; shares of the power, which sum to one. If orders carried
scales, as the paper says, these would differ between orders, and more than for encoders fed x. The
methods are those of `lib.vaes`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from lib.data import GREY, make_msds, turned
from lib.report import distinct, print_table, select, spread
from lib.runner import Study
from lib.vae_studies import add_options, fit_all, most, report_means, report_verdicts
from lib.vaes import GREY_LEVELS, METHODS, measure_nats, warm_up

DATA = ("msds1", "msds2")
TEST_STATE = 10_002
# Cycles an image.
BAND_EDGES = (1, 2, 4, 8, 16)
BANDS = ("0", "1-2", "2-4", "4-8", "8-16", "16+")
COLUMNS = {
    "bits/dim": ("bits_per_dim", 3),
    "rate": ("rate", 1),
    "MIG global": ("mig_global", 3),
    "local": ("mig_local", 3),
    "SAP global": ("sap_global", 3),
    "local ": ("sap_local", 3),
    "D": ("disentanglement", 3),
    "C": ("completeness", 3),
    "I": ("informativeness", 3),
    "active": ("active_units", 1),
}


def factors(data: Any, kind: int) -> tuple[np.ndarray, int]:
    """Global factors, then local ones, as columns; and how many are global."""
    angle, colour = turned(data.ellipses[..., 2]).mean((1, 2)), data.ellipses[..., 3:].mean((1, 2))
    if kind == 1:
        return np.hstack([data.target, angle]), 3
    return np.hstack([turned(data.target[:, 0]), colour]), 2


def band_shares(change: np.ndarray) -> list[float]:
    """Share of each band in the power of the differences of images (n, edge, edge, channels)."""
    edge = change.shape[1]
    frequency = np.fft.fftfreq(edge, 1 / edge)
    band = np.digitize(np.hypot(frequency[:, None], frequency), BAND_EDGES)
    power = (np.abs(np.fft.fft2(change, axes=(1, 2))) ** 2).sum((0, 3))
    total = np.bincount(band.ravel(), power.ravel(), minlength=len(BANDS))
    return (total / max(total.sum(), 1e-300)).tolist()


def measure_orders(estimator: Any, test: np.ndarray, shape: tuple) -> dict:
    """Change of the decoded image where the latents of one order, or all, are another image's."""
    Z = estimator.transform(test.astype(np.float64))
    other, k = np.roll(Z, 1, axis=0), estimator.n_components_
    decoded = estimator.inverse_transform(Z)
    shares, changes = [], []
    for order in (*range(estimator.degree_), None):
        own = slice(None) if order is None else slice(order * k, (order + 1) * k)
        mixed = Z.copy()
        mixed[:, own] = other[:, own]
        change = (estimator.inverse_transform(mixed) - decoded).reshape(-1, *shape) / GREY
        shares.append(band_shares(change))
        changes.append(float((change**2).mean()))
    return {"band_shares": shares, "mean_square_change": changes}


def measure_model(data: Any, kind: int, estimator: Any) -> dict:
    from flowkit.inspection import (
        active_units,
        dci,
        mutual_information_gap,
        separated_attribute_predictability,
    )

    codes = estimator.transform(data.data.astype(np.float64))
    known, n_global = factors(data, kind)
    result = measure_nats(estimator, data.data)
    for name, score in (
        ("mig", mutual_information_gap(codes, known, per_factor=True)),
        ("sap", separated_attribute_predictability(codes, known, per_factor=True)),
    ):
        result[f"{name}_global"] = float(score[:n_global].mean())
        result[f"{name}_local"] = float(score[n_global:].mean())
    scores = dci(codes, known, random_state=0)
    for name in ("disentanglement", "completeness", "informativeness"):
        result[name] = getattr(scores, name)
    result["active_units"] = active_units(codes)
    if estimator.degree_ > 1:
        result |= measure_orders(estimator, data.data, data.images.shape[1:])
    return result


def measure(study: Study) -> None:
    warm_up()
    for seed in study.seeds:
        for name in study.args.data:
            kind = int(name[-1])
            rows = make_msds(kind, most(study, study.args.rows), seed).data
            test = make_msds(kind, study.args.test_rows, TEST_STATE)
            about = {"data": name, "n_train": len(rows), "seed": seed}
            work = functools.partial(measure_model, test, kind)
            fit_all(study, about, rows, test.data, GREY_LEVELS, work)


def report_bands(results: list[dict]) -> None:
    rows = []
    for data, method in distinct([r for r in results if "band_shares" in r], "data", "method"):
        own = select(results, data=data, method=method)
        shares = np.array([r["band_shares"] for r in own])
        changes = np.array([r["mean_square_change"] for r in own])
        for i in range(shares.shape[1]):
            order = str(i + 1) if i < shares.shape[1] - 1 else "all"
            cells = [spread(list(column), 3) for column in shares[:, i].T]
            rows.append([data, method, order, *cells, spread(list(1000 * changes[:, i]), 2)])
    title = "Share of each band (cycles an image) in the change where an order is resampled, and\n"
    title += "its mean square, of grey levels in [0, 1]"
    print_table(title, ["data", "method", "order", *BANDS, "1000 mean sq."], rows)


def report(results: list[dict]) -> None:
    title = "Bits/dim of test images, and how single latents follow factors"
    report_means(title, COLUMNS, results, list(DATA), list(METHODS))
    report_verdicts(results)
    report_bands(results)


def main() -> None:
    study = Study("phvae_msds", __doc__, seeds=5, budget=120.0, smoke_budget=0.1)
    add_options(study, 1000, ["PHVAE"])
    names = {"nargs": "+", "choices": DATA, "default": list(DATA), "smoke": ["msds1"]}
    study.option("--data", selects="data", help="images", **names)
    study.option("--rows", type=int, default=3000, help="training images")
    study.run(measure, report)


if __name__ == "__main__":
    main()
