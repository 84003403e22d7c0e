"""Inpainting with RGFlowDensity: what a step costs as images grow, and how good the fillings are.

cost: one step of the search that fills a hole is a pass from latents to values, one back, the
gradient and an update. Process CPU time of such steps of one image in float64, with untrained
lattices of the estimator's default sizes whose weights are perturbed, against image edges L: with
the blocks of the inference cone of the hole alone, with all of the lattice, and with a
convolutional RealNVP that has as many convolution weights as the lattice has parameters and all
latents free. A figure is the median over rounds, and rounds visit all sizes and methods in turn;
cones are averaged over random positions of the hole, half of them on multiples of the block edge.
The set-up is paid once for each hole: it copies the lattice and runs all of it once. Numbers of
latents in a cone are means over all positions of a hole, wrapped round the edges. Each series is
fitted twice by least squares with an intercept, against log2 L and against L^2; all sizes count the
same, so the largest times decide.

quality: holes in unseen images. The RealNVPs are FractalFlowDensity without recursion, its
couplings affine and its prior normal: "matched" has as many convolution weights as the lattice has
parameters, "small" is the one of images.py. They may whiten all pixels by a matrix, whose size is
given apart, and have a spline of every pixel besides. Every flow gets the same CPU seconds, its
start included. Yale faces are split by person; MNIST holes lie within the box of 20 x 20 that the
digits fill. All searches take the same steps from the same start, the middle of each column, in
the space behind the logit, or the splines, of single columns; all score what they put into the
hole next to the true surroundings, in float64. A random subset has as many latents as the cone of
the same hole. "Mean of draws" averages Langevin draws, n_samples of inpaint. The Gaussian has a
full covariance, shrunk by Ledoit and Wolf. PSNR and MSE are those of the pixels of the hole;
estimates are clipped to the range of grey levels, and the MSE of an image counts as at least 1/12
in its PSNR, that of rounding. "nats over truth": log density of the filled rows less that of the
true ones under the same flow; below zero the search stopped short of what it could have found.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
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
from images import CONV_REALNVP, Gaussian, common, describe_flow, draw, flat, load

PARTS = ("cost", "quality")
EDGES = (8, 16, 32, 64, 128)
KERNEL = 4
TIMED_HOLES = (4, 8)
COUNTED_HOLES = (1, 4, 8)
STEPS_PER_VISIT = 3
LEARNING_RATE = 0.05
# Hole edge -> image edge -> mean number of sites in the cone, counted on its own: over all
# positions up to 32, over random ones above.
EXPECTED = {
    1: {16: 112, 32: 220, 64: 364, 128: 540},
    4: {16: 155, 32: 291, 64: 455, 128: 638},
    8: {16: 233, 32: 413, 64: 598, 128: 789},
}

DATA = ("digits", "mnist", "yale")
FILES = {"mnist": "mnist", "yale": "yaleb_32x32"}
HOLES = {"digits": 4, "mnist": 8, "yale": 8}
# First and last row and column that a hole may touch.
WITHIN = {"digits": (0, 8), "mnist": (4, 24), "yale": (0, 32)}
PEAKS = {"digits": 16, "mnist": 255, "yale": 255}
N_POSITIONS = 8
N_TEST = 500
N_BLOCKS = 4
TEST_PEOPLE = 8
RG = "RG"
REALNVPS = ("RealNVP, matched", "RealNVP, small")


# Holes and flows


def square(shape: tuple[int, int], edge: int, corner: tuple[int, int]) -> np.ndarray:
    """Columns of a square hole, wrapped round the edges."""
    hole = np.zeros(shape, dtype=bool)
    rows, columns = (np.arange(c, c + edge) % n for c, n in zip(corner, shape, strict=True))
    hole[np.ix_(rows, columns)] = True
    return hole.ravel()


def corners(edge: int, within: tuple[int, int], n: int, rng: np.random.Generator) -> list:
    """Corners of holes, alternately on multiples of the block edge and off them on both axes."""
    places = np.arange(within[0], within[1] - edge + 1)
    on, off = places[places % KERNEL == 0], places[places % KERNEL != 0]
    return [
        tuple(int(c) for c in rng.choice(off if i % 2 and len(off) else on, 2)) for i in range(n)
    ]


class FreeLatents:
    """A hole to fill by latents of any flow: what `most_likely` needs of a `Hole`."""

    def __init__(self, flow: Any, rows: Any, hole: np.ndarray, free: np.ndarray):
        import torch

        self.cone = self
        self.flow, self.rows = flow, rows
        self.hole, self.free = torch.from_numpy(np.flatnonzero(hole)), torch.from_numpy(free)
        self.start = rows.index_select(1, self.hole)
        with torch.no_grad():
            self.z = flow.encode(rows)
        self.latents = self.z.index_select(1, self.free)

    def inverse(self, latents: Any) -> Any:
        """Values in the hole."""
        rows = self.flow.decode(self.z.index_copy(1, self.free, latents))
        return rows.index_select(1, self.hole)

    def log_density(self, values: Any) -> Any:
        """Log density with these values next to the true surroundings."""
        return self.flow.log_prob(self.rows.index_copy(1, self.hole, values))


class Clock:
    """A hole that notes when each step of a search begins."""

    def __init__(self, hole: Any):
        self._hole, self.cone, self.times = hole, self, []
        self.start, self.latents, self.log_density = hole.start, hole.latents, hole.log_density

    def inverse(self, latents: Any) -> Any:
        self.times.append(time.process_time())
        return self._hole.cone.inverse(latents)

    def seconds_per_step(self) -> list[float]:
        from flowkit.modules.inpainting import most_likely

        self.times = []
        # The values behind the last step are scored too, so every step has an end.
        most_likely(self, STEPS_PER_VISIT, LEARNING_RATE)
        return np.diff(self.times).tolist()


def convolution_weights(module: Any) -> int:
    """Number of parameters of the convolutions of fractal couplings."""
    from flowkit.nets.conv import _Convolution

    layers = (m for m in module.modules() if isinstance(m, _Convolution))
    return sum(p.numel() for layer in layers for p in layer.parameters())


def couplings(edge: int, width: int) -> list:
    """Couplings of a convolutional RealNVP, as FractalFlowDensity stacks them."""
    from flowkit.bijections import FractalCoupling

    options = {"n_levels": 0, "coupling": "affine", "conditioner": "conv", "tied": True}
    return [
        FractalCoupling(
            edge**2,
            image_shape=(edge, edge),
            hidden_units=width,
            reverse=bool(i % 2),
            tail_bound=4.0,
            **options,
        )
        for i in range(N_BLOCKS)
    ]


def matched_width(n_parameters: int) -> int:
    """Width with which the convolutions have about as many weights."""
    sizes = {
        width: sum(map(convolution_weights, couplings(KERNEL, width))) for width in range(8, 129)
    }
    return min(sizes, key=lambda width: abs(sizes[width] - n_parameters))


def size_of(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


# Cost


def count_latents(edge: int, hole: int) -> dict:
    """Number of latents in the cone over positions of the hole."""
    from flowkit.bijections._lattice_layout import lattice_layout

    layout = lattice_layout((edge, edge), KERNEL, True)
    counts = []
    for corner in itertools.product(range(edge), repeat=2):
        reached = square((edge, edge), hole, corner)
        for sublayer, blocks in zip(layout.sublayers, layout.cone(reached), strict=True):
            reached[sublayer.blocks[blocks]] = True
        counts.append(int(reached.sum()))
    return {
        "L": edge,
        "hole": hole,
        "positions": len(counts),
        "mean": float(np.mean(counts)),
        "min": min(counts),
        "max": max(counts),
        "expected": EXPECTED[hole].get(edge),
    }


def perturbed(module: Any, generator: Any) -> Any:
    import torch

    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.empty_like(p).normal_(generator=generator))
    return module.double().requires_grad_(False)


def build_cases(edge: int, positions: int, rng: np.random.Generator) -> tuple[dict, dict]:
    """What is timed at one size: name -> clocks; and what to say about it."""
    import torch

    from flowkit.bijections import Compose, Lattice
    from flowkit.bijections._lattice_layout import n_levels_of
    from flowkit.estimators.rg import _FIRST_LAYERS, _LAYERS
    from flowkit.modules import Flow
    from flowkit.modules.inpainting import Hole
    from flowkit.nets.swish import without_weight_norm
    from flowkit.priors import Normal, Product
    from flowkit.priors.registry import FACTORISED

    d, generator = edge**2, torch.Generator().manual_seed(edge)
    depths = [_FIRST_LAYERS, *[_LAYERS] * (n_levels_of((edge, edge), KERNEL) - 1)]
    lattice = Lattice(d, image_shape=(edge, edge), n_layers=depths, generator=generator)
    lattice = perturbed(lattice, generator)
    prior = Product([FACTORISED["laplace"](d)], [range(d)])
    width = matched_width(size_of(lattice))
    realnvp = perturbed(Flow(Compose(couplings(edge, width)), Normal(d)), generator)
    whole = Flow(without_weight_norm(lattice), prior)
    rows = torch.empty(1, d, dtype=torch.float64).normal_(generator=generator)
    everything = np.arange(d)
    about = {
        "L": edge,
        "levels": lattice.n_levels,
        "lattice_parameters": size_of(lattice),
        "realnvp_width": width,
        "realnvp_convolution_weights": convolution_weights(realnvp),
        "realnvp_parameters_by_pixel": size_of(realnvp) - convolution_weights(realnvp),
        "timed_latents": {},
        "setup_seconds": {},
        "difference": {},
    }
    cases = {}
    for size in TIMED_HOLES:
        holes, setups = [], []
        for corner in corners(size, (0, edge), positions, rng):
            pattern = square((edge, edge), size, corner)
            with Stopwatch() as watch:
                hole = Hole(without_weight_norm(lattice).cone(pattern), prior, rows)
            holes.append(hole)
            setups.append(watch.cpu)
        name = f"cone, {size}x{size}"
        cases[name] = [Clock(hole) for hole in holes]
        about["timed_latents"][name] = [hole.latents.shape[1] for hole in holes]
        about["setup_seconds"][name] = float(np.median(setups))
        about["difference"][name] = compare(
            holes[-1], FreeLatents(whole, rows, pattern, everything)
        )
    cases["full lattice"] = [Clock(FreeLatents(whole, rows, pattern, everything))]
    cases["RealNVP"] = [Clock(FreeLatents(realnvp, rows, pattern, everything))]
    return cases, about


def compare(cone: Any, whole: FreeLatents) -> float:
    """Largest difference of the gradients by latents, which outside the cone must be zero."""
    import torch

    def gradient(hole):
        latents = hole.latents.clone().requires_grad_()
        # Other values than those of the start, so that all of the way back counts.
        values = hole.cone.inverse(1.1 * latents)
        return torch.autograd.grad(hole.log_density(values).sum(), latents)[0]

    near = torch.zeros_like(whole.latents).index_copy(1, cone.cone.columns, gradient(cone))
    far = gradient(whole)
    return float((near - far).abs().max() / far.abs().max())


def fit_line(x: np.ndarray, y: np.ndarray) -> dict:
    """Least squares with an intercept."""
    design = np.stack([np.ones_like(x), x], 1)
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    residuals = y - design @ coefficients
    return {
        "intercept": float(coefficients[0]),
        "slope": float(coefficients[1]),
        "r2": float(1 - (residuals**2).sum() / ((y - y.mean()) ** 2).sum()),
        "residuals": residuals.tolist(),
    }


def fit_both(edges: list[int], y: list[float]) -> dict:
    x, y = np.array(edges, dtype=float), np.array(y)
    return {"log2 L": fit_line(np.log2(x), y), "L^2": fit_line(x**2, y)}


def run_cost(arguments: argparse.Namespace) -> dict:
    rng = np.random.default_rng(0)
    edges = list(arguments.edges)
    counts = [count_latents(edge, hole) for hole in COUNTED_HOLES for edge in edges]
    built = {edge: build_cases(edge, arguments.positions, rng) for edge in edges}
    seconds: dict = {
        (edge, name): [[] for _ in clocks]
        for edge, (cases, _) in built.items()
        for name, clocks in cases.items()
    }
    for i in range(arguments.rounds):
        # What else the machine does then hits all sizes and methods alike.
        for edge, (cases, _) in built.items():
            for name, clocks in cases.items():
                for taken, clock in zip(seconds[edge, name], clocks, strict=True):
                    taken += clock.seconds_per_step()
        print(f"round {i + 1} of {arguments.rounds}", flush=True)
    rows = []
    for edge, (_, about) in built.items():
        steps = {
            name: [float(np.median(taken)) for taken in seconds[edge, name]]
            for name in built[edge][0]
        }
        rows.append({**about, "seconds_per_step": steps})
    names = list(rows[0]["seconds_per_step"])
    series = {name: [float(np.mean(r["seconds_per_step"][name])) for r in rows] for name in names}
    fits = {name: fit_both(edges, values) for name, values in series.items()}
    latents = {
        f"latents, {hole}x{hole}": fit_both(edges, [c["mean"] for c in counts if c["hole"] == hole])
        for hole in COUNTED_HOLES
    }
    return {
        "rounds": arguments.rounds,
        "steps_per_visit": STEPS_PER_VISIT,
        "counts": counts,
        "rows": rows,
        "mean_seconds_per_step": series,
        "fits": {**fits, **latents},
    }


def report_cost(cost: dict) -> None:
    header = ["hole", *(f"L={row['L']}" for row in cost["rows"])]
    rows = []
    for hole in COUNTED_HOLES:
        own = [c for c in cost["counts"] if c["hole"] == hole]
        cells = [f"{c['mean']:.1f} ({c['min']}-{c['max']})" for c in own]
        rows.append([f"{hole}x{hole}", *cells])
        rows.append(["  known", *(str(c["expected"] or "-") for c in own)])
    print("\nLatents in the cone: mean (least-most) over positions of the hole")
    print(format_table(header, rows))

    rows = []
    for name in cost["mean_seconds_per_step"]:
        cells = []
        for row in cost["rows"]:
            steps = 1e3 * np.array(row["seconds_per_step"][name])
            spread = f" ({steps.min():.1f}-{steps.max():.1f})" if len(steps) > 1 else ""
            cells.append(f"{steps.mean():.1f}{spread}")
        rows.append([name, *cells])
    for name in cost["rows"][0]["setup_seconds"]:
        setups = [1e3 * row["setup_seconds"][name] for row in cost["rows"]]
        rows.append([f"set-up once, {name}", *(f"{ms:.1f}" for ms in setups)])
    for key in ("lattice_parameters", "realnvp_convolution_weights", "realnvp_parameters_by_pixel"):
        rows.append([key.replace("_", " "), *(str(row[key]) for row in cost["rows"])])
    print("\nCPU milliseconds of a step: median of rounds, mean (least-most) over positions")
    print(format_table(header, rows))
    worst = max(max(row["difference"].values()) for row in cost["rows"])
    print(f"Gradients of cone and full lattice differ by at most {worst:.1e} of the largest")

    rows = []
    for name, fits in cost["fits"].items():
        factor = 1 if name.startswith("latents") else 1e3
        for against, fit in fits.items():
            rows.append(
                [
                    name,
                    against,
                    f"{factor * fit['intercept']:.3g}",
                    f"{factor * fit['slope']:.3g}",
                    f"{fit['r2']:.4f}",
                    " ".join(f"{factor * r:+.3g}" for r in fit["residuals"]),
                ]
            )
    print("\nLeast squares, in ms or latents; residuals in the order of L")
    print(format_table(["series", "against", "intercept", "slope", "R^2", "residuals"], rows))


# Quality


def load_images(name: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test images; grey levels of 8 bits but for digits."""
    rng = np.random.default_rng(seed)
    if name == "digits":
        from sklearn.datasets import load_digits

        images = load_digits().images
        order = rng.permutation(len(images))
        n_test = len(images) // 5
        return images[order[n_test:]][:rows], images[order[:n_test]]
    arrays = load(FILES[name])
    if name == "mnist":
        return draw(arrays["x_train"], rows, rng), draw(arrays["x_test"], N_TEST, rng)
    people = rng.permutation(np.unique(arrays["person"]))
    unseen = np.isin(arrays["person"], people[:TEST_PEOPLE])
    return draw(arrays["images"][~unseen], rows, rng), draw(arrays["images"][unseen], N_TEST, rng)


