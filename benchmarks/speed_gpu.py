"""Rows per second of one spline flow on a GPU: flowkit, its ways to save calls, and its peers.

The flow is that of `lib.peer_flows`. "graph": a whole step is recorded as a CUDA graph once and
then replayed. Rounds take turns; medians of wall time are shown, of steps that have ended on the
device. ``--budget`` is the wall time of one measurement. With ``--device cpu`` there are no graphs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lib import peer_flows
from lib.report import distinct, print_table, select
from lib.runner import Study

TASKS = ("train", "score", "sample")
GRAPH = "flowkit, graph"
BUILDERS: dict[str, Callable[[], peer_flows.Model]] = {
    "flowkit": peer_flows.build_flowkit,
    "flowkit compile=True": partial(peer_flows.build_flowkit, compile=True),
    GRAPH: peer_flows.build_flowkit,
    "zuko": peer_flows.build_zuko,
    "nflows": peer_flows.build_nflows,
    "normflows": peer_flows.build_normflows,
}
# Steps before a graph is recorded, as torch asks for.
N_WARM_UP = 3


def make_steps(model: peer_flows.Model, batch: int, device: str) -> dict[str, Callable[[], Any]]:
    """One batch of each task, always of the same rows, as a graph needs."""
    import torch

    x = torch.randn(batch, peer_flows.N_FEATURES, device=device)
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True, capturable=device != "cpu")

    def train() -> None:
        model.module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = -model.log_prob(x).mean()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def score() -> None:
        model.module.eval()
        model.log_prob(x)

    @torch.inference_mode()
    def sample() -> None:
        model.module.eval()
        model.sample(batch)

    return {"train": train, "score": score, "sample": sample}


def recorded(step: Callable[[], Any]) -> Callable[[], Any]:
    """A step as a CUDA graph."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(N_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def seconds_a_step(step: Callable[[], Any], seconds: float, device: str) -> float:
    """Repeat a step for about so many seconds; wall seconds of one."""
    import torch

    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    wait()
    n_steps, began = 0, time.perf_counter()
    while n_steps == 0 or time.perf_counter() - began < seconds:
        step()
        wait()
        n_steps += 1
    return (time.perf_counter() - began) / n_steps


def measure_one(name: str, batch: int, device: str, repeats: int, budget: float) -> dict:
    """Seconds of each task in each round."""
    import torch

    torch.manual_seed(0)
    with torch.device(device):
        model = BUILDERS[name]()
    model.module.to(device)
    steps = make_steps(model, batch, device)
    for task in steps:
        for _ in range(N_WARM_UP):
            steps[task]()
        # Draws of a recorded graph would need a generator that it knows.
        if name == GRAPH and device != "cpu" and task != "sample":
            steps[task] = recorded(steps[task])
    rounds: dict[str, list[float]] = {task: [] for task in TASKS}
    for _ in range(repeats):
        for task in TASKS:
            rounds[task].append(seconds_a_step(steps[task], budget, device))
    return rounds


def measure(study: Study) -> None:
    import torch

    args = study.args
    if args.device != "cpu" and not torch.cuda.is_available():
        print("torch finds no GPU: --device cpu tries the script without one.")
        return
    settings = {"repeats": args.repeats, "seconds": args.budget, "device": args.device}
    for batch in args.batch_sizes:
        for name in study.installed(BUILDERS, peer_flows.NEEDED):
            about = {"batch": batch, "method": name}
            work = measure_one, name, batch, args.device, args.repeats, study.budget
            study.cell(about, settings, *work)


def report(results: list[dict]) -> None:
    for (batch,) in distinct(results, "batch"):
        own = {r["method"]: r for r in select(results, batch=batch)}
        rates = {
            name: [batch / statistics.median(r[task]) for task in TASKS] for name, r in own.items()
        }
        peers = [values for name, values in rates.items() if not name.startswith("flowkit")]
        best = [max(column) for column in zip(*peers, strict=True)] if peers else None
        rows = [
            [name, *(f"{v:,.0f}" for v in values)]
            + ([f"{v / b:.2f}" for v, b in zip(values, best, strict=True)] if best else [])
            for name, values in rates.items()
        ]
        ratios = [f"{task}, times the fastest peer" for task in TASKS] if best else []
        print_table(f"Rows per second, batches of {batch}", ["", *TASKS, *ratios], rows)


def main() -> None:
    study = Study("speed_gpu", __doc__, seeds=1, budget=1.0, smoke_budget=0.02)
    study.option("--repeats", type=int, default=5, smoke=1, help="rounds")
    study.option("--device", default="cuda", smoke="cpu", help="where to run")
    sizes = {"nargs": "+", "type": int, "default": [512, 8192], "help": "rows of a batch"}
    study.option("--batch-sizes", smoke=[64], **sizes)
    study.run(measure, report)


if __name__ == "__main__":
    main()
