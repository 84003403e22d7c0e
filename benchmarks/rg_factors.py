"""RG-Flow: bits per dimension, where the factors of an image sit, axis alignment, and cost.

Data are MSDS1 and MSDS2, whose factors are known: in kind 1 an image has a colour and each ellipse
an offset from it and an angle; in kind 2 an image has an angle and each ellipse an offset from it
and a colour. Training, probe and test images are drawn apart from one another.

`bits`: bits per dimension of test images with one draw of uniform noise, lower is better. All flows
get the same CPU seconds, batches of 64 and a learning rate that falls to zero over what their start
leaves of them; the epoch under way is finished. "RealNVP, conv" is a FractalFlowDensity without
recursion, its couplings affine, its prior normal, and without the matrix of all pixels, so that it
has about as many parameters as RG-Flow and the same logit and marginal splines before the first
coupling. "RealNVP, conv, matrix" is that of images.py, which has the matrix and starts by whitening
(19 million parameters, of which half are used).

`factors`, levels: R^2 on test images of linear probes (ridge, a penalty for each target by
leave-one-out among the probe images) from ALL latents of a level, to all factors: means over the
three channels, over sine and cosine of twice an angle, and over all 16 ellipses. Images are encoded
without noise. Levels differ in size, so "pixels" gives the same probe of the logits of the grey
levels at the sites of each level: an untrained lattice has monotone functions of these there. An
offset of an angle is no linear function of anything drawn: the angle itself is probed too.

`factors`, axes: how well the axes of the coarsest latents (48 numbers) follow the factors of the
image, against the same latents turned by random orthogonal matrices, which leave a normal density
as it was and all linear R^2 too. "Axes" measures, each the mean over the factors of the image:

- D, C: disentanglement and completeness of Eastwood and Williams (2018), from the absolute
  coefficients of a Lasso on standardised latents, its penalty by cross-validation. The two targets
  of an angle share one Lasso and count as one factor; D says nothing about one factor.
- MIG: gap of the mutual information of the best and the second-best single latent, in bins of equal
  counts, over the entropy of the factor; for an angle, which is a circle and takes two latents, of
  the mean of the best two and the third.
- gap: the same of the share of a latent's variance that the factor explains linearly.
- n90: number of latents, picked forward, that reach 90 % of the R^2 of all 48 on test images.

The lattice itself prefers some axes: the kernels see channels and sites, and the flow starts at the
identity, and sites that hold a copy of a factor each are worse off than a turn that happens to add
them up. So latents of a normal prior need not be as well aligned as turned ones. What a sparse
prior does shows in the difference between two priors, which counts here where it exceeds, in every
one of at least two seeds, two deviations: of turned latents and of seeds together. Where R^2 of the
48 is low, there are no factors for axes to follow, and no measure says anything.

`cost`: default RGFlowDensity of 32 x 32 x 3 images, affine and spline. Rows per process CPU second
of full training steps of 64 rows (noise, forward, backward, clipping, AdamW), of `score_samples`
(float64) and of the module in float32, in interleaved rounds, medians; growth of the peak resident
memory of a fresh process over training steps (Linux alone); and CPU seconds of training to equal
hold-out bits per dimension, linear between epochs. There, both couplings have the same budget and a
schedule laid out for it, so whoever is there early is there with a rate that is still high.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    RESULTS,
    Stopwatch,
    add_threads_option,
    environment,
    format_table,
    make_parser,
    set_threads,
    write_json,
)
from ablation import clock
from images import BATCH, Gaussian, common, fit_images, flat, load_mnist, measure_flow

PARTS = ("bits", "factors", "cost")
KINDS = (1, 2)
SHAPE = (32, 32, 3)
# Seeds of fits are small, so no training image is among these.
PROBE_STATE, TEST_STATE = 10_001, 10_002
PRIORS = ("laplace", "normal", "student_t")
# Six couplings of this width are two in a hundred larger than RG-Flow.
CONV_REALNVP = {"n_levels": 0, "coupling": "affine", "n_blocks": 6, "hidden_units": 32}
MATRIX_REALNVP = {"n_levels": 0, "coupling": "affine", "n_blocks": 2, "hidden_units": 32}

PENALTIES = np.logspace(-1, 5, 13)
N_BINS = 20
SHARE = 0.9
# With less than this R^2 there is nothing to find among the latents.
LEAST_R2 = 0.02
# measure -> whether more of it is better aligned.
MEASURES = {"D": True, "C": True, "MIG": True, "gap": True, "n90": False}
DEVIATIONS = 2.0

COUPLINGS = ("affine", "spline")
CLIP = 5.0
MEMORY_STEPS = 3
CURVES = ("msds1", "msds2", "mnist")
# Finest differences in bits/dim that a table of times has room for.
N_TARGETS = 5

QUICK = {
    "rows": 320,
    "test_rows": 100,
    "probe_rows": 300,
    "rotations": 3,
    "budget": 8.0,
    "rounds": 2,
    "steps": 1,
    "score_rows": 85,
    "curve_rows": 320,
    "curve_budget": 12.0,
}
# What results in one file must share.
SETTINGS = tuple(QUICK)


# Data and factors


def draw(kind: int, n: int, state: int) -> Any:
    from flowkit.datasets import make_msds

    return make_msds(kind, n, random_state=state)


def logits(images: np.ndarray) -> np.ndarray:
    """Logit of grey levels squeezed into [0.05, 0.95], as the flows have it."""
    p = 0.05 + 0.9 * (flat(images).astype(np.float64) + 0.5) / 256
    return np.log(p / (1 - p))


def turned(degrees: np.ndarray) -> np.ndarray:
    """Sine and cosine of twice an angle: half a turn leaves an ellipse as it was."""
    angle = 2 * np.radians(degrees)
    return np.stack([np.sin(angle), np.cos(angle)], -1)


def probed_factors(data: Any, kind: int) -> dict[str, np.ndarray]:
    """Targets of the probes of all levels, (n, number of columns)."""
    whole = data.target[:, None, None]
    angle, colour = data.ellipses[..., 2], data.ellipses[..., 3:]
    if kind == 1:
        factors = {
            "image colour": data.target,
            "ellipse colour": colour,
            "its offset": colour - whole,
            "ellipse angle": turned(angle),
        }
    else:
        factors = {
            "image angle": turned(data.target[:, 0]),
            "ellipse angle": turned(angle),
            "its offset": turned(angle - whole[..., 0]),
            "ellipse colour": colour,
        }
    return {name: flat(values) for name, values in factors.items()}


def image_factors(data: Any, kind: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Factors of the whole image: the value, and the columns that stand for it linearly."""
    if kind == 1:
        return [(column, column[:, None]) for column in data.target.T]
    return [(data.target[:, 0], turned(data.target[:, 0]))]


