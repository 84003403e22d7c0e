"""Functions run by several fresh processes that train together, as a launcher starts them."""

from __future__ import annotations

import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable

from .clocks import set_threads


def run_together(n: int, function: Callable[..., dict], *args: object) -> dict:
    """What a function returns in the first of n processes on this machine, of one thread each.

    Parameters
    ----------
    n : int
        Number of processes.
    function : callable
        Of the top level of a module.
    *args
        Given to it.

    Raises
    ------
    RuntimeError
        If a process fails.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    work = n, port, told, function, args
    processes = [spawn.Process(target=_run, args=(rank, *work)) for rank in range(n)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"processes ended with {[p.exitcode for p in processes]}")
    return told.get(timeout=10)


def _run(rank, n, port, told, function, args):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(n), "ACCELERATE_USE_CPU": "true"}
    set_threads(1)
    warnings.simplefilter("ignore")
    result = function(*args)
    if rank == 0:
        told.put(result)
