"""Images: bits per dimension on seismic patches, MNIST and CIFAR-10, and denoising by MAP.

Bits per dimension are those of held-out 8-bit images with one draw of uniform noise of width one:
lower is better, 8 is no model at all. Every trained method gets the same CPU seconds, its start
included, and a learning rate that falls to zero over what its start leaves of them; an epoch that
is under way is finished, and what an estimator does after training comes on top.

Seismic patches overlap and come from five sections of four surveys. A fold tests on one section
and trains on the surveys that it is not of, so no geology is shared. The hold-out that stops the
training is still drawn at random from the training patches. The RealNVPs start by whitening all
pixels, FractalFlowDensity does so if its own search for a start finds it better. "RealNVP, MLP" is
a FlowDensity of affine couplings of random halves of the grey levels; "RealNVP, conv" a
FractalFlowDensity without recursion, its couplings affine and its prior normal, which keeps the
logit of grey levels and a spline of every pixel after the couplings.

Denoising: y = x + s * noise, and the estimate minimises |y - x|^2 / (2 s^2) - log p(x) over x
within [0, 255]: Adam with a step that falls along a cosine, in the
coordinates in which the posterior of the full Gaussian is white, as plain pixels take far more
steps; once from y and once from the Wiener estimate. SNR is 10 log10(sum x0^2 / sum error^2) over
all patches, x0 being the clean patches less the mean of each.

Published figures are those of full training sets and hours to days of GPUs: they tell how far a
small flow on a CPU is from the state of the art, and are no contest.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    data_folder,
    environment,
    format_table,
    make_parser,
    set_threads,
    write_json,
)

PARTS = ("seismic", "mnist", "cifar", "denoise")
GREY = 255
BATCH = 64
LEARNING_RATE = 1e-3
WARMUP = 0.05
N_TEST = 500
N_TEST_MNIST = 1000
# Chosen so that all three have about as many parameters.
FRACTAL = {"n_blocks": 1, "hidden_units": 24}
CONV_REALNVP = {"n_levels": 0, "coupling": "affine", "n_blocks": 2, "hidden_units": 32}
MLP_REALNVP = {"n_couplings": 4, "hidden_units": 44}
# A whitening matrix of 3072 values would be 19 million parameters.
CIFAR_FRACTAL = {**FRACTAL, "n_word_groups": 64}

NOISE_LEVELS = (10.0, 20.0, 40.0)
PICTURE_LEVEL = 20.0
N_PICTURES = 6
# Number of steps of Adam, and the first of them in posterior deviations of the Gaussian.
DESCENTS = {"noisy": (100, 0.6), "Wiener": (60, 0.1)}

# name of the data -> model: bits/dim, as their papers give them for full training sets.
PUBLISHED = {
    "mnist": {"RealNVP": 1.06, "Glow": 1.05, "MAF": 1.89, "FFJORD": 0.99, "Residual Flow": 0.97},
    "cifar": {"RealNVP": 3.49, "Glow": 3.35, "MAF": 4.31, "RQ-NSF (C)": 3.38, "Flow++": 3.08},
}


# Data: (training images, test images), uint8


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(data_folder() / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def draw(images: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return images[rng.permutation(len(images))[:n]]


def load_seismic(fold: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = load("seismic_field_patches_32x32")
    patches, section = arrays["patches"], arrays["section"]
    survey = np.array([name.partition("_")[0] for name in arrays["section_names"]])
    rng = np.random.default_rng(seed)
    # Another line of the same survey would be the same geology.
    train = patches[survey[section] != survey[fold]]
    return draw(train, rows, rng), draw(patches[section == fold], N_TEST, rng)


def load_mnist(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = load("mnist")
    train = draw(arrays["x_train"], rows, np.random.default_rng(seed))
    return train, arrays["x_test"][:N_TEST_MNIST]


def load_cifar(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = load("cifar10_train_first10k")
    train = draw(arrays["x_train"][arrays["exact_train"]], rows, np.random.default_rng(seed))
    return train, load("cifar10_test_2k")["x_test"][:N_TEST]


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


# Gaussians


class Gaussian:
    """Normal density of grey levels with uniform noise; full covariances are shrunk."""

    def __init__(self, full: bool):
        self.full = full

    def fit(self, images: np.ndarray, seed: int) -> Gaussian:
        from sklearn.covariance import ledoit_wolf

        rng = np.random.default_rng(seed)
        X = flat(images) + rng.uniform(-0.5, 0.5, flat(images).shape)
        self.mean = X.mean(0)
        covariance = ledoit_wolf(X)[0] if self.full else np.diag(X.var(0))
        self.values, self.vectors = np.linalg.eigh(covariance)
        return self

    @property
    def n_parameters(self) -> int:
        d = len(self.mean)
        return d * (d + 3) // 2 if self.full else 2 * d

    def log_density(self, X: np.ndarray) -> np.ndarray:
        latent = (X - self.mean) @ self.vectors
        log_det = np.log(2 * math.pi * self.values).sum()
        return -0.5 * ((latent**2 / self.values).sum(1) + log_det)

    def bits_per_dim(self, images: np.ndarray) -> float:
        noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
        return -self.log_density(flat(images) + noise).mean() / (len(self.mean) * math.log(2))

    def wiener(self, y: np.ndarray, level: float) -> np.ndarray:
        gain = self.values / (self.values + level**2)
        return self.mean + ((y - self.mean) @ self.vectors * gain) @ self.vectors.T


# Flows


def within_budget(budget: float) -> Any:
    """skorch callback: ends a training, and anneals the rate until then."""
    from skorch.callbacks import Callback

    from flowkit import StopTraining

    end = time.process_time() + budget

    class Budget(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            self.begin_ = time.process_time()

        def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
            spent = (time.process_time() - self.begin_) / max(end - self.begin_, 1e-9)
            factor = min(1.0, spent / WARMUP, 0.5 * (1 + math.cos(math.pi * min(spent, 1.0))))
            net.set_learning_rate(net.lr * factor)

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            if time.process_time() > end:
                raise StopTraining

    return Budget()


def common(budget: float, seed: int) -> dict[str, Any]:
    return {
        "batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        # The budget ends the training.
        "max_epochs": 1000,
        "random_state": seed,
        "callbacks": [within_budget(budget)],
        "device": "cpu",
    }


def fit_images(**settings: Any) -> Callable:
    """FractalFlowDensity on images: prior and couplings say whether that is a RealNVP."""

    def fit(images: np.ndarray, seed: int, budget: float) -> Any:
        from flowkit import FractalFlowDensity

        shape = images.shape[1:]
        given = {**common(budget, seed), **settings}
        return FractalFlowDensity(image_shape=shape, **given).fit(images)

    return fit


def whitened_start(seed: int) -> Any:
    """skorch callback: starts the last step of a flow by whitening the training rows alone."""
    import torch
    from sklearn.covariance import ledoit_wolf
    from skorch.callbacks import Callback

    class Whitening(Callback):
        @torch.no_grad()
        def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
            *steps, last = net.module_.bijection.bijections
            z = net.iterator_train__noise.add(X.x, torch.Generator().manual_seed(seed))
            for step in steps:
                z, _ = step(z)
            covariance = ledoit_wolf(z.double().numpy())[0]
            values, vectors = np.linalg.eigh(covariance)
            matrix = torch.from_numpy((vectors / np.sqrt(values)) @ vectors.T).float()
            last.start(matrix, -matrix @ z.mean(0))

    return Whitening()


def fit_mlp_realnvp(n_couplings: int, hidden_units: int) -> Callable:
    """Affine couplings of pixels in random halves, then a matrix that whitens at the start."""

    def fit(images: np.ndarray, seed: int, budget: float) -> Any:
        import torch

        from flowkit import FlowDensity
        from flowkit.bijections import AffineCoupling, LULinear, Permutation

        generator = torch.Generator().manual_seed(seed)
        X = flat(images).astype(np.float64)
        d, dropout = X.shape[1], min(0.3, 10 / math.sqrt(len(X)))
        options = {"hidden_units": hidden_units, "dropout": dropout, "generator": generator}
        steps = []
        for i in range(n_couplings):
            if i % 2 == 0:
                steps.append(Permutation(d, "random", generator))
            steps.append(AffineCoupling(d, reverse=bool(i % 2), **options))
        steps.append(LULinear(d))
        given = common(budget, seed)
        given["callbacks"] = [whitened_start(seed), *given["callbacks"]]
        return FlowDensity(steps, prior="normal", **given).fit(X)

    return fit


FLOWS: dict[str, Callable] = {
    "RealNVP, MLP": fit_mlp_realnvp(**MLP_REALNVP),
    "RealNVP, conv": fit_images(prior="normal", **CONV_REALNVP),
    "fractal": fit_images(**FRACTAL),
}
SETTINGS = {
    "RealNVP, MLP": MLP_REALNVP,
    "RealNVP, conv": CONV_REALNVP,
    "fractal": FRACTAL,
}


def bits_per_dim(estimator: Any, images: np.ndarray) -> float:
    if hasattr(estimator, "bits_per_dim"):
        return estimator.bits_per_dim(images)
    noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
    return -estimator.score(flat(images) + noise) / (noise.shape[1] * math.log(2))


def describe_flow(estimator: Any) -> dict[str, Any]:
    from flowkit.bijections import LULinear

    history, d = estimator.history_, estimator.n_features_in_
    linear = [m for m in estimator.module_.modules() if isinstance(m, LULinear)]
    held_out = -history["valid_log_density"] / (d * math.log(2))
    groups = getattr(estimator, "word_groups_", None)
    return {
        "n_parameters": sum(p.numel() for p in estimator.module_.parameters()),
        "n_linear_parameters": sum(p.numel() for m in linear for p in m.parameters()),
        "n_word_groups": None if groups is None else len(groups),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "holdout_bits": [float(held_out[i]) for i in (0, estimator.best_epoch_)],
    }


def measure_gaussian(full: bool, train: np.ndarray, test: np.ndarray, seed: int) -> tuple:
    with Stopwatch() as watch:
        model = Gaussian(full).fit(train, seed)
    result = {
        "bits_per_dim": float(model.bits_per_dim(test)),
        "n_parameters": model.n_parameters,
        "fit_cpu_seconds": watch.cpu,
    }
    return result, model


def measure_flow(
    fit: Callable, train: np.ndarray, test: np.ndarray, seed: int, budget: float
) -> tuple:
    """One result and the model; a method that fails is recorded, the others go on."""
    try:
        with warnings.catch_warnings(), Stopwatch() as watch:
            warnings.simplefilter("ignore")
            estimator = fit(train, seed, budget)
        result = {"bits_per_dim": bits_per_dim(estimator, test), "fit_cpu_seconds": watch.cpu}
        return {**result, **describe_flow(estimator)}, estimator
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, None


# Denoising


def log_prob_of(estimator: Any) -> Callable:
    """Log density as a differentiable function of grey levels, up to a constant."""
    import torch

    # The scale of the columns adds a constant that no gradient sees.
    module = copy.deepcopy(estimator.module_).float().requires_grad_(False)
    location = torch.from_numpy(estimator.location_).float()
    scale = torch.from_numpy(estimator.scale_).float()
    return lambda x: module.log_prob((x - location) / scale)


def restore(
    log_prob: Callable,
    y: np.ndarray,
    start: np.ndarray,
    level: float,
    gaussian: Gaussian,
    n_steps: int,
    step: float,
) -> tuple[np.ndarray, list[float]]:
    """MAP estimate, and the mean objective before and after in nats."""
    import torch

    deviation = np.sqrt(gaussian.values * level**2 / (gaussian.values + level**2))
    white = (start - gaussian.mean) @ gaussian.vectors / deviation
    basis = torch.from_numpy((gaussian.vectors * deviation).T).float()
    mean, y, v = (torch.from_numpy(array).float() for array in (gaussian.mean, y, white))
    v.requires_grad_()
    optimizer = torch.optim.Adam([v], lr=step)

    def objective(x: torch.Tensor) -> torch.Tensor:
        outside = x - x.clamp(0, GREY)
        # Its gradient is passed on to grey levels outside, which otherwise would stay there.
        nearest = x - outside.detach()
        squares = (y - nearest).square() + outside.square()
        return squares.sum(1) / (2 * level**2) - log_prob(nearest)

    def estimate() -> tuple[torch.Tensor, float]:
        with torch.no_grad():
            x = (mean + v @ basis).clamp(0, GREY)
            return x, objective(x).mean().item()

    _, before = estimate()
    for i in range(n_steps):
        optimizer.zero_grad()
        objective(mean + v @ basis).sum().backward()
        optimizer.param_groups[0]["lr"] = step * 0.5 * (1 + math.cos(math.pi * i / n_steps))
        optimizer.step()
    x, after = estimate()
    return x.double().numpy(), [before, after]


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    centred = clean - clean.mean(1, keepdims=True)
    return float(10 * np.log10((centred**2).sum() / ((estimate - clean) ** 2).sum()))


def denoise(models: dict[str, Any], images: np.ndarray, seed: int) -> tuple[list, dict]:
    """SNR of every model at every level, and what to draw."""
    clean = flat(images).astype(np.float64)
    rng = np.random.default_rng(seed)
    results, drawn = [], {}
    for level in NOISE_LEVELS:
        y = clean + level * rng.standard_normal(clean.shape)
        wiener = models["Gaussian, full"].wiener(y, level)
        estimates = {"identity": y, "Gaussian, full": wiener}
        for name, estimate in estimates.items():
            results.append({"method": name, "start": None, "snr": snr(clean, estimate)})
        for name in FLOWS:
            if models.get(name) is None:
                continue
            log_prob = log_prob_of(models[name])
            for start, x in (("noisy", y), ("Wiener", wiener)):
                n_steps, step = DESCENTS[start]
                with Stopwatch() as watch:
                    estimate, objective = restore(
                        log_prob, y, x, level, models["Gaussian, full"], n_steps, step
                    )
                results.append(
                    {
                        "method": name,
                        "start": start,
                        "snr": snr(clean, estimate),
                        "objective_before": objective[0],
                        "objective": objective[1],
                        "steps": n_steps,
                        "first_step": step,
                        "cpu_seconds": watch.cpu,
                    }
                )
                if start == "noisy":
                    estimates[name] = estimate
        for result in results:
            result.setdefault("level", level)
        if level == PICTURE_LEVEL:
            drawn = {"clean": clean, **estimates}
    return results, drawn


def draw_pictures(drawn: dict[str, np.ndarray], shape: tuple[int, int], path: Path) -> None:
    """A column of patches for each estimate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    chosen = np.linspace(0, len(drawn["clean"]) - 1, N_PICTURES).astype(int)
    figure, axes = plt.subplots(
        N_PICTURES, len(drawn), figsize=(2 * len(drawn), 2 * N_PICTURES), layout="tight"
    )
    titles = {"identity": f"noisy, s = {PICTURE_LEVEL:.0f}", "Gaussian, full": "Wiener"}
    for column, (name, images) in zip(axes.T, drawn.items(), strict=True):
        column[0].set_title(titles.get(name, name))
        for axis, image in zip(column, images[chosen], strict=True):
            axis.imshow(image.reshape(shape), cmap="gray", vmin=0, vmax=GREY)
            axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    plt.close(figure)


