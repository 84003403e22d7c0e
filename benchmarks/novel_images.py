"""Novel pictures: which statistic of a density of images finds a class that training has not seen.

MNIST: digits 0 to 8 train, and unseen ones are to be told from nines. CIFAR-10: each class trains
alone, and its unseen images are to be told from those of the nine other classes; the mean of ten
classes is shown with their standard deviation, and each by itself. Densities are those of flowkit
for images, each fitted once for all statistics of `DensityOutlierDetector`; "ratio to the start" is
the log density less that of the closed form that training begins at: what pictures of all kinds
have in common, such as being smooth, is in both; "levels of the tree" is what `levels` would be for
FractalFlowDensity, which has no `score_levels`. Peers are the distance to the fifth nearest
training image in grey levels and in 50 principal components of variance one, and IsolationForest.
"""

from __future__ import annotations

import numpy as np
from lib.data import draw, load_arrays, load_labelled
from lib.image_detectors import METHODS, OURS, ImageDetectors
from lib.report import in_order, mean, print_table, select, spread
from lib.runner import Study

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
NOVEL_DIGIT = 9
KIND = "novel"
SHORT = {"airplane": "plane", "automobile": "car"}

Pictures = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def load_pictures(
    data: str, usual: str | None, seed: int, max_train: int, max_test: int
) -> Pictures:
    """Training images, unseen images of their classes, and those of other classes."""
    if data == "cifar":
        arrays = load_arrays("cifar10_train_first10k")
        train, labels = (arrays[key][arrays["exact_train"]] for key in ("x_train", "y_train"))
        test = load_arrays("cifar10_test_2k")
        images, known = test["x_test"], np.array([CLASSES.index(usual)])
        shown = test["y_test"]
    else:
        arrays = load_labelled(data)
        train, labels, known = arrays["x_train"], arrays["y_train"], np.arange(NOVEL_DIGIT)
        images, shown = arrays["x_test"], arrays["y_test"]
    rng, is_usual = np.random.default_rng(seed), np.isin(shown.ravel(), known)
    own = draw(train[np.isin(labels.ravel(), known)], max_train, rng)
    unseen, novel = (draw(images[which], max_test, rng) for which in (is_usual, ~is_usual))
    return own, unseen, {KIND: novel}


def measure(study: Study) -> None:
    args = study.args
    limits = {"max_train": args.max_train, "max_test": args.max_test}
    for seed in study.seeds:
        for data in args.data:
            for usual in args.classes if data == "cifar" else [None]:
                about = {"data": data, "usual": usual, "seed": seed}
                if not study.lacks({**about, "method": m} for m in args.methods):
                    continue
                train, unseen, novel = load_pictures(data, usual, seed, **limits)
                detectors = ImageDetectors(train, seed, study.budget)
                for method in args.methods:
                    settings = limits | ({"budget": args.budget} if method in OURS else {})
                    cell = {**about, "method": method}
                    study.cell(cell, settings, detectors.measure, method, unseen, novel)


def report(results: list[dict]) -> None:
    digits = [r for r in results if r["data"] != "cifar"]
    classes = [r for r in results if r["data"] == "cifar"]
    key, names = f"auroc_{KIND}", in_order(CLASSES, classes, "usual")
    rows = []
    for method in in_order(METHODS, results):
        of_digits, of_classes = (select(part, method=method) for part in (digits, classes))
        by_class = [select(of_classes, usual=name) for name in names]
        means = [np.mean([r[key] for r in own]) for own in by_class if own]
        own = of_digits + of_classes
        seconds = [r.get("density_cpu_seconds", 0) + r["fit_cpu_seconds"] for r in own]
        cells = [mean(of_digits, key, 3), spread(means, 3), *(mean(c, key, 2) for c in by_class)]
        clocks = [f"{np.mean(seconds):.1f}", mean(own, "score_cpu_seconds", 1)]
        rows.append([method, str(len({r["seed"] for r in own})), *cells, *clocks])
    header = ["method", "seeds", "digits 0-8", "CIFAR-10, mean", *(SHORT.get(n, n) for n in names)]
    title = "AUROC of images of other classes; CPU seconds of one fit, and of scoring"
    print_table(title, [*header, "fit s", "score s"], rows)


def main() -> None:
    study = Study("novel_images", __doc__, seeds=1, budget=60.0, smoke_budget=0.1)
    sets = {"nargs": "+", "choices": ["mnist", "cifar", "digits"], "default": ["mnist", "cifar"]}
    study.option("--data", selects="data", smoke=["digits"], help="digits ship", **sets)
    names = {"nargs": "+", "choices": CLASSES, "default": list(CLASSES), "metavar": "CLASS"}
    study.option("--classes", selects="usual", help="of CIFAR-10, which train alone", **names)
    names = {"nargs": "+", "choices": METHODS, "default": METHODS, "metavar": "METHOD"}
    study.option("--methods", selects="method", help="statistics of densities, peers", **names)
    study.option("--max-train", type=int, default=5000, smoke=80, help="most training images")
    study.option("--max-test", type=int, default=1000, smoke=8, help="most test images of a kind")
    study.run(measure, report)


if __name__ == "__main__":
    main()
