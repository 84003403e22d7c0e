"""RG-Flow: where the factors of an image sit, and whether axes of latents follow them.

Data and fits are those of rg_bits.py, whose ``--models`` saves fitting them twice.

Levels: R^2 on test images of linear probes (ridge, a penalty for each target by leave-one-out among
the probe images) from ALL latents of a level, to all factors: means over the three channels, over
sine and cosine of twice an angle, and over all 16 ellipses. Images are encoded without noise.
Levels differ in size, so "pixels" gives the same probe of the logits of the grey levels at the
sites of each level: an untrained lattice has monotone functions of these there. An offset of an
angle is no linear function of anything drawn: the angle itself is probed too.

Axes: how well the axes of the coarsest latents (48 numbers) follow the factors of the image, by the
measures of `lib.alignment`, against the same latents turned by random orthogonal matrices, which
leave a normal density as it was and all linear R^2 too. The lattice itself prefers some axes: the
kernels see channels and sites, and the flow begins as the identity, and sites that hold a copy of a
factor each are worse off than a turn that happens to add them up. So latents of a normal prior need
not be as well aligned as turned ones. What a sparse prior does shows in the difference between two
priors, which counts here where it exceeds, in every one of at least two seeds, two standard
deviations: of turned latents and of seeds together. Where R^2 of the 48 is low, there are no
factors for axes to follow, and no measure says anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lib.alignment import MEASURES, align, probe
from lib.data import flat, logits, make_msds, turned
from lib.report import distinct, in_order, print_table, select, spread
from lib.rg_flows import KINDS, PRIORS, PROBE_STATE, RG_FLOWS, TEST_STATE, file_of, fit_or_load
from lib.runner import Study

PIXELS = "pixels"
N_DEVIATIONS = 2.0


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


def pixel_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Logits of grey levels at the sites of each level of the lattice."""
    from flowkit.bijections import Lattice

    levels = Lattice(images[0].size, image_shape=images.shape[1:], hidden_units=1).levels
    return [logits(images)[:, levels == level] for level in range(levels.max() + 1)]


def measure_method(study: Study, kind: int, method: str, seed: int | None) -> dict:
    args = study.args
    probes, test = (
        make_msds(kind, n, state)
        for n, state in ((args.probe_rows, PROBE_STATE), (args.test_rows, TEST_STATE))
    )
    told: dict[str, Any] = {}
    pyramid = pixel_pyramid
    if method != PIXELS:

        def train() -> np.ndarray:
            return make_msds(kind, args.rows, seed).images

        path = file_of(args.models, kind, method, seed, args.rows, args.budget)
        told, model = fit_or_load(method, (train, test.images), seed, study.budget, path)
        pyramid = model.latent_pyramid
    latents, latents_test = pyramid(probes.images), pyramid(test.images)
    targets, targets_test = probed_factors(probes, kind), probed_factors(test, kind)
    told |= {
        "n_latents": [level.shape[1] for level in latents],
        "r2": probe(latents, latents_test, targets, targets_test),
    }
    # Untrained, the coarsest sites lie between the ellipses and are black.
    if method != PIXELS:
        factors, factors_test = image_factors(probes, kind), image_factors(test, kind)
        told["axes"] = align(latents[-1], latents_test[-1], factors, factors_test, args.rotations)
    return told


def measure(study: Study) -> None:
    names = ("rows", "test_rows", "probe_rows", "rotations", "budget")
    settings = {name: getattr(study.args, name) for name in names}
    for kind in study.args.kinds:
        cells = [(method, seed) for seed in study.seeds for method in study.args.methods]
        for method, seed in [*cells, (PIXELS, None)]:
            about = {"data": kind, "seed": seed, "method": method}
            study.cell(about, settings, measure_method, study, kind, method, seed)


def report_levels(results: list[dict]) -> None:
    for (kind,) in distinct(results, "data"):
        of_kind, rows, names = select(results, data=kind), [], []
        for method in in_order([PIXELS, *RG_FLOWS], of_kind):
            own = select(of_kind, method=method)
            names = list(own[0]["r2"])
            for level, size in enumerate(own[0]["n_latents"]):
                cells = [spread([r["r2"][name][level] for r in own], 2) for name in names]
                rows.append([method, str(level), str(size), *cells])
        title = f"MSDS{kind}: R^2 on test images of linear probes from all latents of a level"
        print_table(title, ["method", "level", "latents", *names], rows)