# Running


def record(arguments: argparse.Namespace, payload: dict, result: dict) -> None:
    """Keep a result; the file is complete after every one."""
    payload["results"].append(result)
    write_json(arguments.output, payload)
    where = " ".join(str(result[k]) for k in ("data", "fold", "seed", "method") if k in result)
    if "error" in result:
        print(where, result["error"], flush=True)
        return
    end = f"held-out {result['holdout_bits']}" if "holdout_bits" in result else ""
    print(
        f"{where}: {result['bits_per_dim']:.3f} bits/dim, {result['fit_cpu_seconds']:.1f} s {end}",
        flush=True,
    )


def run_data(
    arguments: argparse.Namespace,
    payload: dict,
    about: dict,
    images: tuple[np.ndarray, np.ndarray],
    flows: dict[str, tuple[Callable, dict]],
) -> dict[str, Any]:
    """Gaussians and flows on one data set; the models by name."""
    train, test = images
    about = {**about, "n_train": len(train), "n_test": len(test)}
    models: dict[str, Any] = {}
    for full in (False, True):
        name = f"Gaussian, {'full' if full else 'diagonal'}"
        result, models[name] = measure_gaussian(full, train, test, about["seed"])
        record(arguments, payload, {**about, "method": name, **result})
    for name, (fit, settings) in flows.items():
        measured = measure_flow(fit, train, test, about["seed"], arguments.budget)
        result, models[name] = measured
        settings = {**settings, "budget": arguments.budget}
        record(arguments, payload, {**about, "method": name, "settings": settings, **result})
    return models


