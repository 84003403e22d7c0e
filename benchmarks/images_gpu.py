"""CIFAR-10 on a GPU: bits per dimension of `FractalFlowDensity` after some minutes of wall time.

All 9,968 training images that `lib.data` keeps; the networks are as wide as a GPU carries at little
cost. One cell a width, of which the likelier on the hold-out of training is the one to report; the
test images are scored once for each. ``--budget`` is `max_time`, which counts the start, and scores
come on top. With ``--device cpu`` the script runs without a GPU.
"""

from __future__ import annotations

import time

from lib.data import load_images
from lib.report import print_table
from lib.runner import Study

SETTINGS = {"n_hidden_layers": 3, "dropout": 0.1, "learning_rate": 1e-3}


def fit_and_measure(hidden_units: int, rows: int, seed: int, device: str, budget: float) -> dict:
    """Fit one width; bits per dimension of hold-out and test."""
    from flowkit import FractalFlowDensity

    train, test = load_images("cifar", rows, seed)
    density = FractalFlowDensity(
        image_shape=train.shape[1:],
        fractal="lifting",
        hidden_units=hidden_units,
        max_epochs=1000,
        max_time=budget,
        device=device,
        random_state=seed,
        **SETTINGS,
    )
    began = time.perf_counter()
    density.fit(train)
    seconds = time.perf_counter() - began
    return {
        "n_train": len(train),
        "n_test": len(test),
        "fit_seconds": seconds,
        "n_epochs": density.n_iter_,
        "best_epoch": density.best_epoch_,
        "holdout": float(max(density.history_["valid_log_density"])),
        "bits_per_dim": float(density.bits_per_dim(test)),
    }


def measure(study: Study) -> None:
    import torch

    args = study.args
    if args.device != "cpu" and not torch.cuda.is_available():
        print("torch finds no GPU: --device cpu tries the script without one.")
        return
    for seed in study.seeds:
        for hidden_units in args.hidden_units:
            settings = {**SETTINGS, "rows": args.rows, "seconds": args.budget}
            about = {"hidden_units": hidden_units, "device": args.device, "seed": seed}
            work = fit_and_measure, hidden_units, args.rows, seed, args.device, study.budget
            study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    header = [
        "hidden units",
        "device",
        "seed",
        "test bits/dim",
        "hold-out, nats",
        "epochs",
        "wall s",
    ]
    rows = [
        [
            str(r["hidden_units"]),
            r["device"],
            str(r["seed"]),
            f"{r['bits_per_dim']:.3f}",
            f"{r['holdout']:.1f}",
            str(r["n_epochs"]),
            f"{r['fit_seconds']:.0f}",
        ]
        for r in results
    ]
    print_table("CIFAR-10, bits per dimension of unseen images", header, rows)


def main() -> None:
    study = Study("images_gpu", __doc__, seeds=1, budget=480.0, smoke_budget=1.0)
    study.option("--device", default="cuda", smoke="cpu", help="where to run")
    study.option("--rows", type=int, default=10_000, smoke=60, help="most training images")
    widths = {"nargs": "+", "type": int, "default": [128, 256], "help": "widths of the networks"}
    study.option("--hidden-units", smoke=[8], **widths)
    study.run(measure, report)


if __name__ == "__main__":
    main()