# Fits


class LogitGaussian(Gaussian):
    """Full normal density of the logits of grey levels with uniform noise."""

    def __init__(self) -> None:
        super().__init__(full=True)

    def fit(self, images: np.ndarray, seed: int) -> LogitGaussian:
        from sklearn.covariance import ledoit_wolf

        noise = np.random.default_rng(seed).uniform(-0.5, 0.5, flat(images).shape)
        X = logits(flat(images) + noise)
        self.mean = X.mean(0)
        self.values, self.vectors = np.linalg.eigh(ledoit_wolf(X)[0])
        return self

    def bits_per_dim(self, images: np.ndarray) -> float:
        noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
        X = logits(flat(images) + noise)
        # Slope of the logit is 1 / (p (1 - p)), that of p a constant.
        log_slope = np.logaddexp(0, X) + np.logaddexp(0, -X) + math.log(0.9 / 256)
        log_density = self.log_density(X) + log_slope.sum(1)
        return float(-log_density.mean() / (X.shape[1] * math.log(2)))


def fit_gaussian(images: np.ndarray, seed: int, budget: float) -> LogitGaussian:
    return LogitGaussian().fit(images, seed)


def fit_conv_realnvp(images: np.ndarray, seed: int, budget: float) -> Any:
    from scipy.stats import norm

    from flowkit import FractalFlowDensity
    from flowkit.starts._margins import choose_margins
    from flowkit.starts._mixture_start import Start
    from flowkit.starts._topic_start import as_topics

    class WithoutMatrix(FractalFlowDensity):
        # A normal prior always brings the matrix, which would be thirty times the couplings.
        def _choose_start(self, X: Any, Z: Any, weight: Any, groupings: Any, rng: Any) -> Any:
            return as_topics(Start(margins=choose_margins(Z, norm, bends=False)))

    settings = {**common(budget, seed), **CONV_REALNVP}
    return WithoutMatrix(image_shape=images.shape[1:], prior="normal", **settings).fit(images)


def fit_rg(**settings: Any) -> Callable:
    def fit(images: np.ndarray, seed: int, budget: float, callbacks: tuple = ()) -> Any:
        from flowkit import RGFlowDensity

        given = {**common(budget, seed), **settings}
        # Each flow learns at its own default rate.
        del given["learning_rate"]
        given["callbacks"] = [*callbacks, *given["callbacks"]]
        return RGFlowDensity(image_shape=images.shape[1:], **given).fit(images)

    return fit


RG_FLOWS = {f"RG, {prior}": fit_rg(prior=prior) for prior in PRIORS}
FITS: dict[str, Callable] = {
    "Gaussian of logits": fit_gaussian,
    "RealNVP, conv": fit_conv_realnvp,
    "RealNVP, conv, matrix": fit_images(prior="normal", **MATRIX_REALNVP),
    **RG_FLOWS,
}