def run_seismic(arguments: argparse.Namespace, payload: dict, fold: int, seed: int) -> None:
    train, test = load_seismic(fold, arguments.rows, seed)
    about = {"data": "seismic", "fold": fold, "seed": seed}
    flows = {name: (FLOWS[name], SETTINGS[name]) for name in arguments.methods}
    models = run_data(arguments, payload, about, (train, test), flows)
    # One fold is enough to judge by, and each costs minutes.
    if "denoise" not in arguments.parts or fold != arguments.folds[0]:
        return
    results, drawn = denoise(models, test[: arguments.denoised], seed)
    payload["denoising"] += [
        {**about, "n_patches": min(arguments.denoised, len(test)), **result} for result in results
    ]
    write_json(arguments.output, payload)
    if arguments.pictures:
        path = arguments.pictures / f"denoised_fold_{fold}_seed_{seed}.png"
        draw_pictures(drawn, test.shape[1:], path)


def run(arguments: argparse.Namespace, payload: dict) -> None:
    for seed in arguments.seeds:
        if {"seismic", "denoise"} & set(arguments.parts):
            for fold in arguments.folds:
                run_seismic(arguments, payload, fold, seed)
        for name, loader, settings in (
            ("mnist", load_mnist, FRACTAL),
            ("cifar", load_cifar, CIFAR_FRACTAL),
        ):
            if name in arguments.parts:
                about = {"data": name, "seed": seed}
                flows = {"fractal": (fit_images(**settings), settings)}
                run_data(arguments, payload, about, loader(arguments.rows, seed), flows)


