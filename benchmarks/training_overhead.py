"""Cost of flowkit's skorch-driven training over a hand-written torch loop.

Both train the same module on the same batches in the same order with the same optimiser, learning
rates and clipping, and must end with the same weights. The bare loop leaves out what a quick script
leaves out: clipping, the schedule, the finite check and the record of the loss.
"""

from __future__ import annotations

import copy
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.report import print_table
from lib.runner import Study

N_FEATURES = 20
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-5
WARMUP = 0.05
CLIP = 5.0
TARGET_PERCENT = 10.0


def build_spline() -> Any:
    return build_flow("SplineCoupling", n_layers=6, hidden_units=128)


def build_small() -> Any:
    return build_flow("AffineCoupling", n_layers=4, hidden_units=64)


MODELS = {"6 spline couplings, 128x2": build_spline, "4 affine couplings, 64x2": build_small}


def build_flow(layer: str, n_layers: int, hidden_units: int) -> Any:
    from flowkit import bijections
    from flowkit.modules import Flow
    from flowkit.priors import Normal

    coupling = getattr(bijections, layer)
    layers = [
        coupling(N_FEATURES, hidden_units=hidden_units, n_hidden_layers=2, reverse=bool(i % 2))
        for i in range(n_layers)
    ]
    return Flow(bijections.Compose(layers), Normal(N_FEATURES))


def train_flowkit(module: Any, x: Any, batch_size: int, n_epochs: int) -> None:
    import torch

    from flowkit.training import Noise, Rows, TrainingOptions, train

    options = TrainingOptions(
        max_epochs=n_epochs,
        batch_size=batch_size,
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        patience=None,
        tol=1e-4,
        noise=Noise(),
    )
    train(module, Rows(x), None, options, torch.Generator().manual_seed(0))


