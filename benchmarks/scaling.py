"""What one and two processes take for a fit and for scores, and what that means for many.

Part "fit" trains `FlowDensity` by 1 and 2 processes that share each batch, through
`flowkit.distributed.data_parallel`, each on one thread, and times the sum of a gradient over them.
Part "score" scores a dask array by 1 and 2 processes of a local cluster. Part "columns" has the
growth of parameters, time and memory with the columns, one process. Seconds of processes that take
turns on few cores say little: CPU seconds a process are told beside them.

What is printed last is on paper: a pass over --paper-rows rows by --paper-processes processes of
--speed-up times the speed of the thread here, from these numbers and the exponents of the columns.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.memory import PeakMemory
from lib.report import print_table, select
from lib.runner import Study
from lib.together import run_together
from skorch.callbacks import Callback

COLUMNS = 10
PARTS = ("fit", "score", "columns")
# Numbers of the vectors whose sums are timed, beside the gradient.
SHORT, LONG = 1000, 4_000_000
N_SUMS = 10
N_CHUNKS = 16


# CPU time of this process at the ends of epochs.
ENDS: list[float] = []


class CpuClock(Callback):
    def on_epoch_end(self, net, **kwargs):
        ENDS.append(time.process_time())


def make_rows(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)) + 4 * rng.integers(3, size=(n, 1))


def build(epochs: int, batch_size: int) -> Any:
    from flowkit import FlowDensity

    options = {"max_epochs": epochs, "n_iter_no_change": epochs, "random_state": 0}
    return FlowDensity(batch_size=batch_size, callbacks=[CpuClock()], **options)


def n_parameters(density: Any) -> int:
    return sum(p.numel() for p in density.module_.parameters())


def timed_epochs(density: Any, X: np.ndarray) -> dict:
    """A fit: seconds of an epoch, and CPU seconds and memory of this process."""
    ENDS.clear()
    with PeakMemory() as memory, Stopwatch() as watch:
        density.fit(X)
    return {
        "epoch_cpu_seconds": float(np.median(np.diff(ENDS))),
        "epoch_seconds": float(np.median(density.history_["seconds"][1:])),
        **watch.seconds("fit"),
        "fit_mebibytes": memory.mebibytes,
        "parameters": n_parameters(density),
    }


def seconds_of_sums(processes: Any, n_numbers: int) -> float:
    """Mean seconds of a sum of vectors over the processes."""
    import torch

    vector = torch.zeros(n_numbers)
    processes.add_up(vector)
    began = time.perf_counter()
    for _ in range(N_SUMS):
        processes.add_up(vector)
    return (time.perf_counter() - began) / N_SUMS


def fit_with_others(shape: tuple, epochs: int, batch: int) -> dict:
    """What each process does."""
    from flowkit.distributed import data_parallel

    X = make_rows(*shape)
    with data_parallel() as processes:
        # Kernels are compiled once.
        build(1, batch).fit(X[:1000])
        result = timed_epochs(build(epochs, batch), X)
        for name, size in (("gradient", result["parameters"]), ("short", SHORT), ("long", LONG)):
            result[f"{name}_sum_seconds"] = seconds_of_sums(processes, size)
    return result


def score_by(n: int, shape: tuple) -> dict:
    """Scores by a local cluster of n processes."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from flowkit import distributed

    X = make_rows(*shape)
    density = build(1, 512).fit(X[:2000])
    rows = da.from_array(X, chunks=(-(-len(X) // N_CHUNKS), -1))
    options = {"n_workers": n, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster):
        distributed.score_samples(density, rows[: n * rows.chunks[0][0]]).compute()
        with Stopwatch() as watch:
            distributed.score_samples(density, rows).compute()
    return {"rows_per_second": len(X) / watch.wall}


def fit_columns(d: int, n: int) -> dict:
    """A fit and a score of rows of d columns, alone in this process."""
    X = make_rows(n, d)
    build(1, 256).fit(X)
    density = build(3, 256)
    result = timed_epochs(density, X)
    with Stopwatch() as watch:
        density.score_samples(X)
    return {**result, **watch.seconds("score")}


def measure(study: Study) -> None:
    args = study.args
    if "fit" in args.parts:
        settings = {"rows": args.rows, "epochs": args.epochs, "batch_size": args.batch_size}
        for n in args.processes:
            work = n, fit_with_others, (args.rows, COLUMNS), args.epochs, args.batch_size
            study.cell({"part": "fit", "size": n}, settings, run_together, *work)
    if "score" in args.parts and study.installed(["dask"], {"dask": "distributed"}):
        for n in args.processes:
            work = n, (args.rows, COLUMNS)
            study.cell({"part": "score", "size": n}, {"rows": args.rows}, score_by, *work)
    if "columns" in args.parts:
        for d in args.columns:
            settings = {"rows": args.few_rows}
            work = run_together, 1, fit_columns, d, args.few_rows
            study.cell({"part": "columns", "size": d}, settings, *work)


def report(results: list[dict]) -> None:
    fits, scores, columns = (select(results, part=part) for part in PARTS)
    rows = [
        [
            str(r["size"]),
            f"{r['epoch_seconds']:.2f}",
            f"{r['epoch_cpu_seconds']:.2f}",
            "-" if r["fit_mebibytes"] is None else f"{r['fit_mebibytes']:.0f}",
            *(f"{1e3 * r[f'{name}_sum_seconds']:.2f}" for name in ("gradient", "short", "long")),
        ]
        for r in fits
    ]
    header = ["processes", "s an epoch", "CPU s of the first", "MiB of its fit"]
    sums = ["ms a sum", f"of {SHORT}", f"of {LONG:,}"]
    if fits:
        print_table(f"Fit of {fits[0]['settings']['rows']:,} x {COLUMNS}", [*header, *sums], rows)
    if scores:
        rows = [[str(r["size"]), f"{r['rows_per_second']:,.0f}"] for r in scores]
        print_table("Scores through dask", ["processes", "rows a second"], rows)
    if columns:
        keys = ("epoch_cpu_seconds", "score_cpu_seconds", "fit_mebibytes", "parameters")
        rows = [[str(r["size"]), *(_short(r[key]) for key in keys)] for r in columns]
        shown = ["CPU s an epoch", "CPU s of scores", "MiB of a fit", "parameters"]
        print_table(f"{columns[0]['settings']['rows']:,} rows", ["columns", *shown], rows)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def parameters_of(columns: list[dict], d: int) -> float:
    """Number of parameters at so many columns, by a parabola through the sizes."""
    sizes, values = (np.array([r[name] for r in columns], float) for name in ("size", "parameters"))
    # Relative errors count, as sizes differ by much.
    return float(np.polyval(np.polyfit(sizes, values, 2, w=1 / values), d))


def times_slower(columns: list[dict], d: int) -> float:
    """CPU time of so many columns over that of `COLUMNS`, by a power law through the last sizes."""
    last = columns[-2:]
    sizes, values = (np.log([r[name] for r in last]) for name in ("size", "epoch_cpu_seconds"))
    return float((d / COLUMNS) ** ((values[1] - values[0]) / (sizes[1] - sizes[0])))


def on_paper(study: Study, results: list[dict]) -> None:
    """A pass over very many rows by very many processes."""
    args, n = study.args, study.args.paper_processes
    fits, _, columns = (select(results, part=part) for part in PARTS)
    if not fits or len(columns) < 3:
        return
    alone, most = fits[0], fits[-1]
    a_row = alone["epoch_cpu_seconds"] / alone["settings"]["rows"]
    latency = most["short_sum_seconds"]
    per_number = (most["long_sum_seconds"] - latency) / LONG
    rows = []
    for d in (COLUMNS, 100, 1000, 10_000):
        n_parameters = parameters_of(columns, d)
        slower = times_slower(columns, d)
        computed = args.paper_rows * a_row * slower / (n * args.speed_up)
        n_steps = args.paper_rows / args.paper_batch
        summed = n_steps * (latency * np.log2(n) + 2 * n_parameters * per_number)
        gibibytes = args.paper_rows * d * 4 / 2**30
        hours = (f"{seconds / 3600:,.2f}" for seconds in (computed, summed))
        rows.append([f"{d:,}", f"{n_parameters:,.0f}", *hours, f"{gibibytes:,.0f}"])
    print_table(
        f"On paper: a pass over {args.paper_rows:.0e} rows in batches of {args.paper_batch:,} by "
        f"{n} processes, each {args.speed_up:g} times this thread",
        ["columns", "parameters", "hours of work", "hours of sums", "GiB of rows, float32"],
        rows,
    )


def main() -> None:
    study = Study("scaling", __doc__, seeds=1, budget=None)
    names = {"nargs": "+", "choices": PARTS, "default": list(PARTS)}
    study.option(
        "--parts", selects="part", smoke=["fit", "columns"], help="what is measured", **names
    )
    many = {"type": int, "nargs": "+"}
    study.option("--processes", default=[1, 2], smoke=[1], help="how many", **many)
    study.option(
        "--columns", default=[10, 30, 100, 300], smoke=[2, 3, 4], help="of part columns", **many
    )
    study.option("--rows", type=int, default=40_000, smoke=1000, help="of parts fit and score")
    study.option("--few-rows", type=int, default=2000, smoke=200, help="of part columns")
    study.option("--epochs", type=int, default=5, smoke=2, help="of part fit")
    study.option("--batch-size", type=int, default=4096, smoke=256, help="of all processes")
    study.option("--paper-rows", type=float, default=1e9, help="of a pass on paper")
    study.option("--paper-processes", type=int, default=64, help="on paper")
    study.option("--paper-batch", type=int, default=65_536, help="rows of a batch on paper")
    study.option("--speed-up", type=float, default=1.0, help="of a process on paper")

    def report_all(results: list[dict]) -> None:
        report(results)
        on_paper(study, results)

    study.run(measure, report_all)


if __name__ == "__main__":
    main()