# Tables


def mean(results: list[dict], key: str, digits: int) -> str:
    values = [r[key] for r in results if r.get(key) is not None]
    return f"{np.mean(values):.{digits}f}" if values else "-"


def report(payload: dict) -> None:
    results = [r for r in payload["results"] if "error" not in r]
    header = ["data", "train", "test", "method", "seeds", "bits/dim", "parameters", "linear"]
    header += ["CPU s", "epochs", "settings"]
    rows = []
    ordered = sorted(payload["results"], key=lambda r: (PARTS.index(r["data"]), r.get("fold", 0)))
    keys = dict.fromkeys((r["data"], r.get("fold"), r["method"]) for r in ordered)
    for data, fold, method in keys:
        own = [
            r for r in results if (r["data"], r.get("fold"), r["method"]) == (data, fold, method)
        ]
        if not own:
            continue
        settings = own[0].get("settings") or {}
        rows.append(
            [
                data if fold is None else f"{data} fold {fold}",
                str(own[0]["n_train"]),
                str(own[0]["n_test"]),
                method,
                ",".join(str(r["seed"]) for r in own),
                mean(own, "bits_per_dim", 3),
                str(own[0]["n_parameters"]),
                str(own[0].get("n_linear_parameters", "-")),
                mean(own, "fit_cpu_seconds", 1),
                mean(own, "n_epochs", 1),
                " ".join(f"{k}={v}" for k, v in settings.items()) or "-",
            ]
        )
    print("\nBits per dimension of held-out images, means over seeds; 'linear': parameters of them")
    print("in LU-factorised matrices, of which half are used")
    print(format_table(header, rows))
    for data in PUBLISHED:
        if any(r["data"] == data for r in results):
            figures = ", ".join(f"{name} {bits}" for name, bits in PUBLISHED[data].items())
            print(f"Published on {data}, full training set, hours to days of GPUs: {figures}")
    for r in payload["results"]:
        if "error" in r:
            print(f"Failed: {r['data']} seed {r['seed']} {r['method']}: {r['error']}")
    report_denoising(payload["denoising"])


