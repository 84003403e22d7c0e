"""Cost of flowkit's skorch-driven training over a hand-written torch loop.

Both train the same module on the same batches in the same order with the same optimiser, learning
rates and clipping, and must end with the same weights. The bare loop leaves out what a quick script
leaves out: clipping, the schedule, the finite check and the record of the loss.
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    add_threads_option,
    environment,
    format_table,
    is_installed,
    make_parser,
    set_threads,
    write_json,
)

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


def check_same_training(start: Any, x: Any, batch_size: int) -> float:
    """Largest difference of a weight after one epoch here and there; stops if it is not small."""
    trained = {}
    for name in ("flowkit", "hand"):
        trained[name] = copy.deepcopy(start)
        LOOPS[name](trained[name], x, batch_size, 1)
    pairs = zip(trained["flowkit"].parameters(), trained["hand"].parameters(), strict=True)
    difference = max((a - b).abs().max().item() for a, b in pairs)
    if not difference < 1e-3:
        raise SystemExit(f"The two trainings differ: a weight by {difference:.3g} after an epoch.")
    return difference


def measure(
    start: Any, x: Any, batch_size: int, n_epochs: int, n_repeats: int
) -> dict[str, list[float]]:
    """CPU seconds per epoch of every loop, one entry a round."""
    seconds: dict[str, list[float]] = {name: [] for name in LOOPS}
    names = list(LOOPS)
    for i in range(n_repeats):
        # Whoever comes first finds the caches as the one before left them: take turns.
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            module = copy.deepcopy(start)
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


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("training_overhead", "CPU time of flowkit's training over a bare loop.")
    add_threads_option(parser)
    parser.add_argument("--rows", type=int, default=100_000, help="training rows")
    parser.add_argument(
        "--batch-sizes", type=int, nargs="+", default=[512, 2048, 8192], help="rows of a batch"
    )
    parser.add_argument("--epochs", type=int, default=1, help="epochs of one measurement")
    parser.add_argument("--repeats", type=int, default=9, help="interleaved rounds")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if not is_installed("flowkit"):
        raise SystemExit("flowkit is not installed.")
    set_threads(arguments.threads)
    import torch

    torch.manual_seed(0)
    x = torch.randn(arguments.rows, N_FEATURES)
    payload = {
        "environment": environment(arguments.threads),
        "settings": {
            "rows": arguments.rows,
            "features": N_FEATURES,
            "epochs": arguments.epochs,
            "repeats": arguments.repeats,
        },
        "results": [],
    }
    rows = []
    for model, build in MODELS.items():
        start = build()
        for batch_size in arguments.batch_sizes:
            difference = check_same_training(start, x, batch_size)
            seconds = measure(start, x, batch_size, arguments.epochs, arguments.repeats)
            overheads = {name: overhead_percent(seconds, name) for name in ("hand", "bare")}
            payload["results"].append(
                {
                    "model": model,
                    "batch_size": batch_size,
                    "cpu_seconds_per_epoch": seconds,
                    "overhead_percent": overheads,
                    "largest_weight_difference": difference,
                }
            )
            write_json(arguments.output, payload)
            medians = [f"{statistics.median(s):.3f}" for s in seconds.values()]
            percents = map(format_percent, overheads.values())
            rows.append([model, str(batch_size), *medians, *percents])
    print(
        f"CPU seconds per epoch of {arguments.rows:,} x {N_FEATURES} float32 rows, "
        f"{arguments.threads} thread(s), median (quartiles) of {arguments.repeats} interleaved "
        "rounds"
    )
    print(format_table(["model", "batch", *LOOPS, "over hand", "over bare"], rows))
    worst = max(result["overhead_percent"]["hand"]["median"] for result in payload["results"])
    verdict = "met" if worst <= TARGET_PERCENT else "missed"
    print(f"Worst overhead over hand {worst:.1f} %, target {TARGET_PERCENT:.0f} %: {verdict}.")
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
