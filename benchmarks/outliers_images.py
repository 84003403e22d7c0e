"""Outliers among images, by the statistics of flowkit's detector: pictures that are too likely.

MNIST. Digits 0 to 8 train, and these kinds are to be told from unseen digits 0 to 8: "nine", the
digit; "strokes", two to four random curves drawn with the pen of a digit, like letters of no
alphabet; and other unseen digits 0 to 8 that are "blurred", "faint" (a fourth of the contrast),
"small" (shrunk to half their size), or "halves" (the upper ones). Small ones and halves are simpler
than digits, hence likelier to densities of images although training has none: an AUROC of the log
density far below a half is that paradox. Each density is fitted once for all statistics, which take
what training scores they need from the training rows. "ratio to the start" is the log density less
that of the closed form which training begins at; "levels of the tree" what `levels` would be for
FractalFlowDensity.
"""

from __future__ import annotations

import numpy as np
from lib.data import GREY, load_labelled
from lib.image_detectors import METHODS, OURS, ImageDetectors
from lib.report import in_order, mean, print_table, select
from lib.runner import Study

KINDS = ("nine", "strokes", "blurred", "faint", "small", "halves")
BLUR, FAINT = 1.5, 0.25
PEN = 1.2


def strokes(n: int, edge: int, rng: np.random.Generator) -> np.ndarray:
    """Images of two to four quadratic curves, as thick and as far from the border as digits."""
    t = np.linspace(0, 1, 40)[:, None]
    weights = np.hstack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    pixels = np.stack(np.mgrid[:edge, :edge], -1).reshape(-1, 1, 2)
    images = np.empty((n, edge, edge))
    for image in images:
        corners = rng.uniform(edge // 7, edge - 1 - edge // 7, (rng.integers(2, 5), 3, 2))
        points = (weights @ corners).reshape(-1, 2)
        distance = np.sqrt(((pixels - points) ** 2).sum(-1).min(1))
        image[:] = np.clip(PEN + 0.5 - distance, 0, 1).reshape(edge, edge)
    return np.rint(GREY * images)


def load_pictures(
    name: str, seed: int, max_train: int, max_test: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Training digits, unseen digits, and images of each kind that is strange."""
    from scipy.ndimage import gaussian_filter

    arrays, rng = load_labelled(name), np.random.default_rng(seed)
    train = rng.permutation(arrays["x_train"][arrays["y_train"] < 9])[:max_train]
    unseen = rng.permutation(arrays["x_test"][arrays["y_test"] < 9].astype(np.float64))
    digits, others = unseen[:max_test], unseen[max_test : 2 * max_test]
    small, halves = np.zeros_like(others), others.copy()
    edge = train.shape[1]
    pairs = others.reshape(-1, edge // 2, 2, edge // 2, 2)
    small[:, edge // 4 : -(edge // 4), edge // 4 : -(edge // 4)] = np.rint(pairs.mean((2, 4)))
    halves[:, edge // 2 :] = 0
    kinds = {
        "nine": rng.permutation(arrays["x_test"][arrays["y_test"] == 9])[:max_test],
        "strokes": strokes(max_test, edge, rng),
        "blurred": np.rint(gaussian_filter(others, (0, BLUR, BLUR))),
        "faint": np.rint(FAINT * others),
        "small": small,
        "halves": halves,
    }
    return train, digits, kinds


def measure(study: Study) -> None:
    args = study.args
    limits = {"max_train": args.max_train, "max_test": args.max_test}
    for seed in study.seeds:
        about = {"data": args.data, "seed": seed}
        if not study.lacks({**about, "method": m} for m in args.methods):
            continue
        train, digits, kinds = load_pictures(args.data, seed, **limits)
        detectors = ImageDetectors(train, seed, study.budget)
        for method in args.methods:
            settings = limits | ({"budget": args.budget} if method in OURS else {})
            cell = {**about, "method": method}
            study.cell(cell, settings, detectors.measure, method, digits, kinds)


def report(results: list[dict]) -> None:
    rows = []
    for method in in_order(METHODS, results):
        own = select(results, method=method)
        cells = [mean(own, f"auroc_{kind}", 3) for kind in KINDS]
        seconds = [r.get("density_cpu_seconds", 0) + r["fit_cpu_seconds"] for r in own]
        rows.append([method, str(len(own)), *cells, f"{np.mean(seconds):.1f}"])
    title = "AUROC of each kind against unseen digits; CPU seconds of the fit"
    print_table(title, ["method", "seeds", *KINDS, "fit s"], rows)


def main() -> None:
    study = Study("outliers_images", __doc__, seeds=5, budget=200.0, smoke_budget=0.1)
    data = {"choices": ["mnist", "digits"], "default": "mnist", "smoke": "digits"}
    study.option("--data", selects="data", help="images; digits ship", **data)
    names = {"nargs": "+", "choices": METHODS, "default": METHODS, "metavar": "METHOD"}
    # novel_images.py tries all of them.
    names["smoke"] = [name for name in METHODS if not name.startswith("PHVAE")]
    study.option("--methods", selects="method", help="statistics of densities, peers", **names)
    study.option("--max-train", type=int, default=5000, smoke=80, help="most training images")
    study.option("--max-test", type=int, default=1000, smoke=8, help="most test images of a kind")
    study.run(measure, report)


if __name__ == "__main__":
    main()