def measure(
    name: str, train: np.ndarray, test: np.ndarray, seed: int, budget: float
) -> tuple[dict, Any]:
    if name != "Gaussian of logits":
        return measure_flow(FITS[name], train, test, seed, budget)
    with Stopwatch() as watch:
        model = FITS[name](train, seed, budget)
    result = {"bits_per_dim": model.bits_per_dim(test), "fit_cpu_seconds": watch.cpu}
    return {**result, "n_parameters": model.n_parameters}, model


# Probes of levels


def r2(predicted: np.ndarray, wanted: np.ndarray) -> float:
    """Mean over columns."""
    residual = ((wanted - predicted) ** 2).sum(0) / ((wanted - wanted.mean(0)) ** 2).sum(0)
    return float(1 - residual.mean())


def probe(
    levels: list[np.ndarray],
    levels_test: list[np.ndarray],
    targets: dict[str, np.ndarray],
    targets_test: dict[str, np.ndarray],
) -> dict[str, list[float]]:
    """factor -> R^2 of each level, finest first."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ends = np.cumsum([values.shape[1] for values in targets.values()])[:-1]
    scores: dict[str, list[float]] = {name: [] for name in targets}
    for x, x_test in zip(levels, levels_test, strict=True):
        # One decomposition of the latents serves all targets.
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
        model.fit(x, np.hstack(list(targets.values())))
        parts = np.split(model.predict(x_test), ends, axis=1)
        for name, predicted in zip(targets, parts, strict=True):
            scores[name].append(r2(predicted, targets_test[name]))
    return scores


# Alignment of axes


def importance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weight of each latent in a sparse probe of one factor."""
    from sklearn.linear_model import LassoCV, MultiTaskLassoCV

    if y.shape[1] == 1:
        return np.abs(LassoCV(cv=5).fit(x, y[:, 0]).coef_)
    # Latents chosen for both targets at once: the zero of an angle is arbitrary.
    return np.linalg.norm(MultiTaskLassoCV(cv=5).fit(x, y).coef_, axis=0)


def purity(weights: np.ndarray) -> np.ndarray:
    """One less the entropy of each row as a share of the largest; 0 for rows of zeros."""
    total = weights.sum(1, keepdims=True)
    p = weights / np.where(total > 0, total, 1)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / math.log(weights.shape[1])
    return np.where(total[:, 0] > 0, 1 - entropy, 0)


def in_bins(values: np.ndarray) -> np.ndarray:
    """Bin of each value among `N_BINS` of equal counts; ties share one."""
    edges = np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two sets of bins over the entropy of the second."""
    joint = np.bincount(a * N_BINS + b, minlength=N_BINS**2).reshape(N_BINS, N_BINS) / len(a)
    apart = joint.sum(1, keepdims=True) * joint.sum(0)
    mutual = (joint * np.log(np.where(joint > 0, joint / np.where(apart > 0, apart, 1), 1))).sum()
    p = joint.sum(0)
    return float(mutual / -(p * np.log(np.where(p > 0, p, 1))).sum())


def gap(values: np.ndarray, n_columns: int) -> float:
    """Between the best latents, one for each linear column of the factor, and the next."""
    falling = np.sort(values)[::-1]
    return float(falling[:n_columns].mean() - falling[n_columns])


def explained(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the variance of each column of x that y explains linearly."""
    centred = y - y.mean(0)
    fitted = centred @ np.linalg.lstsq(centred, x - x.mean(0), rcond=None)[0]
    return fitted.var(0) / np.maximum(x.var(0), 1e-12)


def latents_needed(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> tuple[int | None, float]:
    """Number of latents for `SHARE` of the R^2 of all on test rows, and that R^2."""
    mean = y.mean(0)
    left, residual, order = x.copy(), y - mean, []
    for _ in range(x.shape[1]):
        gain = ((left.T @ residual) ** 2).sum(1) / np.maximum((left**2).sum(0), 1e-9)
        gain[order] = -1
        order.append(int(gain.argmax()))
        direction = left[:, order[-1]] / max(np.linalg.norm(left[:, order[-1]]), 1e-9)
        residual = residual - np.outer(direction, direction @ residual)
        left = left - np.outer(direction, direction @ left)
    gram, cross = x.T @ x, x.T @ (y - mean)

    def score(chosen: list[int]) -> float:
        weights = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], cross[chosen], rcond=None)[0]
        return r2(mean + x_test[:, chosen] @ weights, y_test)

    scores = [score(order[: i + 1]) for i in range(len(order))]
    if scores[-1] < LEAST_R2:
        return None, scores[-1]
    return 1 + int(np.argmax(np.array(scores) >= SHARE * scores[-1])), scores[-1]


