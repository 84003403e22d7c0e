"""Studies at tiny sizes, to see that they run: ``python benchmarks/lib/smoke.py JOBS STUDY ...``.

Each runs in a fork of one process that has imported what all of them need.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from multiprocessing.connection import wait
from pathlib import Path


def run_study(path: str, said: str) -> None:
    """Run a study, and write what it says into a file."""
    with open(said, "w", buffering=1) as file:
        # Also what processes of the study's own say.
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        sys.argv = [path, "--smoke"]
        # As where Python runs the study itself.
        sys.path[0] = str(Path(path).parent)
        runpy.run_path(path, run_name="__main__")


def smoke(n_jobs: int, paths: list[str]) -> list[str]:
    """Run so many studies at a time; those that failed."""
    import flowkit  # noqa: F401

    forks, waiting, running, failed = multiprocessing.get_context("fork"), paths[::-1], {}, []
    with tempfile.TemporaryDirectory(prefix="flowkit-smoke-") as folder:
        while waiting or running:
            while waiting and len(running) < n_jobs:
                path = waiting.pop()
                said = Path(folder) / Path(path).stem
                process = forks.Process(target=run_study, args=(path, str(said)))
                process.start()
                running[process.sentinel] = process, path, said, time.monotonic()
            for sentinel in wait(list(running)):
                process, path, said, began = running.pop(sentinel)
                process.join()
                print(f"{path} ({time.monotonic() - began:.1f} s)")
                print(said.read_text(), flush=True)
                if process.exitcode:
                    failed.append(path)
    return failed


if __name__ == "__main__":
    if failed := smoke(int(sys.argv[1]), sys.argv[2:]):
        sys.exit(f"Failed: {', '.join(failed)}")
