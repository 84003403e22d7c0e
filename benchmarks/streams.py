"""What memory a fit and the scores of rows take that are too many for it.

Made rows in float32, in a file for numpy and in one of Parquet, which come as an array in memory,
as a memory map, as a generator of chunks, or as chunks of Parquet. Each way is in a process of its
own: fit, then score all rows into a file; the array is scored in one call. Memory is the growth of
the peak above what was in use before any row was read (Linux alone): all that is resident, and what
of it is "own", no page of a file, which the system takes back when others need it.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from lib.clocks import Stopwatch, set_threads
from lib.memory import PeakMemory, PeakOwnMemory
from lib.methods import warm_up
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study

# Rows that are made, written and read at once.
CHUNK = 65_536
N_CLUSTERS, SPREAD, CORRELATION = 3, 4.0, 0.5
SOURCES = ("array", "memmap", "chunks", "parquet")
MEBIBYTE = 2**20


def density(seed: int, epochs: int, budget: float):
    """A small flow: memory does not depend on how well it is trained."""
    from flowkit import FlowDensity

    limit = budget if math.isfinite(budget) else None
    size = {"n_transforms": 2, "hidden_units": 32}
    return FlowDensity(**size, max_epochs=epochs, max_time=limit, random_state=seed)


def make_chunks(n: int, d: int, seed: int):
    """Three clusters of columns of which neighbours are correlated."""
    rng = np.random.default_rng(seed)
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        X = rng.standard_normal((size, d))
        for j in range(1, d):
            X[:, j] += CORRELATION * X[:, j - 1]
        X += SPREAD * rng.integers(N_CLUSTERS, size=(size, 1))
        yield X.astype(np.float32)


def write_rows(folder: Path, n: int, d: int, seed: int) -> None:
    """The rows, for numpy."""
    mapped = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float32, (n, d))
    done = 0
    for X in make_chunks(n, d, seed):
        mapped[done : done + len(X)] = X
        done += len(X)
    mapped.flush()


def write_parquet(folder: Path, n: int, d: int, seed: int) -> None:
    """The rows, as Parquet."""
    import pyarrow
    import pyarrow.parquet

    names = [f"x{j}" for j in range(d)]
    schema = pyarrow.schema([(name, pyarrow.float32()) for name in names])
    with pyarrow.parquet.ParquetWriter(folder / "rows.parquet", schema) as writer:
        for X in make_chunks(n, d, seed):
            columns = map(np.ascontiguousarray, X.T)
            writer.write_table(pyarrow.table(dict(zip(names, columns, strict=True))))


def rows_of(source: str, folder: Path):
    """The rows, as one of the sources gives them."""
    from flowkit import Chunks

    if source == "parquet":
        return Chunks(folder / "rows.parquet", chunk_rows=CHUNK)
    if source == "array":
        return np.load(folder / "rows.npy")
    mapped = np.load(folder / "rows.npy", mmap_mode="r")
    if source == "memmap":
        return mapped
    return (mapped[i : i + CHUNK] for i in range(0, len(mapped), CHUNK))


def fit_and_score(
    source: str, folder: Path, seed: int, epochs: int, budget: float, threads: int
) -> dict:
    """Costs of one source, in this process."""
    from flowkit import score_chunks

    set_threads(threads)
    warnings.simplefilter("ignore")
    warm_up(lambda seed, budget: density(seed, epochs, budget))
    if source == "parquet":
        import pandas  # noqa: F401
        import pyarrow.parquet  # noqa: F401
    out = folder / f"scores_{source}.npy"
    with PeakMemory() as memory, PeakOwnMemory() as own, Stopwatch() as watch:
        model = density(seed, epochs, budget).fit(rows_of(source, folder))
    costs = {
        "fit_own_mebibytes": own.mebibytes,
        "fit_mebibytes": memory.mebibytes,
        **watch.seconds("fit"),
    }
    with PeakMemory() as memory, PeakOwnMemory() as own, Stopwatch() as watch:
        if source == "array":
            np.save(out, model.score_samples(rows_of(source, folder)))
        else:
            score_chunks(model, rows_of(source, folder), out)
    scores = np.load(out, mmap_mode="r")
    return {
        **costs,
        "score_own_mebibytes": own.mebibytes,
        "score_mebibytes": memory.mebibytes,
        **watch.seconds("score"),
        "mean_score": float(np.mean(scores)),
        "digest": hashlib.sha256(scores).hexdigest()[:16],
    }


def in_fresh_process(*args: object) -> dict:
    """As a peak never falls, and memory that was freed is used again."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(fit_and_score, *args).result()


def measure(study: Study) -> None:
    args = study.args
    settings = {"budget": args.budget, "threads": args.threads, "epochs": args.epochs}
    for seed in study.seeds:
        for n in args.rows:
            about = {"rows": n, "columns": args.columns, "seed": seed}
            sources = study.installed(args.sources, {"parquet": "pyarrow"})
            cells = [{**about, "source": source} for source in sources]
            if not study.lacks(cells):
                continue
            with tempfile.TemporaryDirectory(prefix="flowkit-rows-") as name:
                folder = Path(name)
                write_rows(folder, n, args.columns, seed)
                if "parquet" in sources:
                    write_parquet(folder, n, args.columns, seed)
                work = folder, seed, args.epochs, study.budget, args.threads
                for cell in cells:
                    study.cell(cell, settings, in_fresh_process, cell["source"], *work)


def report(results: list[dict]) -> None:
    for (n,) in sorted(distinct(results, "rows")):
        own = select(results, rows=n)
        d = own[0]["columns"]
        rows = []
        for source in in_order(SOURCES, own, "source"):
            of_source = select(own, source=source)
            costs = [
                np.mean([r[f"{part}_{key}"] for r in of_source])
                if all(r[f"{part}_{key}"] is not None for r in of_source)
                else math.nan
                for part in ("fit", "score")
                for key in ("own_mebibytes", "mebibytes", "cpu_seconds")
            ]
            same = all(r["digest"] == alike(own, r)["digest"] for r in of_source)
            rows.append([source, *(f"{cost:.0f}" for cost in costs), "yes" if same else "no"])
        heading = ["source", "fit: own MiB", "MiB", "CPU s", "score: own MiB", "MiB", "CPU s"]
        size = f"{n:,} x {d}, {4 * n * d / MEBIBYTE:,.0f} MiB in float32"
        print_table(size, [*heading, "scores of the first"], rows)


def alike(results: list[dict], r: dict) -> dict:
    """The result of the first source for the rows of another one."""
    return next(other for other in results if other["seed"] == r["seed"])


def main() -> None:
    study = Study("streams", __doc__, seeds=1, budget=None, smoke_budget=5.0)
    rows_help = "numbers of rows"
    study.option(
        "--rows", type=int, nargs="+", default=[500_000, 5_000_000], smoke=[3000], help=rows_help
    )
    study.option("--columns", type=int, default=20, smoke=3, help="number of columns")
    study.option("--epochs", type=int, default=1, help="passes over the rows")
    study.option(
        "--sources", nargs="+", choices=SOURCES, default=SOURCES, selects="source", help="ways"
    )
    study.run(measure, report)


if __name__ == "__main__":
    main()