def fit_flow(name: str, train: np.ndarray, seed: int, budget: float, n_parameters: int) -> Any:
    from flowkit import FractalFlowDensity, RGFlowDensity

    # Outside of the flow's budget, as it is nothing that a user would do.
    matched = {**CONV_REALNVP, "n_blocks": N_BLOCKS}
    if name == REALNVPS[0]:
        matched["hidden_units"] = matched_width(n_parameters)
    given = {**common(budget, seed), "image_shape": train.shape[1:]}
    X = train if train.dtype == np.uint8 else flat(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == RG:
            # Each flow learns at its own default rate.
            del given["learning_rate"]
            return RGFlowDensity(**given).fit(X)
        settings = matched if name == REALNVPS[0] else CONV_REALNVP
        return FractalFlowDensity(prior="normal", **settings, **given).fit(X)


def fit_or_load(
    name: str, train: np.ndarray, about: dict, arguments: argparse.Namespace, n_parameters: int
) -> tuple[Any, float]:
    """A fitted flow and the CPU seconds that it took, from --models where it is there."""
    path = None
    if arguments.models:
        words = [about["data"], f"{about['seed']}", f"{arguments.budget:g}s", name]
        path = arguments.models / f"{'_'.join(words).replace(', ', '_')}.joblib"
        if path.exists():
            return joblib.load(path)
    with Stopwatch() as watch:
        estimator = fit_flow(name, train, about["seed"], arguments.budget, n_parameters)
    if path:
        # The callback that ends a training is of no use later, and cannot be pickled.
        estimator.callbacks = None
        path.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump((estimator, watch.cpu), path)
    return estimator, watch.cpu


class Space:
    """An estimator taken apart: maps of single columns, and the flow behind them."""

    def __init__(self, estimator: Any):
        from flowkit.bijections import Compose, FractalCoupling, Lattice
        from flowkit.modules import Flow

        module = copy.deepcopy(estimator.module_).requires_grad_(False)
        steps = list(module.bijection.bijections)
        first = next(i for i, s in enumerate(steps) if isinstance(s, FractalCoupling | Lattice))
        self.estimator = estimator
        self.entrance = Compose(steps[:first]) if first else None
        self.flow = Flow(Compose(steps[first:]), module.prior)

    def enter(self, X: np.ndarray) -> Any:
        import torch

        y = torch.from_numpy((X - self.estimator.location_) / self.estimator.scale_)
        with torch.no_grad():
            return y if self.entrance is None else self.entrance(y)[0]

    def leave(self, y: Any) -> np.ndarray:
        import torch

        with torch.no_grad():
            z = y if self.entrance is None else self.entrance.inverse(y)[0]
        return z.numpy() * self.estimator.scale_ + self.estimator.location_

    def fill(self, X: np.ndarray, hole: np.ndarray, free: np.ndarray, n_steps: int) -> np.ndarray:
        """Rows whose hole is filled by a search along some latents."""
        from flowkit.modules.inpainting import most_likely

        rows = self.enter(np.where(hole, self.estimator.location_, X))
        rows[:, np.flatnonzero(hole)] = 0.0
        search = FreeLatents(self.flow, rows, hole, free)
        values = most_likely(search, n_steps, LEARNING_RATE)
        return np.where(hole, self.leave(rows.index_copy(1, search.hole, values)), X)

    def log_density(self, X: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            return self.flow.log_prob(self.enter(X)).numpy()


def conditional_mean(gaussian: Gaussian, X: np.ndarray, hole: np.ndarray) -> np.ndarray:
    covariance = (gaussian.vectors * gaussian.values) @ gaussian.vectors.T
    weights = np.linalg.solve(covariance[np.ix_(~hole, ~hole)], covariance[np.ix_(~hole, hole)])
    filled = X.copy()
    filled[:, hole] = gaussian.mean[hole] + (X - gaussian.mean)[:, ~hole] @ weights
    return filled


def fillings(models: dict, mean: np.ndarray, seed: int, arguments: argparse.Namespace) -> dict:
    """Method -> the model it belongs to, and X, hole -> filled rows and number of latents."""
    rg, d = models[RG].estimator, len(mean)

    def by_cone(X, hole, **options):
        n_free = len(rg._lattice().cone(hole).columns)
        return lambda: rg.inpaint(X, hole, n_steps=arguments.steps, **options), n_free

    def by_latents(name, share):
        def prepare(X, hole):
            n_free = d
            if share == "subset":
                n_free = len(rg._lattice().cone(hole).columns)
            rng = np.random.default_rng([seed, *np.flatnonzero(hole)])
            free = np.sort(rng.permutation(d)[:n_free])
            return lambda: models[name].fill(X, hole, free, arguments.steps), n_free

        return prepare

    methods = {
        "RG, cone": (RG, by_cone),
        "RG, mean of draws": (
            RG,
            lambda X, hole: (
                lambda: by_cone(X, hole, n_samples=arguments.draws, random_state=seed)[0]().mean(0),
                by_cone(X, hole)[1],
            ),
        ),
    }
    for name in REALNVPS:
        methods[f"{name}, all latents"] = (name, by_latents(name, "all"))
        methods[f"{name}, random subset"] = (name, by_latents(name, "subset"))
    gaussian = models["Gaussian"]
    methods["Gaussian, conditional mean"] = (
        None,
        lambda X, hole: (lambda: conditional_mean(gaussian, X, hole), None),
    )
    methods["mean image"] = (None, lambda X, hole: (lambda: np.where(hole, mean, X), None))
    return methods


def run_quality(arguments: argparse.Namespace, payload: dict, name: str, seed: int) -> None:
    train, test = load_images(name, arguments.rows, seed)
    shape, peak = train.shape[1:], PEAKS[name]
    about = {"data": name, "seed": seed}
    models: dict[str, Any] = {}
    n_parameters = 0
    for flow in (RG, *REALNVPS):
        estimator, seconds = fit_or_load(flow, train, about, arguments, n_parameters)
        n_parameters = n_parameters or size_of(estimator.module_.bijection)
        models[flow] = Space(estimator)
        result = {
            **about,
            "model": flow,
            "n_train": len(train),
            "n_test": len(test[:N_TEST]),
            "bits_per_dim": estimator.bits_per_dim(flat(test[:N_TEST])),
            "budget": arguments.budget,
            "fit_cpu_seconds": seconds,
            "n_convolution_weights": convolution_weights(estimator.module_),
            "splines_first": bool(estimator._config["marginals"]),
            **describe_flow(estimator),
        }
        payload["fits"].append(result)
        print(
            f"{name} seed {seed} {flow}: {result['bits_per_dim']:.3f} bits/dim, "
            f"{seconds:.0f} s, {result['n_epochs']} epochs",
            flush=True,
        )
    models["Gaussian"] = Gaussian(full=True).fit(train, seed)
    bits = float(models["Gaussian"].bits_per_dim(test[:N_TEST]))
    payload["fits"].append({**about, "model": "Gaussian", "bits_per_dim": bits})

    rng = np.random.default_rng([seed, 1])
    chosen = flat(draw(test, arguments.images, rng)).astype(np.float64)
    places = corners(HOLES[name], WITHIN[name], N_POSITIONS, rng)
    methods = fillings(models, flat(train).mean(0), seed, arguments)
    for method, (model, prepare) in methods.items():
        errors, gains = np.zeros(len(chosen)), np.zeros(len(chosen))
        aligned, n_free, cpu = np.zeros(len(chosen), dtype=bool), [], 0.0
        for i, corner in enumerate(places):
            # Images of one position are filled side by side.
            X = chosen[i::N_POSITIONS]
            if not len(X):
                continue
            hole = square(shape, HOLES[name], corner)
            run, free = prepare(X, hole)
            with Stopwatch() as watch:
                filled = run()
            cpu += watch.cpu
            filled = np.clip(filled, 0, peak)
            errors[i::N_POSITIONS] = ((filled - X)[:, hole] ** 2).mean(1)
            aligned[i::N_POSITIONS] = not any(c % KERNEL for c in corner)
            n_free += [free] * len(X)
            if model is not None:
                space = models[model]
                gains[i::N_POSITIONS] = space.log_density(filled) - space.log_density(X)
        payload["fillings"].append(
            {
                **about,
                "method": method,
                "steps": arguments.steps,
                "free_latents": None if n_free[0] is None else float(np.mean(n_free)),
                "cpu_seconds_per_image": cpu / len(chosen),
                "mse": errors.round(4).tolist(),
                "psnr": (10 * np.log10(peak**2 / np.maximum(errors, 1 / 12))).round(4).tolist(),
                "aligned": aligned.tolist(),
                "nats_over_truth": None if model is None else gains.round(3).tolist(),
            }
        )
        level = 10 * np.log10(peak**2 / errors.mean())
        print(f"{name} seed {seed} {method}: {level:.2f} dB, {cpu:.0f} s", flush=True)
        write_json(arguments.output, arguments.payload)


def mean_and_error(values: np.ndarray, digits: int) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def pooled(results: list[dict], key: str) -> np.ndarray:
    return np.concatenate([r[key] for r in results])


def report_quality(quality: dict) -> None:
    rows = [
        [
            fit["data"],
            str(fit["seed"]),
            fit["model"],
            f"{fit['bits_per_dim']:.3f}",
            *(
                str(fit.get(key, "-"))
                for key in ("n_parameters", "n_convolution_weights", "n_linear_parameters")
            ),
            f"{fit['fit_cpu_seconds']:.0f}" if "fit_cpu_seconds" in fit else "-",
            f"{fit['best_epoch']} of {fit['n_epochs']}" if "n_epochs" in fit else "-",
        ]
        for fit in quality["fits"]
    ]
    header = ["data", "seed", "model", "bits/dim", "parameters", "convolutions", "matrix"]
    print("\nBits per dimension of unseen images")
    print(format_table([*header, "CPU s", "best epoch"], rows))

    rows = []
    for data in dict.fromkeys(r["data"] for r in quality["fillings"]):
        of_data = [r for r in quality["fillings"] if r["data"] == data]
        ours = pooled([r for r in of_data if r["method"] == "RG, cone"], "psnr")
        for method in dict.fromkeys(r["method"] for r in of_data):
            own = [r for r in of_data if r["method"] == method]
            psnr, aligned = pooled(own, "psnr"), pooled(own, "aligned")
            mse, free = pooled(own, "mse"), own[0]["free_latents"]
            gains = own[0]["nats_over_truth"] and pooled(own, "nats_over_truth")
            rows.append(
                [
                    data,
                    method,
                    "-" if free is None else f"{np.mean([r['free_latents'] for r in own]):.0f}",
                    mean_and_error(psnr, 2),
                    "-" if method == "RG, cone" else mean_and_error(ours - psnr, 2),
                    *(f"{psnr[a].mean():.2f}" for a in (aligned, ~aligned)),
                    mean_and_error(mse, 2 if PEAKS[data] < 100 else 0),
                    f"{10 * np.log10(PEAKS[data] ** 2 / mse.mean()):.2f}",
                    "-" if gains is None else f"{gains.mean():.1f}",
                    f"{np.mean([r['cpu_seconds_per_image'] for r in own]):.2f}",
                ]
            )
    header = ["data", "method", "latents", "PSNR", "RG cone better by", "aligned", "misaligned"]
    header += ["MSE", "PSNR of MSE", "nats over truth", "CPU s/image"]
    print("\nFillings of unseen images, pixels of the hole: mean and standard error over images")
    print(format_table(header, rows))


# Running


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("rg_inpainting", "Cost and quality of inpainting with RGFlowDensity.")
    add_threads_option(parser)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to do")
    parser.add_argument("--edges", type=int, nargs="+", default=list(EDGES), help="L of cost")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of timings")
    parser.add_argument("--positions", type=int, default=6, help="timed holes of each size")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="images")
    parser.add_argument("--rows", type=int, default=3000, help="most training images")
    parser.add_argument("--images", type=int, default=32, help="test images to fill")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the fits")
    parser.add_argument("--budget", type=float, default=240.0, help="CPU seconds for one fit")
    parser.add_argument("--models", type=Path, help="folder to keep the fitted flows in")
    parser.add_argument("--steps", type=int, default=100, help="steps of a search")
    parser.add_argument("--draws", type=int, default=16, help="Langevin draws of a row")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep the results in --output but for those of the parts, data and seeds run now",
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.edges, arguments.rounds, arguments.positions = [8, 16, 32], 2, 2
        arguments.rows, arguments.images, arguments.budget = 300, 8, 5.0
        arguments.steps, arguments.draws = 10, 2
    return arguments


def load_kept(arguments: argparse.Namespace) -> dict:
    """Earlier results that this run does not do anew."""
    empty = {"environment": {}, "cost": None, "quality": {"fits": [], "fillings": []}}
    if not (arguments.resume and arguments.output.exists()):
        return empty
    kept = json.loads(arguments.output.read_text())
    if "quality" in arguments.parts:
        for results in kept["quality"].values():
            results[:] = [
                r
                for r in results
                if r["data"] not in arguments.data or r["seed"] not in arguments.seeds
            ]
    return kept


def main() -> None:
    arguments = parse_arguments()
    if "quality" in arguments.parts:
        data_folder()
    set_threads(arguments.threads)
    # Otherwise the first fit would be charged for the import.
    import flowkit  # noqa: F401

    arguments.payload = payload = load_kept(arguments)
    for part in arguments.parts:
        payload["environment"][part] = environment(arguments.threads)
    if "cost" in arguments.parts:
        payload["cost"] = run_cost(arguments)
        write_json(arguments.output, payload)
        report_cost(payload["cost"])
    if "quality" in arguments.parts:
        for name in arguments.data:
            for seed in arguments.seeds:
                run_quality(arguments, payload["quality"], name, seed)
        report_quality(payload["quality"])
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
