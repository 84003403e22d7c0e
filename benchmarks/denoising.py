"""Denoising seismic patches by maximum a posteriori estimates under flows.

y = x + s * noise, and the estimate minimises |y - x|^2 / (2 s^2) - log p(x) over x within [0, 255]:
Adam with a step that falls along a cosine, in the coordinates in which the posterior of the full
Gaussian is white, as plain pixels take far more steps; once from y and once from the Wiener
estimate. SNR is 10 log10(sum x0^2 / sum error^2) over all patches, x0 being the clean patches less
the mean of each. The flows are those of images.py, each fitted first, with the budget for itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lib.clocks import Stopwatch
from lib.data import GREY, flat, load_images
from lib.image_flows import FLOWS, Gaussian, log_prob_of, measure_flow
from lib.metrics import snr
from lib.pictures import draw_columns
from lib.report import distinct, mean, print_table, select
from lib.runner import Study

NOISE_LEVELS = (10.0, 20.0, 40.0)
PICTURE_LEVEL = 20.0
N_PICTURES = 6
# Number of steps of Adam, and the first of them in posterior standard deviations of the Gaussian.
DESCENTS = {"noisy": (100, 0.6), "Wiener": (60, 0.1)}
# What is told of a fit.
FITTED = ("bits_per_dim", "fit_cpu_seconds", "fit_wall_seconds")


def restore(
    log_prob: Callable,
    y: np.ndarray,
    initial: np.ndarray,
    level: float,
    gaussian: Gaussian,
    n_steps: int,
    step: float,
) -> tuple[np.ndarray, list[float]]:
    """The estimate, and the mean objective before and after in nats."""
    import torch

    spread = np.sqrt(gaussian.values * level**2 / (gaussian.values + level**2))
    white = (initial - gaussian.mean) @ gaussian.vectors / spread
    basis = torch.from_numpy((gaussian.vectors * spread).T).float()
    centre, y, v = (torch.from_numpy(array).float() for array in (gaussian.mean, y, white))
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
            x = (centre + v @ basis).clamp(0, GREY)
            return x, objective(x).mean().item()

    _, before = estimate()
    for i in range(n_steps):
        optimizer.zero_grad()
        objective(centre + v @ basis).sum().backward()
        optimizer.param_groups[0]["lr"] = step * 0.5 * (1 + math.cos(math.pi * i / n_steps))
        optimizer.step()
    x, after = estimate()
    return x.double().numpy(), [before, after]


class Patches:
    """Clean and noisy patches of one fold and seed, and the models fitted to the others."""

    def __init__(self, study: Study, fold: int, seed: int):
        train, test = load_images(study.args.data, study.args.rows, seed, fold)
        self.train, self.test, self.seed, self.budget = train, test, seed, study.budget
        self.images = test[: study.args.denoised]
        self.clean = flat(self.images).astype(np.float64)
        rng = np.random.default_rng(seed)
        noise = [rng.standard_normal(self.clean.shape) for _ in NOISE_LEVELS]
        pairs = zip(NOISE_LEVELS, noise, strict=True)
        self.noisy = {level: self.clean + level * e for level, e in pairs}
        self.gaussian = Gaussian(full=True).fit(train, seed)
        self.drawn: dict[str, np.ndarray] = {}
        self.flows: dict[str, tuple[dict, Callable]] = {}

    def flow(self, name: str) -> tuple[dict, Callable]:
        """Result of a fit, and the log density; fitted when first asked for."""
        if name not in self.flows:
            fit = FLOWS[name][0]
            told, estimator = measure_flow(fit, self.train, self.test, self.seed, self.budget)
            self.flows[name] = told, log_prob_of(estimator)
        return self.flows[name]

    def initial(self, name: str, level: float) -> np.ndarray:
        y = self.noisy[level]
        return y if name == "noisy" else self.gaussian.wiener(y, level)

    def denoise(self, method: str, initial: str | None, level: float, n_steps: int | None) -> dict:
        told, estimate = self._estimate(method, initial, level, n_steps)
        if level == PICTURE_LEVEL and initial != "Wiener":
            self.drawn[method] = estimate
        return {"n_patches": len(self.clean), "snr": snr(self.clean, estimate), **told}

    def _estimate(
        self, method: str, initial: str | None, level: float, n_steps: int | None
    ) -> tuple[dict, np.ndarray]:
        if method not in FLOWS:
            return {}, self.initial("noisy" if method == "identity" else "Wiener", level)
        fitted, log_prob = self.flow(method)
        steps, step = DESCENTS[initial]
        steps, x = n_steps or steps, self.initial(initial, level)
        with Stopwatch() as watch:
            estimate, objective = restore(
                log_prob, self.noisy[level], x, level, self.gaussian, steps, step
            )
        told = {
            "objective_before": objective[0],
            "objective": objective[1],
            "steps": steps,
            "first_step": step,
            **watch.seconds("descent"),
        }
        return {**told, **{key: fitted[key] for key in FITTED}}, estimate


def measure(study: Study) -> None:
    args = study.args
    ways = [("identity", None), ("Gaussian, full", None)]
    ways += [(method, initial) for method in args.methods for initial in DESCENTS]
    settings = {name: getattr(args, name) for name in ("rows", "denoised", "budget", "steps")}
    for seed in study.seeds:
        for fold in args.folds:
            key = {"data": args.data, "fold": fold, "seed": seed}
            abouts = [
                {**key, "method": method, "initial": initial, "level": level}
                for level in NOISE_LEVELS
                for method, initial in ways
            ]
            if not study.lacks(abouts):
                continue
            patches = Patches(study, fold, seed)
            for about in abouts:
                way = about["method"], about["initial"], about["level"]
                study.cell(about, settings, patches.denoise, *way, args.steps)
            if args.pictures:
                path = args.pictures / f"denoised_fold_{fold}_seed_{seed}.png"
                draw_estimates(patches, path)


def draw_estimates(patches: Patches, path: Path) -> None:
    titles = {"identity": f"noisy, s = {PICTURE_LEVEL:.0f}", "Gaussian, full": "Wiener"}
    chosen = np.linspace(0, len(patches.images) - 1, N_PICTURES).astype(int)
    shape = patches.images.shape[1:]
    drawn = {titles.get(name, name): rows for name, rows in patches.drawn.items()}
    columns = {"clean": patches.clean, **drawn}
    columns = {name: rows[chosen].reshape(-1, *shape) for name, rows in columns.items()}
    draw_columns(columns, path, GREY)


def report(results: list[dict]) -> None:
    names = [f"s={level:.0f}" for level in NOISE_LEVELS]
    header = ["method", "from", *(f"SNR {n}" for n in names), *(f"J {n}" for n in names)]
    header += ["steps", "CPU s"]
    for data, fold in distinct(results, "data", "fold"):
        of_fold, rows = select(results, data=data, fold=fold), []
        for method, initial in distinct(of_fold, "method", "initial"):
            own = select(of_fold, method=method, initial=initial)
            levels = [select(own, level=level) for level in NOISE_LEVELS]
            rows.append(
                [
                    method,
                    initial or "-",
                    *(mean(at_level, "snr", 2) for at_level in levels),
                    *(mean(at_level, "objective", 0) for at_level in levels),
                    str(own[0].get("steps", "-")),
                    mean(own, "descent_cpu_seconds", 1),
                ]
            )
        title = f"{of_fold[0]['n_patches']} patches of {data}, fold {fold}: SNR in dB, and J, the\n"
        title += "objective that was reached, in nats a patch, up to a constant of each method"
        print_table(title, header, rows)


def main() -> None:
    study = Study("denoising", __doc__, seeds=1, budget=150.0, smoke_budget=0.2)
    data = {"choices": ["seismic", "digits"], "default": "seismic", "smoke": "digits"}
    study.option("--data", selects="data", help="images", **data)
    names = {"nargs": "+", "choices": FLOWS, "default": list(FLOWS)}
    study.option("--methods", help="flows", **names)
    folds = {"type": int, "nargs": "+", "default": [0]}
    study.option("--folds", selects="fold", help="sections of seismic to test on", **folds)
    study.option("--rows", type=int, default=3000, smoke=100, help="most training images")
    study.option("--denoised", type=int, default=64, smoke=8, help="patches to denoise")
    study.option("--steps", type=int, smoke=2, help=f"of a descent, instead of {DESCENTS}")
    study.option("--pictures", type=Path, help="folder for a picture of denoised patches")
    study.run(measure, report)


if __name__ == "__main__":
    main()
