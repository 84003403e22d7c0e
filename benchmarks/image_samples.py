"""Draws of densities of images beside unseen images: distances, and how grainy they are.

Sets of draws are compared with as many unseen images: maximum mean discrepancy and sliced
Wasserstein distance of principal components and of random convolutions, both fitted to the training
images. Sets of training images, drawn without replacement, are the floor: no draw of a density need
be closer. "high power" is that of the highest third of spatial frequencies, divided by that of the
unseen images: above one draws are grainier, below one smoother. Numbers are means over sets.

The PCA Gaussian has no noise beside its components, and the rank whose draws are closest to
training images that it has not seen. Flows and PHVAE get the same CPU seconds; where a temperature
is not 1, the draws are not those of the density that is scored. "means" of PHVAE are draws without
the noise of its likelihood.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lib.budgets import DivergenceWarmUp
from lib.clocks import Stopwatch
from lib.data import GREY, draw, flat, load_images
from lib.image_distances import (
    convolution_features,
    pca_features,
    sliced_wasserstein,
    spread_of_distances,
)
from lib.image_flows import CONV_REALNVP, common, fit_fractal, fit_lifting, fit_rg
from lib.pictures import draw_rows
from lib.report import distinct, in_order, mean, print_table, select
from lib.runner import Study

DATA = ("digits", "mnist", "yale")
REAL, PCA_GAUSSIAN, VAE = "real images", "PCA Gaussian", "PHVAE"
RANKS = (2, 5, 10, 20, 50, 100, 200, 400)
N_SETS, N_SHOWN, HELD_OUT = 5, 12, 0.1
# More epochs without a gain than any budget has room for.
ENDLESS = 10**6
MEASURES = {
    "PCA 1000 MMD2": ("pca_mmd", 1000, 2),
    "PCA SWD": ("pca_wasserstein", 1, 3),
    "conv 1000 MMD2": ("convolutions_mmd", 1000, 2),
    "conv SWD": ("convolutions_wasserstein", 1, 3),
    "high power": ("high_power", 1, 2),
    "high share": ("high_share", 1, 2),
}
Draw = Callable[[int, int], np.ndarray]


def fit_phvae(images: np.ndarray, seed: int, budget: float) -> Any:
    from flowkit import PHVAE

    given = {**common(budget, seed, default_rate=True), "n_iter_no_change": ENDLESS}
    estimator = PHVAE(image_shape=images.shape[1:], **given)
    warm_up = DivergenceWarmUp(budget, estimator.kl_warmup)
    return estimator.set_params(callbacks=[*given["callbacks"], warm_up]).fit(images)


FITS: dict[str, Callable] = {
    "RealNVP, conv": fit_fractal(prior="normal", **CONV_REALNVP),
    "RGFlowDensity": fit_rg(),
    "FractalFlowDensity": fit_lifting(),
    VAE: fit_phvae,
}
METHODS = (REAL, PCA_GAUSSIAN, *FITS)


class PCAGaussian:
    """Normal density of the first principal components of grey levels.

    Parameters
    ----------
    rank : int
        Number of components.
    """

    def __init__(self, rank: int):
        self.rank = rank

    def fit(self, images: np.ndarray) -> PCAGaussian:
        from sklearn.decomposition import PCA

        self.pca = PCA(self.rank, random_state=0).fit(flat(images).astype(np.float64))
        self.shape = images.shape[1:]
        return self

    def sample(self, n: int, seed: int) -> np.ndarray:
        latent = np.random.default_rng(seed).normal(size=(n, self.rank))
        rows = self.pca.inverse_transform(latent * np.sqrt(self.pca.explained_variance_))
        return rows.clip(0, GREY).round().reshape(n, *self.shape)


def fit_pca_gaussian(images: np.ndarray, seed: int) -> PCAGaussian:
    """The rank that is best on images held out, fitted to all."""
    shuffled = draw(images, len(images), np.random.default_rng(seed))
    n = max(2, round(HELD_OUT * len(images)))
    held_out, rest = shuffled[:n], shuffled[n:]
    features = convolution_features(rest)
    most = min(len(rest), flat(rest).shape[1])

    def distance(rank: int) -> float:
        sets = [PCAGaussian(rank).fit(rest).sample(n, s) for s in range(N_SETS)]
        return float(np.mean([sliced_wasserstein(features(s), features(held_out)) for s in sets]))

    return PCAGaussian(min((r for r in RANKS if r <= most), key=distance)).fit(images)


def draws_of(
    method: str, train: np.ndarray, seed: int, budget: float, temperatures: list[float]
) -> tuple[dict[str, Draw], dict]:
    """What gives n images for a seed, by name, and what the fit was."""
    if method == REAL:
        return {"-": lambda n, s: draw(train, n, np.random.default_rng(s))}, {}
    with Stopwatch() as watch:
        if method == PCA_GAUSSIAN:
            model = fit_pca_gaussian(train, seed)
        else:
            model = FITS[method](train, seed, budget)
    told = watch.seconds("fit")
    if method == PCA_GAUSSIAN:
        return {"-": model.sample}, {**told, "rank": model.rank}

    def sample(n: int, random_state: int, **options: Any) -> np.ndarray:
        return model.sample(n, random_state, **options).reshape(n, *train.shape[1:])

    draws: dict[str, Draw] = {
        f"temperature {t:g}": functools.partial(sample, temperature=t) for t in temperatures
    }
    if method == VAE:
        draws["means"] = functools.partial(sample, noise=False)
    return draws, {**told, "n_epochs": int(model.n_iter_)}


def measure_method(study: Study, about: dict, train: np.ndarray, unseen: np.ndarray) -> dict:
    args = study.args
    draws, told = draws_of(about["method"], train, about["seed"], study.budget, args.temperatures)
    features = {"pca": pca_features(train), "convolutions": convolution_features(train)}
    # Sets of real images must not be larger than what there is to draw from.
    unseen = unseen[: min(args.draws, len(train))]
    sets = []
    for name, sample in draws.items():
        own = functools.partial(sample, len(unseen))
        sets.append({"draws": name, **spread_of_distances(own, unseen, features, N_SETS)})
    if args.pictures is not None:
        shown = np.stack([sample(N_SHOWN, 0) for sample in draws.values()]).clip(0, GREY)
        rows = np.concatenate([unseen[None, :N_SHOWN], shown])
        title = f"{about['data']}, {about['method']}"
        file = f"{title}, seed {about['seed']}.png".replace(", ", "_").replace(" ", "_")
        draw_rows(rows, ["unseen", *draws], title, args.pictures / file)
    return {"n_train": len(train), "n_draws": len(unseen), **told, "sets": sets}


def measure(study: Study) -> None:
    args = study.args
    for seed in study.seeds:
        for name in args.data:
            abouts = [{"data": name, "method": m, "seed": seed} for m in args.methods]
            if not study.lacks(abouts):
                continue
            train, unseen = load_images(name, args.rows, seed)
            for about in abouts:
                settings = {"rows": args.rows, "draws": args.draws}
                if about["method"] in FITS:
                    settings |= {"budget": args.budget, "temperatures": args.temperatures}
                study.cell(about, settings, measure_method, study, about, train, unseen)


def report(results: list[dict]) -> None:
    header = ["data", "train", "unseen", "method", "draws", "seeds", *MEASURES, "rank", "CPU s"]
    rows = []
    for data in in_order(DATA, results, "data"):
        for method in in_order(METHODS, select(results, data=data)):
            own = select(results, data=data, method=method)
            sets = [s for r in own for s in r["sets"]]
            for (name,) in distinct(sets, "draws"):
                cells = [_cell(select(sets, draws=name), *m) for m in MEASURES.values()]
                size = [str(own[0]["n_train"]), str(own[0]["n_draws"])]
                fit = [mean(own, "rank", 0), mean(own, "fit_cpu_seconds", 1)]
                rows.append([data, *size, method, name, str(len(own)), *cells, *fit])
    title = "Distance of draws to unseen images, standard deviations over sets behind the signs"
    print_table(title, header, rows)


def _cell(sets: list[dict], key: str, factor: float, digits: int) -> str:
    centre, spread = (factor * np.mean([s[k] for s in sets]) for k in (key, f"{key}_std"))
    return f"{centre:.{digits}f} +- {spread:.{digits}f}"


def main() -> None:
    study = Study("image_samples", __doc__, seeds=1, budget=150.0)
    names = {"nargs": "+", "choices": DATA, "default": list(DATA), "smoke": ["digits"]}
    study.option("--data", selects="data", help="images; digits are those that ship", **names)
    names = {"nargs": "+", "choices": METHODS, "default": list(METHODS)}
    study.option("--methods", selects="method", help="what draws", **names)
    study.option("--rows", type=int, default=3000, smoke=100, help="most training images")
    study.option("--draws", type=int, default=500, smoke=40, help="most images of a set")
    temperatures = {"type": float, "nargs": "+", "default": [1.0, 0.8], "smoke": [0.8]}
    study.option("--temperatures", help="of the latents of flows and PHVAE", **temperatures)
    study.option("--pictures", type=Path, help="folder for pictures of draws")
    study.run(measure, report)


if __name__ == "__main__":
    main()