def alignment(x: np.ndarray, x_test: np.ndarray, factors: list, factors_test: list) -> dict:
    """All measures of the axes of x, means over factors."""
    mean, deviation = x.mean(0), np.maximum(x.std(0), 1e-12)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    weights = np.array([importance(x, columns) for _, columns in factors])
    share = weights.sum(0) / max(weights.sum(), 1e-12)
    both = np.vstack([x, x_test])
    bins = [in_bins(column) for column in both.T]
    mig, gaps, needed, scores = [], [], [], []
    for (value, columns), (value_test, columns_test) in zip(factors, factors_test, strict=True):
        own = in_bins(np.concatenate([value, value_test]))
        size = columns.shape[1]
        mig.append(gap(np.array([information(column, own) for column in bins]), size))
        gaps.append(gap(explained(both, np.vstack([columns, columns_test])), size))
        n, score = latents_needed(x, columns, x_test, columns_test)
        needed.append(n)
        scores.append(score)
    return {
        "D": float((purity(weights.T) * share).sum()) if len(factors) > 1 else None,
        "C": float(purity(weights).mean()),
        "MIG": float(np.mean(mig)),
        "gap": float(np.mean(gaps)),
        "n90": None if None in needed else float(np.mean(needed)),
        "R2": float(np.mean(scores)),
        # Three for a normal latent, more for a sparse one.
        "kurtosis": float((both**4).mean(0).mean()),
    }


def align(top: np.ndarray, top_test: np.ndarray, images: Any, n_rotations: int) -> dict:
    """Alignment of latents as they are, and of the same latents turned."""
    from scipy.stats import ortho_group

    kind, drawn, drawn_test = images
    factors, factors_test = image_factors(drawn, kind), image_factors(drawn_test, kind)
    rotated = []
    for i in range(n_rotations):
        matrix = ortho_group.rvs(top.shape[1], random_state=i)
        rotated.append(alignment(top @ matrix, top_test @ matrix, factors, factors_test))
    own = alignment(top, top_test, factors, factors_test)
    return {"own": own, "rotated": rotated}


# Running: bits and factors


def find(results: list[dict], about: dict) -> dict | None:
    keys = ("data", "seed", "method")
    return next((r for r in results if all(r[k] == about[k] for k in keys)), None)


def keep(arguments: argparse.Namespace, payload: dict, part: str, result: dict) -> None:
    """Put a result in the place of an older one; the file is complete after every one."""
    older = find(payload[part], result)
    payload[part] = [r for r in payload[part] if r is not older] + [result]
    write_json(arguments.output, payload)


def stored(arguments: argparse.Namespace, about: dict) -> Path | None:
    if arguments.models is None:
        return None
    name = f"msds{about['data']}_{about['method'].partition(', ')[2]}_seed_{about['seed']}.joblib"
    return arguments.models / name


def run_images(arguments: argparse.Namespace, payload: dict) -> None:
    for kind in arguments.kinds:
        test, probes = (
            draw(kind, arguments.test_rows, TEST_STATE),
            draw(kind, arguments.probe_rows, PROBE_STATE),
        )
        levels = None
        for seed in arguments.seeds:
            train = None
            for method in arguments.methods:
                about = {"data": kind, "seed": seed, "method": method}
                probed = "factors" in arguments.parts and method in RG_FLOWS
                probed = probed and find(payload["factors"], about) is None
                fitted = find(payload["bits"], about) is not None
                if (fitted and not probed) or not (probed or "bits" in arguments.parts):
                    continue
                path, model = stored(arguments, about), None
                if fitted and path is not None and path.exists():
                    import joblib

                    model = joblib.load(path)
                if model is None:
                    if train is None:
                        train = draw(kind, arguments.rows, seed).images
                    model = fit_and_record(arguments, payload, about, train, test.images)
                if model is None or not probed:
                    continue
                levels = model.latent_levels_
                latents = model.latent_pyramid(probes.images), model.latent_pyramid(test.images)
                probe_and_record(arguments, payload, about, latents, (kind, probes, test))
        pixels = {"data": kind, "seed": None, "method": "pixels"}
        if levels is not None and find(payload["factors"], pixels) is None:
            sites = [np.flatnonzero(levels == level) for level in range(levels.max() + 1)]
            latents = tuple(
                [logits(drawn.images)[:, columns] for columns in sites] for drawn in (probes, test)
            )
            probe_and_record(arguments, payload, pixels, latents, (kind, probes, test))