def report_axes(results: list[dict]) -> None:
    header = ["data", "method", "latents", "seeds", *MEASURES, "R^2 of all", "kurtosis"]
    digits, rows = {"n90": 1, "kurtosis": 2}, []
    kinds = [kind for (kind,) in distinct(results, "data")]
    for kind in kinds:
        of_kind = select(results, data=kind)
        for method in in_order(RG_FLOWS, of_kind):
            axes = [r["axes"] for r in select(of_kind, method=method)]
            drawn = {
                "as they are": [a["own"] for a in axes],
                "turned": [turn for a in axes for turn in a["rotated"]],
            }
            for name, values in drawn.items():
                keys = (*MEASURES, "R2", "kurtosis")
                cells = [spread([value[k] for value in values], digits.get(k, 3)) for k in keys]
                rows.append([f"MSDS{kind}", method, name, str(len(axes)), *cells])
    title = "Axes of the coarsest latents; standard deviations over seeds, and over rotations too"
    print_table(title, header, rows)
    for kind in kinds:
        of_kind = select(results, data=kind)
        for other in ("normal", "student_t"):
            report_priors(of_kind, kind, f"RG, {other}")
        for prior in PRIORS:
            report_turned(of_kind, kind, f"RG, {prior}")


def joint_deviation(series: list[list[dict]], measure: str) -> float | None:
    """Of turned latents within seeds, and of seeds within each method, together."""
    turns = [[turn[measure] for turn in axes["rotated"]] for own in series for axes in own]
    seeds = [[axes["own"][measure] for axes in own] for own in series]
    if any(len(values) < 2 or None in values for values in (*turns, *seeds)):
        return None
    within, between = (np.mean([np.var(v, ddof=1) for v in part]) for part in (turns, seeds))
    return float(np.sqrt(within + between))


def in_words(gains: list[float], scale: float) -> str:
    if all(d > N_DEVIATIONS * scale for d in gains):
        return "yes"
    return "no, less" if all(d < -N_DEVIATIONS * scale for d in gains) else "within noise"


def report_priors(results: list[dict], kind: int, other: str) -> None:
    """Whether Laplace latents are better aligned than those of another prior."""
    pairs = []
    for r in select(results, method="RG, laplace"):
        partners = select(results, method=other, seed=r["seed"])
        pairs += [(r["axes"], partner["axes"]) for partner in partners]
    question, told = f"MSDS{kind}: Laplace better aligned than {other}", []
    if len(pairs) == 1:
        print(f"{question}? One seed cannot tell")
    if len(pairs) < 2:
        return
    for name, upwards in MEASURES.items():
        values = [(a["own"][name], b["own"][name]) for a, b in pairs]
        scale = joint_deviation([list(own) for own in zip(*pairs, strict=True)], name)
        if scale is not None:
            gains = [(a - b) * (1 if upwards else -1) for a, b in values]
            told.append(f"{name} {in_words(gains, scale)} ({np.mean(gains):+.3f})")
    if told:
        print(f"{question}, {len(pairs)} seeds? {', '.join(told)}")


def report_turned(results: list[dict], kind: int, method: str) -> None:
    """In how many seeds the axes are better aligned than all turned ones."""
    own = [r["axes"] for r in select(results, method=method)]
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


def report(results: list[dict]) -> None:
    report_levels(results)
    report_axes([r for r in results if "axes" in r])


def main() -> None:
    study = Study("rg_factors", __doc__, seeds=2, budget=600.0)
    kinds = {"type": int, "nargs": "+", "choices": KINDS, "default": list(KINDS), "smoke": [1]}
    study.option("--kinds", selects="data", help="of MSDS", **kinds)
    names = {"nargs": "+", "choices": RG_FLOWS, "default": list(RG_FLOWS)}
    study.option("--methods", smoke=["RG, laplace"], help="densities", **names)
    rows = {"type": int, "default": 10_000, "smoke": 70}
    study.option("--rows", help="training images, hold-out included", **rows)
    study.option("--test-rows", type=int, default=1000, smoke=20, help="test images")
    study.option("--probe-rows", type=int, default=4000, smoke=60, help="to fit probes to")
    study.option("--rotations", type=int, default=10, smoke=1, help="random turns of latents")
    study.option("--models", type=Path, help="folder of RG fits, shared with rg_bits.py")
    study.run(measure, report)


if __name__ == "__main__":
    main()
