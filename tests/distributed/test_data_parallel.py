"""Two processes that accelerate brings together train what one does, or end in time."""

from __future__ import annotations

import os
import signal
import socket
import time

import numpy as np
import pytest
from sklearn.datasets import load_iris
from skorch.callbacks import Callback

from flowkit import FlowDensity
from flowkit.distributed import data_parallel
from flowkit.exceptions import InvalidParameterError, LostProcessError

from .. import processes


class Ends(Callback):
    """Ends all processes but the first, in the third epoch."""

    def __init__(self, how):
        self.how = how

    def on_batch_end(self, net, training=False, **kwargs):
        if os.environ.get("RANK", "0") != "0" and training and len(net.history) == 3:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.how == "raises":
                raise OverflowError("of one process")


def train(how, folder):
    """What each process does."""
    X = load_iris().data
    options = {
        "n_transforms": 1,
        "hidden_units": 8,
        "max_epochs": 10,
        "dropout": 0.0,
        "n_iter_no_change": 10,
        "batch_size": 40,
        "random_state": 0,
    }
    file = folder / "training.pt"
    double = FlowDensity(**options, dtype="float64", checkpoint=file, callbacks=[Ends(how)])
    single = FlowDensity(**options)
    try:
        with data_parallel(timeout=5.0 if how == "stopped" else 300.0) as group:
            double.fit(X)
            single.fit(X)
    except LostProcessError as error:
        print("lost", hasattr(double, "module_"), file.exists(), error)
        os._exit(3)
    except OverflowError:
        # Out of the context, and not at its end.
        time.sleep(5)
        os._exit(4)
    print(group.rank, group.n)
    np.save(folder / f"{how}{group.rank}.npy", [d.score_samples(X) for d in (double, single)])


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
    }
    return [
        processes.start(
            train,
            how,
            folder,
            said=folder / f"{how}{i}.txt",
            environment={**shared, "RANK": str(i), "LOCAL_RANK": str(i)} if n > 1 else {},
        )
        for i in range(n)
    ]


def test_two_processes_train_what_one_does(tmp_path):
    for how, n in (("one", 1), ("two", 2)):
        for rank, process in enumerate(start(how, n, tmp_path)):
            process.join()
            assert (tmp_path / f"{how}{rank}.txt").read_text().split() == [str(rank), str(n)]
    one, two, other = (np.load(tmp_path / f"{name}.npy") for name in ("one0", "two0", "two1"))
    np.testing.assert_array_equal(two, other)
    np.testing.assert_allclose(two[0], one[0], rtol=1e-9)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-3)
    assert not (tmp_path / "training.pt").exists()


@pytest.mark.parametrize("how", ["killed", "stopped", "raises"])
def test_a_process_that_is_lost_ends_the_fit_of_the_other(how, tmp_path):
    first, second = start(how, 2, tmp_path)
    began = time.monotonic()
    try:
        first.join(timeout=280)
    finally:
        second.kill()
        second.join()
    assert first.exitcode == 3
    # The estimator is as it was, and the checkpoint is there.
    said = (tmp_path / f"{how}0.txt").read_text()
    assert said.startswith("lost False True process 0 of 2 lost another one")
    assert "start all of them again" in said
    assert time.monotonic() - began < 280


def test_one_process_alone_is_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidParameterError, match="timeout"), data_parallel(timeout=0):
        pass
