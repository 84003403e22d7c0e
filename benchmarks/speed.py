"""Throughput of one architecture in flowkit and its peers.

Six rational-quadratic spline couplings on 16 features: halves swap roles from layer to layer, the
conditioner is a ReLU network with two hidden layers of 128, 8 bins, linear tails outside [-3, 3],
a standard normal base, float32, batches of 512. Every library starts at the exact identity.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from _common import (
    Stopwatch,
    environment,
    format_table,
    is_installed,
    make_parser,
    set_threads,
    write_json,
)

N_FEATURES = 16
N_LAYERS = 6
HIDDEN = 128
N_BINS = 8
BOUND = 3.0
BATCH = 512
ESTIMATOR_ROWS = 20_480
TASKS = ("train", "score", "sample")
# softplus of it plus nflows' and normflows' minimum slope of 1e-3 is a slope of one.
UNIT_SLOPE = math.log(math.expm1(1.0 - 1e-3))


@dataclass
class Model:
    """What is timed, behind one face for every library."""

    module: Any
    log_prob: Callable
    sample: Callable[[int], Any]


def conditioner(n_in: int, n_out: int):
    """The conditioner of the libraries that take one ready-made, with a zero-started last layer."""
    import torch

    class Conditioner(torch.nn.Sequential):
        def forward(self, inputs, context=None):
            return super().forward(inputs)

    last = torch.nn.Linear(HIDDEN, n_out)
    slopes = torch.zeros(n_out // (3 * N_BINS - 1), 3 * N_BINS - 1)
    slopes[:, 2 * N_BINS :] = UNIT_SLOPE
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(slopes.flatten())
    return Conditioner(
        torch.nn.Linear(n_in, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, HIDDEN),
        torch.nn.ReLU(),
        last,
    )


def is_transformed(layer: int) -> list[int]:
    """One for each feature that a layer changes: second half first, then in turns."""
    half = N_FEATURES // 2
    return [0] * half + [1] * half if layer % 2 == 0 else [1] * half + [0] * half


def build_flowkit(compile: bool = False) -> Model:
    from flowkit.bijections import Compose, SplineCoupling
    from flowkit.modules import Flow
    from flowkit.priors import Normal

    layers = [
        SplineCoupling(
            N_FEATURES,
            hidden_units=HIDDEN,
            n_hidden_layers=2,
            n_bins=N_BINS,
            tail_bound=BOUND,
            dropout=0.0,
            reverse=bool(i % 2),
            compile=compile,
        )
        for i in range(N_LAYERS)
    ]
    flow = Flow(Compose(layers), Normal(N_FEATURES))
    return Model(flow, flow.log_prob, flow.sample)


def build_zuko() -> Model:
    import torch
    from zuko.distributions import DiagNormal
    from zuko.flows import Flow, UnconditionalDistribution
    from zuko.flows.coupling import GeneralCouplingTransform
    from zuko.transforms import MonotonicRQSTransform

    layers = [
        GeneralCouplingTransform(
            N_FEATURES,
            mask=[not changed for changed in is_transformed(i)],
            univariate=partial(MonotonicRQSTransform, bound=BOUND),
            shapes=[(N_BINS,), (N_BINS,), (N_BINS - 1,)],
            hidden_features=(HIDDEN, HIDDEN),
        )
        for i in range(N_LAYERS)
    ]
    for layer in layers:
        torch.nn.init.zeros_(layer.hyper[-1].weight)
        torch.nn.init.zeros_(layer.hyper[-1].bias)
    base = UnconditionalDistribution(
        DiagNormal, torch.zeros(N_FEATURES), torch.ones(N_FEATURES), buffer=True
    )
    flow = Flow(layers, base)
    return Model(flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,)))


def build_nflows() -> Model:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        CompositeTransform,
        PiecewiseRationalQuadraticCouplingTransform,
    )

    layers = [
        PiecewiseRationalQuadraticCouplingTransform(
            is_transformed(i), conditioner, num_bins=N_BINS, tails="linear", tail_bound=BOUND
        )
        for i in range(N_LAYERS)
    ]
    flow = Flow(CompositeTransform(layers), StandardNormal([N_FEATURES]))
    return Model(flow, flow.log_prob, flow.sample)


def build_normflows() -> Model:
    import normflows
    import torch
    from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling

    layers = []
    for i in range(N_LAYERS):
        layer = normflows.flows.CoupledRationalQuadraticSpline(N_FEATURES, 1, HIDDEN)
        # The public layer has a residual conditioner and an extra unconditional spline: its inner
        # coupling is replaced by one of the common architecture.
        layer.prqct = PiecewiseRationalQuadraticCoupling(
            torch.tensor(is_transformed(i)),
            conditioner,
            num_bins=N_BINS,
            tails="linear",
            tail_bound=BOUND,
        )
        layers.append(layer)
    base = normflows.distributions.DiagGaussian(N_FEATURES, trainable=False)
    flow = normflows.NormalizingFlow(base, layers)
    return Model(flow, flow.log_prob, lambda n: flow.sample(n)[0])


@dataclass
class Library:
    module: str
    build: Callable[[], Model]


LIBRARIES = {
    "flowkit": Library("flowkit", build_flowkit),
    "flowkit compile=True": Library("flowkit", partial(build_flowkit, compile=True)),
    "zuko": Library("zuko", build_zuko),
    "nflows": Library("nflows", build_nflows),
    "normflows": Library("normflows", build_normflows),
}
ESTIMATOR = "FlowDensity (float64)"


def check_identity(model: Model) -> None:
    """Stop unless log_prob is that of the base, which is what the identity start must give."""
    import torch

    x = torch.randn(BATCH, N_FEATURES)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)
    with torch.inference_mode():
        error = (model.log_prob(x) - expected).abs().max().item()
        draws = model.sample(BATCH)
    if not error < 1e-2:
        raise RuntimeError(f"log_prob at the start is off the standard normal's by {error:.3g}")
    if draws.shape != (BATCH, N_FEATURES) or not draws.isfinite().all():
        raise RuntimeError("sample at the start is not a finite (n, d) batch")


def make_steps(model: Model) -> dict[str, Callable[[], object]]:
    """One batch of each task as a call without arguments."""
    import torch

    batches = torch.randn(16, BATCH, N_FEATURES)
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    counter = 0

    def next_batch():
        nonlocal counter
        counter += 1
        return batches[counter % len(batches)]

    def train():
        model.module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = -model.log_prob(next_batch()).mean()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def score():
        model.module.eval()
        model.log_prob(next_batch())

    @torch.inference_mode()
    def sample():
        model.module.eval()
        model.sample(BATCH)

    return {"train": train, "score": score, "sample": sample}


def make_estimator_steps() -> dict[str, Callable[[], object]]:
    """`score_samples` of a fitted estimator with the same architecture, many rows and one row."""
    import numpy as np

    from flowkit import FlowDensity

    X = np.random.default_rng(0).standard_normal((ESTIMATOR_ROWS, N_FEATURES))
    estimator = FlowDensity(
        transforms="spline_coupling",
        n_transforms=N_LAYERS,
        hidden_units=HIDDEN,
        n_hidden_layers=2,
        n_bins=N_BINS,
        tail_bound=BOUND,
        prior="normal",
        max_epochs=1,
        random_state=0,
    ).fit(X[:2048])
    return {
        "score": lambda: estimator.score_samples(X),
        "one row": lambda: estimator.score_samples(X[:1]),
    }


def run_for(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """Repeat a step for about so many seconds of wall time."""
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
    make_steps(LIBRARIES[name].build())
    baseline = peak_mib()
    model = LIBRARIES[name].build()
    check_identity(model)
    steps = make_steps(model)
    n_parameters = sum(p.numel() for p in model.module.parameters())
    return steps, {"baseline_mib": baseline, "n_parameters": n_parameters}


def worker(pipe: Connection, name: str, n_threads: int) -> None:
    """Own process of one library: builds, warms up, then measures what it is asked for."""
    set_threads(n_threads)
    import torch

    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down")
    torch.manual_seed(0)
    try:
        with Stopwatch() as start:
            steps, facts = prepare(name)
            for step in steps.values():
                step()
                step()
    except Exception as error:
        pipe.send({"error": f"{type(error).__name__}: {error}"})
        return
    pipe.send({**facts, "warm_up_seconds": start.wall})
    while (task := pipe.recv()) is not None:
        pipe.send(peak_mib() if task == "memory" else run_for(steps[task[0]], task[1]))


class Workers:
    """The processes of one thread count; all alive at once so that rounds can be interleaved."""

    def __init__(self, names: list[str], n_threads: int):
        context = multiprocessing.get_context("spawn")
        # Children read these when their copy of torch loads.
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n_threads)
        self.ready: dict[str, dict] = {}
        self._pipes: dict[str, Connection] = {}
        self._processes = []
        for name in names:
            here, there = context.Pipe()
            process = context.Process(target=worker, args=(there, name, n_threads), daemon=True)
            process.start()
            # Without this copy closed a dead child would be waited for without end.
            there.close()
            self._processes.append(process)
            self._pipes[name] = here
            try:
                self.ready[name] = here.recv()
            except EOFError:
                self.ready[name] = {"error": "the process ended early"}

    def ask(self, name: str, task: object) -> Any:
        self._pipes[name].send(task)
        return self._pipes[name].recv()

    def close(self) -> None:
        for (name, pipe), process in zip(self._pipes.items(), self._processes, strict=True):
            if "error" not in self.ready[name]:
                pipe.send(None)
            process.join()


def measure(names: list[str], n_threads: int, repeats: int, seconds: float) -> dict[str, dict]:
    """Seconds a batch of every library and task: lists over the interleaved rounds."""
    installed = [name for name in names if is_installed(LIBRARIES[name].module)]
    workers = Workers([*installed, ESTIMATOR] if "flowkit" in installed else installed, n_threads)
    results: dict[str, dict] = {name: {"error": "not installed"} for name in names}
    for name, ready in workers.ready.items():
        tasks = ("score", "one row") if name == ESTIMATOR else TASKS
        results[name] = ready if "error" in ready else {**ready, **{t: [] for t in tasks}}
    alive = [name for name in results if "error" not in results[name]]
    for _ in range(repeats):
        for task in (*TASKS, "one row"):
            for name in alive:
                if task in results[name]:
                    results[name][task].append(workers.ask(name, (task, seconds)))
    for name in alive:
        if name != ESTIMATOR:
            results[name]["peak_mib"] = workers.ask(name, "memory") - results[name]["baseline_mib"]
    workers.close()
    return results


def rate(rounds: list[dict[str, float]], clock: str, rows: int = BATCH) -> float:
    return rows / statistics.median(r[clock] for r in rounds)


COLUMNS = [(task, clock) for task in TASKS for clock in ("cpu", "wall")]


def speed_table(results: dict[str, dict]) -> str:
    header = ["rows/s", *(f"{task} {clock}" for task, clock in COLUMNS)]
    header += ["peak MiB", "start s", "weights"]
    rows = []
    for name, result in results.items():
        if name == ESTIMATOR:
            continue
        if "error" in result:
            rows.append([name] + ["-"] * (len(header) - 1))
            continue
        cells = [f"{rate(result[task], clock):,.0f}" for task, clock in COLUMNS]
        cells += [f"{result['peak_mib']:.0f}", f"{result['warm_up_seconds']:.1f}"]
        rows.append([name, *cells, f"{result['n_parameters']:,}"])
    return format_table(header, rows)


def ratios_to_fastest_peer(results: dict[str, dict]) -> dict[str, dict[str, float]]:
    """For each flowkit row and column: its speed over that of the fastest other library."""
    good = {n: r for n, r in results.items() if n in LIBRARIES and "error" not in r}
    peers = [name for name in good if LIBRARIES[name].module != "flowkit"]
    if not peers:
        return {}
    return {
        name: {
            f"{task} {clock}": rate(good[name][task], clock)
            / max(rate(good[peer][task], clock) for peer in peers)
            for task, clock in COLUMNS
        }
        for name in good
    }


def ratio_table(ratios: dict[str, dict[str, float]]) -> str:
    header = ["x fastest peer", *(f"{task} {clock}" for task, clock in COLUMNS)]
    return format_table(
        header, [[name, *(f"{v:.2f}" for v in row.values())] for name, row in ratios.items()]
    )


def estimator_lines(results: dict[str, dict]) -> str:
    result = results.get(ESTIMATOR)
    if result is None or "error" in result:
        return f"{ESTIMATOR}: not timed"
    cpu, wall = (rate(result["score"], clock, ESTIMATOR_ROWS) for clock in ("cpu", "wall"))
    one_row = 1e3 / rate(result["one row"], "wall", 1)
    lines = [
        f"FlowDensity.score_samples, float64, {ESTIMATOR_ROWS:,} rows a call: {cpu:,.0f} rows/s "
        f"(cpu), {wall:,.0f} (wall); one row alone: {one_row:.2f} ms"
    ]
    module = results.get("flowkit", {})
    if "score" in module:
        share = cpu / rate(module["score"], "cpu")
        lines.append(f"That is {share:.2f} of the bare float32 module's scoring rate, cpu.")
    return "\n".join(lines)


def report(n_threads: int, results: dict[str, dict]) -> None:
    print(f"\n== {n_threads} thread{'s' if n_threads > 1 else ''}")
    print(speed_table(results))
    print()
    print(ratio_table(ratios_to_fastest_peer(results)))
    print()
    print(estimator_lines(results))
    for name, result in results.items():
        if "error" in result:
            print(f"{name}: {result['error']}")


def parse_arguments() -> argparse.Namespace:
    parser = make_parser("speed", "Rows per second of one spline flow in flowkit and its peers.")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, default=1.0, help="wall seconds a measurement")
    parser.add_argument(
        "--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), help="rows to time"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    print(
        f"{N_LAYERS} spline couplings, hidden {HIDDEN}x2, {N_BINS} bins, {N_FEATURES} features, "
        f"batch {BATCH}, float32; median of {arguments.repeats} interleaved rounds"
    )
    payload = {
        "environment": environment(arguments.threads),
        "settings": {
            "repeats": arguments.repeats,
            "seconds": arguments.seconds,
            "batch_size": BATCH,
            "unit": "seconds per batch",
        },
        "results": {},
        "ratios_to_fastest_peer": {},
    }
    for n_threads in arguments.threads:
        results = measure(arguments.libraries, n_threads, arguments.repeats, arguments.seconds)
        report(n_threads, results)
        payload["results"][n_threads] = results
        payload["ratios_to_fastest_peer"][n_threads] = ratios_to_fastest_peer(results)
        write_json(arguments.output, payload)
    print(
        "\nrows/s of process CPU time and of wall time. peak MiB: above imports; with compile=True "
        "the compiler is in it.\nstart s: imports, building and first calls. Conditioners have "
        "equal matrix products; flowkit's adds one\nresidual sum, the others are plain; "
        "normflows' own residual net is replaced by the plain one."
    )
    print(f"Written: {arguments.output}")


if __name__ == "__main__":
    main()