def schedule_factor(step: int, n_steps: int) -> float:
    n_warmup = max(1, round(WARMUP * n_steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    progress = (step - n_warmup) / max(1, n_steps - n_warmup)
    return 0.5 * (1 + math.cos(math.pi * progress))


def shuffled_batches(x: Any, batch_size: int, generator: Any) -> Any:
    import torch

    order = torch.randperm(len(x), generator=generator)
    for index in order.tensor_split(-(-len(x) // batch_size)):
        yield x.index_select(0, index)


def train_by_hand(module: Any, x: Any, batch_size: int, n_epochs: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    parameters = list(module.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    n_batches = -(-len(x) // batch_size)
    module.train()
    step = 0
    for _ in range(n_epochs):
        total = 0.0
        for batch in shuffled_batches(x, batch_size, generator):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * schedule_factor(
                step, n_epochs * n_batches
            )
            step += 1
            optimizer.zero_grad(set_to_none=True)
            loss = -module.log_prob(batch).mean()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            total += loss.item()
            if not math.isfinite(total + norm.item()):
                raise FloatingPointError("the loss is not finite")
            optimizer.step()


def train_bare(module: Any, x: Any, batch_size: int, n_epochs: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    module.train()
    for _ in range(n_epochs):
        for batch in shuffled_batches(x, batch_size, generator):
            optimizer.zero_grad(set_to_none=True)
            loss = -module.log_prob(batch).mean()
            loss.backward()
            optimizer.step()


LOOPS: dict[str, Callable] = {
    "flowkit": train_flowkit,
    "hand": train_by_hand,
    "bare": train_bare,
}


def largest_difference(initial: Any, x: Any, batch_size: int) -> float:
    """Of a weight after one epoch here and there; an error if it is not small."""
    trained = {}
    for name in ("flowkit", "hand"):
        trained[name] = copy.deepcopy(initial)
        LOOPS[name](trained[name], x, batch_size, 1)
    pairs = zip(trained["flowkit"].parameters(), trained["hand"].parameters(), strict=True)
    difference = max((a - b).abs().max().item() for a, b in pairs)
    if not difference < 1e-3:
        raise RuntimeError(f"the trainings differ: a weight by {difference:.3g} after an epoch")
    return difference


def seconds_per_epoch(
    initial: Any, x: Any, batch_size: int, n_epochs: int, n_repeats: int, budget: float
) -> dict[str, list[float]]:
    """CPU seconds per epoch of every loop, one entry a round; no round begins after the budget."""
    seconds: dict[str, list[float]] = {name: [] for name in LOOPS}
    names = list(LOOPS)
    for i in range(n_repeats):
        if sum(map(sum, seconds.values())) * n_epochs > budget:
            break
        # Whoever comes first finds the caches as the one before left them: take turns.
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            module = copy.deepcopy(initial)
            with Stopwatch() as watch:
                LOOPS[name](module, x, batch_size, n_epochs)
            seconds[name].append(watch.cpu / n_epochs)
    return seconds


def overhead_percent(seconds: dict[str, list[float]], baseline: str) -> dict[str, float]:
    """Quartiles over the rounds, whose members ran one right after the other."""
    pairs = zip(seconds["flowkit"], seconds[baseline], strict=True)
    percents = [100 * (ours / theirs - 1) for ours, theirs in pairs]
    low, median, high = np.percentile(percents, [25, 50, 75]).tolist()
    return {"median": median, "low": low, "high": high}


def format_percent(percent: dict[str, float]) -> str:
    return f"{percent['median']:+.1f} % ({percent['low']:+.1f} to {percent['high']:+.1f})"


def compare_loops(
    initial: Any, x: Any, batch_size: int, n_epochs: int, n_repeats: int, budget: float
) -> dict:
    difference = largest_difference(initial, x, batch_size)
    seconds = seconds_per_epoch(initial, x, batch_size, n_epochs, n_repeats, budget)
    return {
        "cpu_seconds_per_epoch": seconds,
        "overhead_percent": {name: overhead_percent(seconds, name) for name in ("hand", "bare")},
        "largest_weight_difference": difference,
    }


def measure(study: Study) -> None:
    import torch

    args = study.args
    torch.manual_seed(0)
    x = torch.randn(args.rows, N_FEATURES)
    settings = {name: getattr(args, name) for name in ("rows", "epochs", "repeats", "budget")}
    for model in args.models:
        initial = MODELS[model]()
        for batch_size in args.batch_sizes:
            work = compare_loops, initial, x, batch_size, args.epochs, args.repeats, study.budget
            study.cell({"model": model, "batch_size": batch_size}, settings, *work)


def report(results: list[dict]) -> None:
    rows = []
    for r in results:
        medians = [f"{statistics.median(s):.3f}" for s in r["cpu_seconds_per_epoch"].values()]
        percents = map(format_percent, r["overhead_percent"].values())
        rows.append([r["model"], str(r["batch_size"]), *medians, *percents])
    print_table(
        f"CPU seconds per epoch of {results[0]['settings']['rows']:,} x {N_FEATURES} float32 rows, "
        "median; overheads are medians (quartiles) over rounds",
        ["model", "batch", *LOOPS, "over hand", "over bare"],
        rows,
    )
    worst = max(r["overhead_percent"]["hand"]["median"] for r in results)
    told = "met" if worst <= TARGET_PERCENT else "missed"
    print(f"Worst overhead over hand {worst:.1f} %, target {TARGET_PERCENT:.0f} %: {told}.")


def main() -> None:
    study = Study("training_overhead", __doc__, seeds=1, budget=None, smoke_budget=0.2)
    models, batches = list(MODELS), [512, 2048, 8192]
    names = {"nargs": "+", "choices": models, "default": models}
    study.option("--models", selects="model", help="what is trained", **names)
    study.option("--rows", type=int, default=100_000, smoke=256, help="training rows")
    sizes = {"type": int, "nargs": "+", "default": batches, "smoke": [128]}
    study.option("--batch-sizes", selects="batch_size", help="rows of a batch", **sizes)
    study.option("--epochs", type=int, default=1, help="of one measurement")
    study.option("--repeats", type=int, default=9, smoke=2, help="rounds that take turns")
    study.run(measure, report)


if __name__ == "__main__":
    main()
