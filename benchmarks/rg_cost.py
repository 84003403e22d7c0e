"""What default RGFlowDensity of 32 x 32 x 3 images costs, with affine and with spline couplings.

Rows per process CPU second of full training steps of 64 rows (noise, forward, backward, clipping,
AdamW), of `score_samples` (float64) and of the module in float32, in rounds that take turns,
medians; and growth of the peak resident memory of a fresh process over training steps (Linux
alone). ``--budget`` ends the rounds.
"""

from __future__ import annotations

import copy
import math
import multiprocessing
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from lib.clocks import Stopwatch, set_threads
from lib.data import flat, make_msds
from lib.image_flows import BATCH
from lib.memory import AVAILABLE, PeakMemory
from lib.metrics import count
from lib.report import print_table
from lib.rg_flows import TEST_STATE
from lib.runner import Study

COUPLINGS = ("affine", "spline")
SHAPE = (32, 32, 3)
CLIP = 5.0
MEMORY_STEPS = 3
# As many values at once as the estimator scores.
MAX_VALUES = 2**18


def tiny_fit(images: np.ndarray, batch_size: int, n_rows: int, **settings: Any) -> Any:
    """An estimator fitted to few rows, enough for the marginal splines that larger fits have."""
    from flowkit import RGFlowDensity

    given = {"max_epochs": 1, "early_stopping": False, "random_state": 0, "device": "cpu"}
    given |= {"image_shape": SHAPE, "layout": "blocks", "batch_size": batch_size, **settings}
    return RGFlowDensity(**given).fit(images[:n_rows])


class Trainer:
    """Full training steps of the module of an estimator, on one batch with fresh noise."""

    def __init__(self, estimator: Any, images: np.ndarray):
        import torch

        self.module = copy.deepcopy(estimator.module_).float().train()
        self.parameters = list(self.module.parameters())
        options = {"lr": 1e-4, "weight_decay": estimator.weight_decay, "fused": True}
        self.optimizer = torch.optim.AdamW(self.parameters, **options)
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


def training(estimator: Any, images: np.ndarray, n_steps: int) -> Callable[[], None]:
    trainer = Trainer(estimator, images)

    def train() -> None:
        for _ in range(n_steps):
            trainer.step()

    return train


def scoring_in_float32(estimator: Any, images: np.ndarray) -> Callable[[], None]:
    import torch

    module = copy.deepcopy(estimator.module_).float().eval()
    rows = torch.from_numpy((flat(images) - estimator.location_) / estimator.scale_).float()

    def forward() -> None:
        with torch.inference_mode():
            for part in rows.split(MAX_VALUES // rows.shape[1]):
                module.log_prob(part)

    return forward


def speeds(n_rows: int, n_steps: int, n_scored: int, rounds: int, budget: float) -> dict:
    """Rows per CPU second of everything, in rounds; the couplings take turns."""
    images = make_msds(1, max(n_rows, n_scored), TEST_STATE).images
    batch, scored = images[:n_rows], images[:n_scored]
    works: dict[str, tuple[Callable, int]] = {}
    sizes = {}
    for coupling in COUPLINGS:
        for checkpointing in (True, False):
            options = {"coupling": coupling, "gradient_checkpointing": checkpointing}
            estimator = tiny_fit(images, BATCH, n_rows, **options)
            what = "train, checkpointing" if checkpointing else "train"
            work = training(estimator, batch, n_steps)
            works[f"{coupling}, {what}"] = work, n_rows * n_steps
        sizes[coupling] = count(estimator.module_)
        score = (lambda estimator=estimator: estimator.score_samples(scored)), n_scored
        works[f"{coupling}, score, float64"] = score
        works[f"{coupling}, forward, float32"] = scoring_in_float32(estimator, scored), n_scored
    rates: dict[str, list[float]] = {name: [] for name in works}
    names, spent = list(works), 0.0
    for work, _ in works.values():
        work()
    for i in range(rounds):
        if spent > budget:
            break
        # Whoever comes first finds the caches as the one before left them: take turns.
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            work, n = works[name]
            with Stopwatch() as watch:
                work()
            rates[name].append(n / watch.cpu)
            spent += watch.cpu
    return {"rounds": rates, "n_parameters": sizes}


def peak_memory(coupling: str, checkpointing: bool, n_rows: int, threads: int) -> float:
    """MiB by which training steps of a full batch raise the peak of this process."""
    set_threads(threads)
    images = make_msds(1, n_rows, TEST_STATE).images
    # Small batches leave little behind that the steps could use again.
    options = {"coupling": coupling, "gradient_checkpointing": checkpointing}
    trainer = Trainer(tiny_fit(images, 4, n_rows, **options), images)
    with PeakMemory() as memory:
        for _ in range(MEMORY_STEPS):
            trainer.step()
    return memory.mebibytes


def memory(coupling: str, checkpointing: bool, n_rows: int, threads: int) -> dict:
    """In a fresh process, as a peak never falls."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        task = pool.submit(peak_memory, coupling, checkpointing, n_rows, threads)
        return {"mebibytes": task.result()}


def measure(study: Study) -> None:
    args = study.args
    settings = {name: getattr(args, name) for name in ("rows", "rounds", "steps", "score_rows")}
    work = speeds, args.rows, args.steps, args.score_rows, args.rounds, study.budget
    study.cell({"what": "speed"}, settings, *work)
    if not AVAILABLE:
        print("Memory: left out, as only Linux tells it")
        return
    for coupling, checkpointing in product(COUPLINGS, (False, True)):
        if args.smoke and (coupling, checkpointing) != (COUPLINGS[0], True):
            continue
        about = {"what": "memory", "coupling": coupling, "gradient_checkpointing": checkpointing}
        work = memory, coupling, checkpointing, args.rows, args.threads
        study.cell(about, {"rows": args.rows}, *work)


def report(results: list[dict]) -> None:
    for r in results:
        if r["what"] == "speed":
            rows = [
                [name, f"{statistics.median(rates):.1f}", str(r["n_parameters"][coupling])]
                for coupling in COUPLINGS
                for name, rates in r["rounds"].items()
                if name.startswith(coupling)
            ]
            title = f"Rows of 32 x 32 x 3 per CPU second; training in batches of {BATCH}"
            print_table(title, ["what", "rows/s", "parameters"], rows)
    rows = [
        [r["coupling"], "on" if r["gradient_checkpointing"] else "off", f"{r['mebibytes']:.0f}"]
        for r in results
        if r["what"] == "memory"
    ]
    title = f"Growth of the peak memory over training steps of {BATCH} rows, MiB"
    print_table(title, ["coupling", "checkpointing", "MiB"], rows)


def main() -> None:
    study = Study("rg_cost", __doc__, seeds=1, budget=None, smoke_budget=1.0)
    study.option("--rows", type=int, default=BATCH, smoke=8, help="rows of a training step")
    study.option("--rounds", type=int, default=7, smoke=1, help="of timings, which take turns")
    study.option("--steps", type=int, default=4, smoke=1, help="training steps of a timing")
    study.option("--score-rows", type=int, default=340, smoke=8, help="rows of a timing of scores")
    study.run(measure, report)


if __name__ == "__main__":
    main()
