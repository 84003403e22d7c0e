"""Rows per second of one spline flow in flowkit and its peers, and of FlowDensity itself.

The flow is that of `lib.peer_flows`, with batches of 512. Every library runs in a process of its
own; measurements take turns, and medians over the rounds are shown, of rows per second of process
CPU time and of wall time. "peak MiB": growth of the peak memory above that of the imports. "begin
s": imports, building and first calls. ``--budget`` is the wall time of one measurement.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from lib import peer_flows
from lib.clocks import Stopwatch, set_threads
from lib.metrics import count
from lib.report import distinct, print_table, select
from lib.runner import Study

ESTIMATOR = "FlowDensity (float64)"
ESTIMATOR_ROWS = 20_480
TASKS = ("train", "score", "sample")
ESTIMATOR_TASKS = ("score", "sample", "one row")
CLOCKS = ("cpu", "wall")
LIBRARIES = [*peer_flows.BUILDERS, ESTIMATOR]


def make_steps(model: peer_flows.Model) -> dict[str, Callable[[], object]]:
    """One batch of each task as a call without arguments."""
    import torch

    batches = torch.randn(16, peer_flows.BATCH, peer_flows.N_FEATURES)
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    counter = 0

    def next_batch() -> torch.Tensor:
        nonlocal counter
        counter += 1
        return batches[counter % len(batches)]

    def train() -> None:
        model.module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = -model.log_prob(next_batch()).mean()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def score() -> None:
        model.module.eval()
        model.log_prob(next_batch())

    @torch.inference_mode()
    def sample() -> None:
        model.module.eval()
        model.sample(peer_flows.BATCH)

    return {"train": train, "score": score, "sample": sample}


def make_estimator_steps() -> dict[str, Callable[[], object]]:
    """`score_samples` of a fitted estimator with the same architecture, many rows and one row."""
    import numpy as np

    from flowkit import FlowDensity

    shape = ESTIMATOR_ROWS, peer_flows.N_FEATURES
    X = np.random.default_rng(0).standard_normal(shape)
    estimator = FlowDensity(
        transforms="spline_coupling",
        n_transforms=peer_flows.N_LAYERS,
        hidden_units=peer_flows.HIDDEN,
        n_hidden_layers=2,
        n_bins=peer_flows.N_BINS,
        tail_bound=peer_flows.BOUND,
        prior="normal",
        max_epochs=1,
        random_state=0,
    ).fit(X[:2048])
    return {
        "score": lambda: estimator.score_samples(X),
        "sample": lambda: estimator.sample(ESTIMATOR_ROWS, random_state=0),
        "one row": lambda: estimator.score_samples(X[:1]),
    }


def run_for(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """Repeat a step for about so many seconds of wall time; seconds a step."""
    n_steps = 0
    with Stopwatch() as watch:
        deadline = time.perf_counter() + seconds
        while n_steps == 0 or time.perf_counter() < deadline:
            step()
            n_steps += 1
    return {"cpu": watch.cpu / n_steps, "wall": watch.wall / n_steps}


def peak_mib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def prepare(name: str) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """The steps of one row of the table, and what is known before they run."""
    if name == ESTIMATOR:
        return make_estimator_steps(), {}
    # A first model, thrown away, brings in all imports: they are not the peak to report.
    make_steps(peer_flows.BUILDERS[name]())
    baseline = peak_mib()
    model = peer_flows.BUILDERS[name]()
    peer_flows.check_identity(model)
    return make_steps(model), {"baseline_mib": baseline, "n_parameters": count(model.module)}


def worker(pipe: Connection, name: str, n_threads: int) -> None:
    """Process of one library: builds, warms up, then measures what it is asked for."""
    set_threads(n_threads)
    if name == peer_flows.WITHOUT_KERNELS:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    import torch

    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down")
    torch.manual_seed(0)
    try:
        with Stopwatch() as watch:
            steps, facts = prepare(name)
            for step in steps.values():
                step()
                step()
    except Exception as error:
        pipe.send({"error": f"{type(error).__name__}: {error}"})
        return
    pipe.send({**facts, "warm_up_seconds": watch.wall})
    while (task := pipe.recv()) is not None:
        pipe.send(peak_mib() if task == "memory" else run_for(steps[task[0]], task[1]))


class Worker:
    """Face of the process of a library; all are alive at once, so that rounds can take turns."""

    def __init__(self, name: str, n_threads: int):
        context = multiprocessing.get_context("spawn")
        # The child reads these when its copy of torch loads.
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n_threads)
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=worker, args=(there, name, n_threads), daemon=True)
        self._process.start()
        # Without this copy closed a dead child would be waited for without end.
        there.close()
        self.facts: dict = self._receive({"error": "the process ended early"})
        tasks = ESTIMATOR_TASKS if name == ESTIMATOR else TASKS
        self.rounds: dict[str, list] = {task: [] for task in tasks}

    def _receive(self, otherwise: Any) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            return otherwise

    def measure(self, task: str, seconds: float) -> None:
        if task in self.rounds and "error" not in self.facts:
            self._pipe.send((task, seconds))
            self.rounds[task].append(self._receive(None))

    def close(self) -> dict:
        """End the process, and give back what it measured."""
        if "error" in self.facts:
            raise RuntimeError(self.facts["error"])
        self._pipe.send("memory")
        peak = self._receive(0.0)
        self._pipe.send(None)
        self._process.join()
        if "baseline_mib" in self.facts:
            self.facts["peak_mib"] = peak - self.facts["baseline_mib"]
        return {**self.facts, **self.rounds}


def measure(study: Study) -> None:
    names = study.installed(study.args.libraries, peer_flows.NEEDED)
    settings = {"repeats": study.args.repeats, "seconds": study.args.budget}
    for n_threads in study.args.threads:
        about = {name: {"threads": n_threads, "method": name} for name in names}
        if not study.lacks(about.values()):
            continue
        # Speeds are compared, so those of one thread count are measured together or not at all.
        workers = {name: Worker(name, n_threads) for name in names}
        for _ in range(study.args.repeats):
            for task in (*TASKS, "one row"):
                for one in workers.values():
                    one.measure(task, study.budget)
        for name in names:
            study.cell(about[name], settings, workers[name].close)


def rate(result: dict, task: str, clock: str, rows: int = peer_flows.BATCH) -> float:
    return rows / statistics.median(r[clock] for r in result[task])


def report(results: list[dict]) -> None:
    columns = [(task, clock) for task in TASKS for clock in CLOCKS]
    names = [f"{task} {clock}" for task, clock in columns]
    for (n_threads,) in distinct(results, "threads"):
        own = {r["method"]: r for r in select(results, threads=n_threads)}
        estimator = own.pop(ESTIMATOR, None)
        rates = {name: [rate(r, *column) for column in columns] for name, r in own.items()}
        rows = []
        for name, r in own.items():
            rest = f"{r['peak_mib']:.0f}", f"{r['warm_up_seconds']:.1f}", f"{r['n_parameters']:,}"
            rows.append([name, *(f"{value:,.0f}" for value in rates[name]), *rest])
        title = f"Rows per second, {n_threads} thread(s)"
        print_table(title, ["", *names, "peak MiB", "begin s", "weights"], rows)
        peers = [values for name, values in rates.items() if not name.startswith("flowkit")]
        if peers:
            best = [max(column) for column in zip(*peers, strict=True)]
            rows = [
                [name, *(f"{v / b:.2f}" for v, b in zip(values, best, strict=True))]
                for name, values in rates.items()
            ]
            print_table("Times the fastest peer", ["", *names], rows)
        if estimator is not None:
            for task, call in (("score", "score_samples"), ("sample", "sample")):
                cpu, wall = (rate(estimator, task, clock, ESTIMATOR_ROWS) for clock in CLOCKS)
                print(f"\nFlowDensity.{call}, float64: {cpu:,.0f} rows/s (cpu), {wall:,.0f} (wall)")
                if peers:
                    share = cpu / best[columns.index((task, "cpu"))]
                    print(f"That is {share:.2f} of the fastest peer's float32, cpu.")
            print(f"\nOne row alone: {1e3 / rate(estimator, 'one row', 'wall', 1):.2f} ms")


def main() -> None:
    study = Study("speed", __doc__, seeds=1, budget=1.0, smoke_budget=0.02, threads=[1, 2])
    study.option("--repeats", type=int, default=7, smoke=1, help="rounds")
    names = {"nargs": "+", "choices": LIBRARIES, "default": LIBRARIES, "help": "rows of the table"}
    study.option("--libraries", selects="method", **names)
    study.run(measure, report)


if __name__ == "__main__":
    main()