def fit_and_record(
    arguments: argparse.Namespace, payload: dict, about: dict, train: np.ndarray, test: np.ndarray
) -> Any:
    result, model = measure(about["method"], train, test, about["seed"], arguments.budget)
    keep(arguments, payload, "bits", {**about, "budget": arguments.budget, **result})
    where = f"MSDS{about['data']} seed {about['seed']} {about['method']}"
    if "error" in result:
        print(f"{where}: {result['error']}", flush=True)
        return None
    seconds = result["fit_cpu_seconds"]
    print(f"{where}: {result['bits_per_dim']:.3f} bits/dim, {seconds:.1f} CPU s", flush=True)
    path = stored(arguments, about)
    if path is not None and about["method"] in RG_FLOWS:
        import joblib

        path.parent.mkdir(parents=True, exist_ok=True)
        # Callbacks hold clocks of this process and cannot be stored.
        joblib.dump(model.set_params(callbacks=None), path)
    return model


def probe_and_record(
    arguments: argparse.Namespace, payload: dict, about: dict, latents: tuple, images: tuple
) -> None:
    kind, probes, test = images
    with Stopwatch() as watch:
        result: dict[str, Any] = {
            "n_latents": [level.shape[1] for level in latents[0]],
            "r2": probe(*latents, probed_factors(probes, kind), probed_factors(test, kind)),
        }
        # Untrained, the coarsest sites lie between the ellipses and are black.
        if about["method"] in RG_FLOWS:
            top, top_test = latents[0][-1], latents[1][-1]
            result["axes"] = align(top, top_test, images, arguments.rotations)
    keep(arguments, payload, "factors", {**about, **result, "cpu_seconds": watch.cpu})


# Cost


def tiny_fit(images: np.ndarray, batch_size: int, **settings: Any) -> Any:
    """An estimator fitted to a batch, enough for the marginal splines that larger fits have."""
    from flowkit import RGFlowDensity

    given = {"max_epochs": 1, "early_stopping": False, "random_state": 0, "device": "cpu"}
    given |= {"image_shape": SHAPE, "batch_size": batch_size}
    return RGFlowDensity(**given, **settings).fit(images[:BATCH])


class Trainer:
    """Full training steps of the module of an estimator, on one batch with fresh noise."""

    def __init__(self, estimator: Any, images: np.ndarray):
        import torch

        self.module = copy.deepcopy(estimator.module_).float().train()
        self.parameters = list(self.module.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, weight_decay=estimator.weight_decay, fused=True
        )
        rows = (flat(images) - estimator.location_) / estimator.scale_
        self.rows = torch.from_numpy(rows).float()
        self.width = torch.from_numpy(estimator.dequantization_ / estimator.scale_).float()

    def step(self) -> None:
        import torch

        noise = self.width * (torch.rand(self.rows.shape) - 0.5)
        self.optimizer.zero_grad(set_to_none=True)
        loss = -self.module.log_prob(self.rows + noise).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        if not math.isfinite(loss.item() + norm.item()):
            raise FloatingPointError("the loss is not finite")
        self.optimizer.step()


def rows_per_second(work: Callable[[], Any], n_rows: int) -> float:
    with Stopwatch() as watch:
        work()
    return n_rows / watch.cpu


