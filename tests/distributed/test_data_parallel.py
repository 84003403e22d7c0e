"""Two processes that accelerate brings together train what one does, or end in time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from flowkit.distributed import data_parallel
from flowkit.exceptions import InvalidParameterError

SCRIPT = """
import os, signal, sys, time
import numpy as np
from pathlib import Path
from skorch.callbacks import Callback
from sklearn.datasets import load_iris
from flowkit import FlowDensity, StopTraining
from flowkit.distributed import data_parallel
from flowkit.exceptions import LostProcessError

how, folder = sys.argv[1], Path(sys.argv[2])
X = load_iris().data
rank = int(os.environ.get("RANK", 0))

class Ends(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if rank and training and len(net.history) == 3:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if how == "raises":
                raise OverflowError("of one process")

options = dict(
    n_transforms=1, hidden_units=8, max_epochs=10, dropout=0.0, n_iter_no_change=10, batch_size=40,
    random_state=0,
)
file, noticed = folder / "training.pt", folder / "noticed"
double = FlowDensity(**options, dtype="float64", checkpoint=file, callbacks=[Ends()])
single = FlowDensity(**options)
try:
    with data_parallel(timeout=5.0 if how == "stopped" else 300.0) as processes:
        double.fit(X)
        single.fit(X)
except LostProcessError as error:
    print("lost", hasattr(double, "module_"), file.exists(), error)
    noticed.touch()
    os._exit(3)
except OverflowError:
    # Out of the context, and not at its end before the other process has noticed.
    for _ in range(2000):
        if noticed.exists():
            os._exit(4)
        time.sleep(0.1)
    os._exit(5)
print(processes.rank, processes.n)
np.save(folder / f"{how}{processes.rank}.npy", [d.score_samples(X) for d in (double, single)])
"""


def start(how, n, folder):
    """Start as many processes as a launcher would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(n),
        "LOCAL_WORLD_SIZE": str(n),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, how, str(folder)]
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **(shared if n > 1 else {}), "RANK": str(i), "LOCAL_RANK": str(i)}
            if n > 1
            else os.environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(n)
    ]


def test_two_processes_train_what_one_does(tmp_path):
    for how, n in (("one", 1), ("two", 2)):
        said = [process.communicate()[0].split() for process in start(how, n, tmp_path)]
        assert said == [[str(rank), str(n)] for rank in range(n)]
    one, two, other = (np.load(tmp_path / f"{name}.npy") for name in ("one0", "two0", "two1"))
    np.testing.assert_array_equal(two, other)
    np.testing.assert_allclose(two[0], one[0], rtol=1e-9)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-3)
    assert sorted(os.listdir(tmp_path)) == ["one0.npy", "two0.npy", "two1.npy"]


@pytest.mark.parametrize("how", ["killed", "stopped", "raises"])
def test_a_process_that_is_lost_ends_the_fit_of_the_other(how, tmp_path):
    first, second = start(how, 2, tmp_path)
    began = time.monotonic()
    try:
        said = first.communicate(timeout=280)[0]
        if how == "raises":
            assert second.wait(timeout=280) == 4
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    assert first.returncode == 3
    # The estimator is as it was, and the checkpoint is there.
    assert said.startswith("lost False True process 0 of 2 lost another one")
    assert "start all of them again" in said
    assert time.monotonic() - began < 280


def test_one_process_alone_is_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidParameterError, match="timeout"), data_parallel(timeout=0):
        pass
