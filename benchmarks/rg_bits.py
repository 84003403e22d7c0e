"""RG-Flow: bits per dimension of images with known factors.

Data are MSDS1 and MSDS2: in kind 1 an image has a colour and each ellipse an offset from it and an
angle; in kind 2 an image has an angle and each ellipse an offset from it and a colour. Training and
test images are drawn apart from one another.

Bits per dimension are those of test images with one draw of uniform noise, lower is better. All
flows get the same CPU seconds, batches of 64 and a learning rate that falls to zero over what is
left of them when training begins; the epoch under way is finished. "RealNVP, conv" has no matrix of
all pixels, so that it has about as many parameters as RG-Flow, and the same logit and splines of
single pixels before the first coupling. "RealNVP, conv, matrix" is that of images.py, which has the
matrix and begins by whitening (19 million parameters, of which half are used).
"""

from __future__ import annotations

from pathlib import Path

from lib.clocks import Stopwatch
from lib.data import make_msds
from lib.image_flows import measure_flow
from lib.report import distinct, in_order, print_table, select, spread
from lib.rg_flows import FITS, GAUSSIAN, KINDS, RG_FLOWS, TEST_STATE, file_of, fit_or_load
from lib.runner import Study


def fit_and_measure(study: Study, kind: int, seed: int, method: str) -> dict:
    args = study.args
    test = make_msds(kind, args.test_rows, TEST_STATE).images

    def train():
        return make_msds(kind, args.rows, seed).images

    if method in RG_FLOWS:
        path = file_of(args.models, kind, method, seed, args.rows, args.budget)
        return fit_or_load(method, (train, test), seed, study.budget, path)[0]
    if method != GAUSSIAN:
        return measure_flow(FITS[method], train(), test, seed, study.budget)[0]
    images = train()
    with Stopwatch() as watch:
        model = FITS[method](images, seed, study.budget)
    told = {"bits_per_dim": model.bits_per_dim(test), "n_parameters": model.n_parameters}
    return {**told, **watch.seconds("fit")}


def measure(study: Study) -> None:
    settings = {name: getattr(study.args, name) for name in ("rows", "test_rows", "budget")}
    for kind in study.args.kinds:
        for seed in study.seeds:
            for method in study.args.methods:
                about = {"data": kind, "seed": seed, "method": method}
                study.cell(about, settings, fit_and_measure, study, kind, seed, method)


def report(results: list[dict]) -> None:
    rows = []
    for (kind,) in distinct(results, "data"):
        of_kind = select(results, data=kind)
        for method in in_order(FITS, of_kind):
            own = select(of_kind, method=method)
            rows.append(
                [
                    f"MSDS{kind}",
                    method,
                    str(len(own)),
                    spread([r["bits_per_dim"] for r in own], 3),
                    str(own[0]["n_parameters"]),
                    spread([r["fit_cpu_seconds"] for r in own], 0),
                    spread([r.get("n_epochs") for r in own], 1),
                ]
            )
    header = ["data", "method", "seeds", "bits/dim", "parameters", "CPU s", "epochs"]
    title = "Bits per dimension of test images, means and standard deviations over seeds"
    print_table(title, header, rows)


def main() -> None:
    study = Study("rg_bits", __doc__, seeds=2, budget=600.0)
    kinds = {"type": int, "nargs": "+", "choices": KINDS, "default": list(KINDS), "smoke": [1]}
    study.option("--kinds", selects="data", help="of MSDS", **kinds)
    # A matrix of 3072 pixels is costly for however few rows.
    smoke = ["RealNVP, conv", "RG, laplace"]
    names = {"nargs": "+", "choices": FITS, "default": list(FITS), "smoke": smoke}
    study.option("--methods", selects="method", help="densities", **names)
    rows = {"type": int, "default": 10_000, "smoke": 70}
    study.option("--rows", help="training images, hold-out included", **rows)
    study.option("--test-rows", type=int, default=1000, smoke=8, help="test images")
    study.option("--models", type=Path, help="folder of RG fits, shared with rg_factors.py")
    study.run(measure, report)


if __name__ == "__main__":
    main()