def measure_speed(arguments: argparse.Namespace) -> list[dict]:
    import torch

    images = draw(1, max(BATCH, arguments.score_rows), TEST_STATE).images
    scored = images[: arguments.score_rows]
    works: dict[tuple[str, str], tuple[Callable, int]] = {}
    n_parameters = {}
    for coupling in COUPLINGS:
        for checkpointing in (False, True):
            estimator = tiny_fit(
                images, BATCH, coupling=coupling, gradient_checkpointing=checkpointing
            )
            trainer = Trainer(estimator, images[:BATCH])
            what = "train, checkpointing" if checkpointing else "train"

            def train(trainer: Trainer = trainer) -> None:
                for _ in range(arguments.steps):
                    trainer.step()

            works[coupling, what] = train, BATCH * arguments.steps
        n_parameters[coupling] = sum(p.numel() for p in estimator.module_.parameters())
        module = copy.deepcopy(estimator.module_).float().eval()
        rows = torch.from_numpy((flat(scored) - estimator.location_) / estimator.scale_).float()

        def forward(module: Any = module, rows: Any = rows) -> None:
            with torch.inference_mode():
                # As many rows at once as the estimator takes.
                for part in rows.split(2**18 // rows.shape[1]):
                    module.log_prob(part)

        works[coupling, "score, float64"] = (
            (lambda estimator=estimator: estimator.score_samples(scored)),
            len(scored),
        )
        works[coupling, "forward, float32"] = forward, len(scored)
    speeds: dict[tuple, list[float]] = {key: [] for key in works}
    keys = list(works)
    for work, _ in works.values():
        work()
    for i in range(arguments.rounds):
        # Whoever comes first finds the caches as the one before left them: take turns.
        turn = i % len(keys)
        for key in keys[turn:] + keys[:turn]:
            speeds[key].append(rows_per_second(*works[key]))
    return [
        {
            "coupling": coupling,
            "what": what,
            "n_parameters": n_parameters[coupling],
            "rows_per_cpu_second": statistics.median(values),
            "rounds": values,
        }
        for (coupling, what), values in speeds.items()
    ]


def peak_memory(coupling: str, checkpointing: bool, threads: int) -> float:
    """MiB by which training steps of a full batch raise the peak of this process."""
    set_threads(threads)
    images = draw(1, BATCH, TEST_STATE).images
    # Small batches leave little behind that the steps could use again.
    estimator = tiny_fit(images, 4, coupling=coupling, gradient_checkpointing=checkpointing)
    trainer = Trainer(estimator, images)
    # Makes the present size the peak so far; getrusage would report the parent's.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_resident()
    for _ in range(MEMORY_STEPS):
        trainer.step()
    return peak_resident() - before


def peak_resident() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def measure_memory(arguments: argparse.Namespace) -> list[dict]:
    """A fresh process for each, as a peak never falls."""
    results = []
    spawn = multiprocessing.get_context("spawn")
    for coupling, checkpointing in product(COUPLINGS, (False, True)):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            task = pool.submit(peak_memory, coupling, checkpointing, arguments.threads)
            about = {"coupling": coupling, "gradient_checkpointing": checkpointing}
            results.append({**about, "mebibytes": task.result()})
    return results


def curve_images(arguments: argparse.Namespace) -> np.ndarray:
    if arguments.curve_data == "mnist":
        return load_mnist(arguments.curve_rows, 0)[0]
    return draw(int(arguments.curve_data[-1]), arguments.curve_rows, 0).images


def measure_curve(arguments: argparse.Namespace, coupling: str, images: np.ndarray) -> dict:
    seconds: list[float] = []
    fit = fit_rg(coupling=coupling)
    estimator = fit(images, 0, arguments.curve_budget, (clock(seconds),))
    bits = -estimator.history_["valid_log_density"] / (images[0].size * math.log(2))
    return {
        "data": arguments.curve_data,
        "coupling": coupling,
        "cpu_seconds": seconds,
        "holdout_bits": bits.tolist(),
    }


def run_cost(arguments: argparse.Namespace, payload: dict) -> None:
    cost = payload["cost"]
    for name, work in (("speed", measure_speed), ("memory", measure_memory)):
        if name not in cost:
            cost[name] = work(arguments)
            write_json(arguments.output, payload)
    curves = cost.setdefault("curves", [])
    images = None
    for coupling in COUPLINGS:
        about = {"data": arguments.curve_data, "coupling": coupling}
        if any(about.items() <= curve.items() for curve in curves):
            continue
        images = curve_images(arguments) if images is None else images
        curves.append(measure_curve(arguments, coupling, images))
        write_json(arguments.output, payload)
        print(f"curve {coupling}: {min(curves[-1]['holdout_bits']):.3f} bits/dim", flush=True)


def seconds_to(curve: dict, target: float) -> float | None:
    """CPU seconds to the first time that the hold-out is at the target."""
    bits, seconds = np.array(curve["holdout_bits"]), curve["cpu_seconds"]
    there = np.flatnonzero(bits <= target)
    if not len(there):
        return None
    i = int(there[0])
    if i == 0:
        return seconds[0]
    share = (bits[i - 1] - target) / (bits[i - 1] - bits[i])
    return seconds[i - 1] + share * (seconds[i] - seconds[i - 1])


# Tables


def spread(values: list[float | None], digits: int) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    text = f"{np.mean(there):.{digits}f}"
    return text if len(there) < 2 else f"{text} +- {np.std(there, ddof=1):.{digits}f}"


def report_bits(results: list[dict]) -> None:
    rows = []
    for kind, method in product(KINDS, FITS):
        own = [r for r in results if (r["data"], r["method"]) == (kind, method)]
        own = [r for r in own if "error" not in r]
        if own:
            rows.append(
                [
                    f"MSDS{kind}",
                    method,
                    ",".join(str(r["seed"]) for r in own),
                    spread([r["bits_per_dim"] for r in own], 3),
                    str(own[0]["n_parameters"]),
                    spread([r["fit_cpu_seconds"] for r in own], 0),
                    spread([r.get("n_epochs") for r in own], 1),
                ]
            )
    if rows:
        header = ["data", "method", "seeds", "bits/dim", "parameters", "CPU s", "epochs"]
        print("\nBits per dimension of test images, means and deviations over seeds")
        print(format_table(header, rows))
    for r in results:
        if "error" in r:
            print(f"Failed: MSDS{r['data']} seed {r['seed']} {r['method']}: {r['error']}")


def report_levels(results: list[dict]) -> None:
    for kind in KINDS:
        rows, names = [], None
        for method in ("pixels", *RG_FLOWS):
            own = [r for r in results if (r["data"], r["method"]) == (kind, method)]
            if not own:
                continue
            names = list(own[0]["r2"])
            for level, size in enumerate(own[0]["n_latents"]):
                cells = [spread([r["r2"][name][level] for r in own], 2) for name in names]
                rows.append([method, str(level), str(size), *cells])
        if names:
            print(f"\nMSDS{kind}: R^2 on test images of linear probes from all latents of a level")
            print(format_table(["method", "level", "latents", *names], rows))


def report_axes(results: list[dict]) -> None:
    header = ["data", "method", "latents", "seeds", *MEASURES, "R^2 of 48", "kurtosis"]
    digits = {"n90": 1, "kurtosis": 2}
    rows = []
    for kind, method in product(KINDS, RG_FLOWS):
        own = [r for r in results if (r["data"], r["method"]) == (kind, method)]
        if not own:
            continue
        drawn = {
            "as they are": [r["axes"]["own"] for r in own],
            "turned": [rotated for r in own for rotated in r["axes"]["rotated"]],
        }
        for name, values in drawn.items():
            keys = (*MEASURES, "R2", "kurtosis")
            cells = [spread([value[k] for value in values], digits.get(k, 3)) for k in keys]
            rows.append([f"MSDS{kind}", method, name, str(len(own)), *cells])
    if not rows:
        return
    print("\nAxes of the coarsest latents; deviations over seeds, and over seeds and rotations")
    print(format_table(header, rows))
    for kind in KINDS:
        for other in ("normal", "student_t"):
            report_verdict(results, kind, f"RG, {other}")
        for prior in PRIORS:
            report_turned(results, kind, f"RG, {prior}")


def deviation(series: list[list[dict]], measure: str) -> float | None:
    """Of turned latents within seeds, and of seeds within each method, together."""
    turns = [[turn[measure] for turn in axes["rotated"]] for own in series for axes in own]
    seeds = [[axes["own"][measure] for axes in own] for own in series]
    if any(len(values) < 2 or None in values for values in (*turns, *seeds)):
        return None
    within, between = (np.mean([np.var(v, ddof=1) for v in part]) for part in (turns, seeds))
    return float(np.sqrt(within + between))


def compare(differences: list[float], scale: float) -> str:
    if all(d > DEVIATIONS * scale for d in differences):
        return "yes"
    return "no, less" if all(d < -DEVIATIONS * scale for d in differences) else "within noise"


def report_verdict(results: list[dict], kind: int, other: str) -> None:
    """Whether Laplace latents are better aligned than those of another prior."""
    pairs = []
    for r in results:
        if (r["data"], r["method"]) == (kind, "RG, laplace"):
            partner = find(results, {**r, "method": other})
            pairs += [(r["axes"], partner["axes"])] if partner else []
    verdicts = []
    for name, upwards in MEASURES.items():
        values = [(a["own"][name], b["own"][name]) for a, b in pairs]
        scale = deviation([list(own) for own in zip(*pairs, strict=True)], name)
        if pairs and scale is not None:
            gains = [(a - b) * (1 if upwards else -1) for a, b in values]
            verdicts.append(f"{name} {compare(gains, scale)} ({np.mean(gains):+.3f})")
    if len(pairs) == 1:
        print(f"MSDS{kind}: Laplace better aligned than {other}? One seed cannot tell")
    elif verdicts:
        text = ", ".join(verdicts)
        print(f"MSDS{kind}: Laplace better aligned than {other}, {len(pairs)} seeds? {text}")


def report_turned(results: list[dict], kind: int, method: str) -> None:
    """In how many seeds the axes are better aligned than all turned ones."""
    own = [r["axes"] for r in results if (r["data"], r["method"]) == (kind, method)]
    counts = []
    for name, upwards in MEASURES.items():
        sign = 1 if upwards else -1
        known = [a for a in own if None not in [a["own"][name], *(t[name] for t in a["rotated"])]]
        best = sum(sign * a["own"][name] > max(sign * t[name] for t in a["rotated"]) for a in known)
        if known:
            counts.append(f"{name} {best} of {len(known)}")
    if counts:
        text = ", ".join(counts)
        print(f"MSDS{kind} {method}: seeds with axes better aligned than all turned ones: {text}")


def report_cost(cost: dict, budget: float) -> None:
    if "speed" in cost:
        rows = [
            [r["coupling"], r["what"], f"{r['rows_per_cpu_second']:.1f}", str(r["n_parameters"])]
            for r in cost["speed"]
        ]
        print(f"\nRows of 32 x 32 x 3 per CPU second; training in batches of {BATCH}")
        print(format_table(["coupling", "what", "rows/s", "parameters"], rows))
    if "memory" in cost:
        rows = [
            [
                r["coupling"],
                "on" if r["gradient_checkpointing"] else "off",
                f"{r['mebibytes']:.0f}",
            ]
            for r in cost["memory"]
        ]
        print(f"\nGrowth of the peak memory over training steps of {BATCH} rows, MiB")
        print(format_table(["coupling", "checkpointing", "MiB"], rows))
    for data in CURVES:
        curves = {c["coupling"]: c for c in cost.get("curves", []) if c["data"] == data}
        if len(curves) < len(COUPLINGS):
            continue
        best = {name: min(curve["holdout_bits"]) for name, curve in curves.items()}
        start = max(curve["holdout_bits"][0] for curve in curves.values())
        # Steps towards the best that both reach grow finer, as progress does.
        worst = max(best.values())
        targets = [worst + (start - worst) * 0.25**i for i in range(1, N_TARGETS)] + [worst]
        rows = []
        for target in targets:
            times = [seconds_to(curves[name], target) for name in COUPLINGS]
            rows.append(
                [f"{target:.3f}", *(f"{t:.0f}" for t in times), f"{times[1] / times[0]:.2f}"]
            )
        reached = ", ".join(f"{name} {bits:.3f}" for name, bits in best.items())
        epochs = ", ".join(f"{name} {len(c['holdout_bits']) - 1}" for name, c in curves.items())
        print(
            f"\nCPU seconds of {data} to equal hold-out bits/dim, start included; budget {budget}"
        )
        print(f"Best: {reached}; epochs: {epochs}")
        print(format_table(["bits/dim", *COUPLINGS, "spline / affine"], rows))


def report(arguments: argparse.Namespace, payload: dict) -> None:
    report_bits(payload["bits"])
    report_levels(payload["factors"])
    report_axes([r for r in payload["factors"] if "axes" in r])
    report_cost(payload["cost"], arguments.curve_budget)


# Options


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("rg_factors", "RG-Flow: bits/dim, factors and axes of latents, cost.")
    add_threads_option(parser)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="what to run; factors needs the RG fits of bits and runs them too",
    )
    parser.add_argument("--kinds", type=int, nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--methods", nargs="+", choices=FITS, default=list(FITS), help="of bits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the fits")
    parser.add_argument("--rows", type=int, default=10_000, help="training images, hold-out too")
    parser.add_argument("--test-rows", type=int, default=1000, help="test images")
    parser.add_argument("--probe-rows", type=int, default=4000, help="images to fit probes to")
    parser.add_argument("--rotations", type=int, default=10, help="random rotations of latents")
    parser.add_argument("--budget", type=float, default=600.0, help="CPU seconds for one fit")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds of timings")
    parser.add_argument("--steps", type=int, default=4, help="training steps of a timing")
    parser.add_argument("--score-rows", type=int, default=340, help="rows of a timing of scores")
    parser.add_argument("--curve-data", choices=CURVES, default="msds1", help="images of curves")
    parser.add_argument("--curve-rows", type=int, default=4000, help="images of curves")
    parser.add_argument("--curve-budget", type=float, default=600.0, help="CPU seconds of a curve")
    parser.add_argument("--models", type=Path, help="folder to keep RG fits in, and to probe from")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--resume", action="store_true", help="keep the results in --output")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
        arguments.seeds = arguments.seeds[:2]
        if arguments.output == RESULTS / "rg_factors.json":
            # Results that mean nothing must not replace those that do.
            arguments.output = Path(tempfile.gettempdir()) / "rg_factors_quick.json"
    return arguments


def load_kept(arguments: argparse.Namespace, payload: dict) -> None:
    if not (arguments.resume and arguments.output.exists()):
        return
    earlier = json.loads(arguments.output.read_text())
    if earlier["settings"] != payload["settings"]:
        raise SystemExit(
            f"{arguments.output} was made with {earlier['settings']}, now it is "
            f"{payload['settings']}: choose another --output or leave out --resume."
        )
    # What failed is tried again.
    payload["bits"] = [r for r in earlier["bits"] if "error" not in r]
    payload["factors"], payload["cost"] = earlier["factors"], earlier["cost"]


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    payload: dict[str, Any] = {
        "environment": environment(arguments.threads),
        "settings": {name: getattr(arguments, name) for name in SETTINGS},
        "bits": [],
        "factors": [],
        "cost": {},
    }
    load_kept(arguments, payload)
    if {"bits", "factors"} & set(arguments.parts):
        run_images(arguments, payload)
    if "cost" in arguments.parts:
        run_cost(arguments, payload)
    report(arguments, payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
