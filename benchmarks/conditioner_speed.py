"""Rows per second of KAN and MLP conditioners of equal size, alone.

One forward and backward pass in training of batches of 256, for the shapes of a root, a second
level and a third one of a fractal tree. Sizes are equal within 10 %; see `lib.sizes`. The networks
take turns, so that both meet the same load, and the median over rounds is shown. ``--budget`` is
the CPU time of one timing.
"""

from __future__ import annotations

import statistics
from typing import Any

from lib.clocks import Stopwatch
from lib.metrics import count
from lib.report import print_table
from lib.runner import Study
from lib.sizes import equal_widths

# groups, in_features, out_features.
SHAPES = ((1, 8, 184), (2, 4, 92), (4, 2, 46))
BATCH = 256
PASSES = 20
N_HIDDEN_LAYERS = 2


def build(conditioner: str, width: int, groups: int, in_features: int, out_features: int) -> Any:
    import torch

    from flowkit.nets import KAN, GroupedMLP

    return {"mlp": GroupedMLP, "kan": KAN}[conditioner](
        in_features,
        out_features,
        groups,
        hidden_units=width,
        n_hidden_layers=N_HIDDEN_LAYERS,
        zero=False,
        generator=torch.Generator().manual_seed(0),
    )


def rows_per_second(net: Any, x: Any, seconds: float) -> float:
    rows, cpu = 0, 0.0
    while rows == 0 or cpu < seconds:
        with Stopwatch() as watch:
            for _ in range(PASSES):
                net.zero_grad()
                net(x).square().mean().backward()
        rows, cpu = rows + PASSES * x.shape[2], cpu + watch.cpu
    return rows / cpu


def compare(shape: tuple[int, int, int], seconds: float, rounds: int) -> dict:
    import torch

    groups, in_features, _ = shape
    widths = equal_widths(lambda conditioner, width: count(build(conditioner, width, *shape)))
    nets = {name: build(name, width, *shape) for name, width in widths.items()}
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(groups, in_features, BATCH, generator=generator).requires_grad_()
    speeds: dict[str, list[float]] = {name: [] for name in nets}
    for net in nets.values():
        net(x).square().mean().backward()
    for _ in range(rounds):
        for name, net in nets.items():
            speeds[name].append(rows_per_second(net, x, seconds))
    return {
        "hidden_units": widths,
        "n_parameters": {name: count(net) for name, net in nets.items()},
        "rows_per_cpu_second": {name: statistics.median(v) for name, v in speeds.items()},
    }


def measure(study: Study) -> None:
    settings = {"budget": study.args.budget, "rounds": study.args.rounds}
    for shape in SHAPES:
        about = dict(zip(("groups", "in_features", "out_features"), shape, strict=True))
        study.cell(about, settings, compare, shape, study.budget, study.args.rounds)


def report(results: list[dict]) -> None:
    rows = [
        [
            f"{r['groups']} x {r['in_features']} x {r['out_features']}",
            name,
            str(width),
            str(r["n_parameters"][name]),
            f"{r['rows_per_cpu_second'][name]:,.0f}",
        ]
        for r in results
        for name, width in r["hidden_units"].items()
    ]
    title = f"Networks alone, forward and backward, batches of {BATCH}"
    header = ["groups x in x out", "net", "width", "parameters", "rows / CPU s"]
    print_table(title, header, rows)


def main() -> None:
    study = Study("conditioner_speed", __doc__, seeds=1, budget=0.5, smoke_budget=0.02)
    study.option("--rounds", type=int, default=5, smoke=1, help="timings of each network")
    study.run(measure, report)


if __name__ == "__main__":
    main()