def report_denoising(results: list[dict]) -> None:
    if not results:
        return
    rows = []
    for method, start in dict.fromkeys((r["method"], r["start"]) for r in results):
        own = [r for r in results if (r["method"], r["start"]) == (method, start)]
        levels = [[r for r in own if r["level"] == level] for level in NOISE_LEVELS]
        rows.append(
            [
                method,
                start or "-",
                *(mean(at_level, "snr", 2) for at_level in levels),
                *(mean(at_level, "objective", 0) for at_level in levels),
                str(own[0].get("steps", "-")),
                mean(own, "cpu_seconds", 1),
            ]
        )
    names = [f"s={level:.0f}" for level in NOISE_LEVELS]
    header = ["method", "start", *(f"SNR {n}" for n in names), *(f"J {n}" for n in names)]
    header += ["steps", "CPU s"]
    n = results[0]["n_patches"]
    print(
        f"\nMAP denoising of {n} patches of fold {results[0]['fold']}: SNR in dB, and the objective"
    )
    print("J that was reached, in nats a patch, up to a constant of each method")
    print(format_table(header, rows))


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("images", "Bits per dimension of images, and denoising by MAP.")
    add_threads_option(parser)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="what to run; denoise needs the fits of seismic and runs them too",
    )
    parser.add_argument(
        "--methods", nargs="+", choices=FLOWS, default=list(FLOWS), help="flows of seismic"
    )
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 2], help="sections to test on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the fits")
    parser.add_argument("--rows", type=int, default=3000, help="most training images")
    parser.add_argument("--budget", type=float, default=150.0, help="CPU seconds for one fit")
    parser.add_argument("--denoised", type=int, default=64, help="patches to denoise")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of denoised patches")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep the results in --output but for those of the parts, folds and flows run now",
    )
    return parser.parse_args()


def load_kept(arguments: argparse.Namespace) -> tuple[list[dict], list[dict]]:
    """Earlier results that this run does not do anew."""
    if not (arguments.resume and arguments.output.exists()):
        return [], []
    earlier = json.loads(arguments.output.read_text())

    def stays(result: dict) -> bool:
        if result["seed"] not in arguments.seeds:
            return True
        if result["data"] != "seismic":
            return result["data"] not in arguments.parts
        rerun = {"seismic", "denoise"} & set(arguments.parts)
        skipped = result["method"] in FLOWS and result["method"] not in arguments.methods
        return not rerun or result["fold"] not in arguments.folds or skipped

    kept = [r for r in earlier["results"] if stays(r)]
    # Methods are denoised together, so that all of them see the same noise and steps.
    return kept, [] if "denoise" in arguments.parts else earlier["denoising"]


def main() -> None:
    arguments = parse_arguments()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    results, denoising = load_kept(arguments)
    payload = {
        "environment": environment(arguments.threads),
        "published": PUBLISHED,
        "results": results,
        "denoising": denoising,
    }
    run(arguments, payload)
    report(payload)
    write_json(arguments.output, payload)
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
