"""What cannot be saved, and what happens to a file when saving ends early."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import sys

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from flowkit import FlowDensity, TransformedDensity, _replacing, load, save
from flowkit import bijections as b
from flowkit.exceptions import (
    DeviceUnavailableError,
    FlowkitFileError,
    InvalidParameterError,
    MissingFileError,
    UntrustedTypeError,
)
from flowkit.files import _archive

from ..table import TRANSFORMERS


class Own(b.Exp):
    """A bijection that flowkit does not have."""


class OwnDensity(FlowDensity):
    """An estimator that flowkit does not have."""


class OwnCallback(Callback):
    """A callback that flowkit does not have."""


def own_function(x):
    return x


CIRCLE = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("estimator", "what"),
    [
        (FlowDensity(Own(3)), "test_saving.Own in transforms"),
        (FlowDensity([b.ActNorm(3), Own(3)]), "test_saving.Own in transforms"),
        (OwnDensity(), "test_saving.OwnDensity"),
        (make_pipeline(KMeans(), FlowDensity()), "sklearn.cluster._kmeans.KMeans in steps"),
        (FlowDensity(callbacks=[OwnCallback()]), "test_saving.OwnCallback in callbacks"),
        (TransformedDensity(own_function, FlowDensity()), "the function own_function in"),
        (TransformedDensity(lambda x: x, FlowDensity()), "lambda"),
        (FlowDensity(random_state=np.random), "module"),
        (FlowDensity(callbacks=CIRCLE), "holds itself"),
        (FlowDensity(batch_size=np.array([1j])), "complex128"),
        (FlowDensity(batch_size=b"bytes"), "bytes"),
        (FlowDensity(prior=int.from_bytes), "from_bytes"),
        (FlowDensity(prior=os.path.join), "join"),
        (FlowDensity(prior=os.stat_result), "stat_result"),
    ],
)
def test_what_files_cannot_hold_is_named_and_nothing_is_written(estimator, what, tmp_path):
    with pytest.raises(UntrustedTypeError, match="set_params") as error:
        save(estimator, tmp_path / "file")
    assert what in str(error.value)
    assert not list(tmp_path.iterdir())


def test_an_older_file_stays_where_the_new_one_cannot_be_saved(tmp_path):
    path = tmp_path / "file"
    save(FlowDensity(tail_bound=3.0), path)
    with pytest.raises(UntrustedTypeError):
        save(FlowDensity(Own(3)), path)
    assert load(path).tail_bound == 3.0
    assert os.listdir(tmp_path) == ["file"]


def test_impossible_arguments_are_named(tmp_path):
    with pytest.raises(InvalidParameterError, match="estimator must be"):
        save([FlowDensity()], tmp_path / "file")
    with pytest.raises(InvalidParameterError, match="estimator must be"):
        save(FlowDensity, tmp_path / "file")
    for scores in (3.0, {"test": "good"}, {"test": float("nan")}, {1: 2.0}):
        with pytest.raises(InvalidParameterError, match="scores must be"):
            save(FlowDensity(), tmp_path / "file", scores=scores)
    with pytest.raises(InvalidParameterError, match="note must be"):
        save(FlowDensity(), tmp_path / "file", note=3)
    with pytest.raises(MissingFileError, match="folder does not exist"):
        save(FlowDensity(), tmp_path / "none" / "file")
    save(FlowDensity(), tmp_path / "file")
    with pytest.raises(DeviceUnavailableError, match="nowhere"):
        load(tmp_path / "file", device="nowhere")


def test_the_device_is_that_of_all_densities_from_now_on(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2))
    density = FlowDensity(max_epochs=1, device="auto").fit(X)
    save(TransformedDensity(TRANSFORMERS["function"](), density).fit(X), tmp_path / "file")
    loaded = load(tmp_path / "file", device="cpu")
    assert loaded.density.device == loaded.density_.device == "cpu"
    assert next(loaded.density_.module_.parameters()).device.type == "cpu"
    assert load(tmp_path / "file").density.device == "auto"


def test_what_would_take_too_much_memory_is_not_saved(tmp_path):
    density = FlowDensity()
    density.levels_ = list(range(10**6))
    with pytest.raises(FlowkitFileError, match="single values"):
        save(density, tmp_path / "file")
    density.levels_ = np.full(10**4, "a", dtype="<U2000")
    with pytest.raises(FlowkitFileError, match="single values"):
        save(density, tmp_path / "file")
    density.levels_ = np.arange(10**6)
    save(density, tmp_path / "file")
    np.testing.assert_array_equal(load(tmp_path / "file").levels_, density.levels_)


def test_links_and_permissions_stay(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    save(FlowDensity(), path)
    path.chmod(0o640)
    link.symlink_to(path)
    save(FlowDensity(tail_bound=3.0), link)
    assert link.is_symlink()
    assert load(path).tail_bound == 3.0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    save(FlowDensity(tail_bound=3.0), path)

    def fsync(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_replacing.os, "fsync", fsync)
    with pytest.raises(FlowkitFileError, match="No space left on device"):
        save(FlowDensity(tail_bound=4.0), path)
    assert load(path).tail_bound == 3.0
    assert os.listdir(tmp_path) == ["file"]


# ------------------------------------------------------------------ killed


def old_and_new():
    """Two densities of many bytes, which their bounds of the tails tell apart."""
    rng = np.random.default_rng(0)
    densities = [FlowDensity(tail_bound=bound) for bound in (3.0, 4.0)]
    for density in densities:
        density.rows_ = [rng.normal(size=(500, 20)) for _ in range(10)]
    return densities


def killed_while_saving(density, path, moment):
    """Save in a process that is killed before one of its steps; whether it had so many."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    steps = itertools.count()

    def trace(frame, event, arg):
        # The lines of what writes, one by one.
        if frame.f_globals.get("__name__") not in (_archive.__name__, _replacing.__name__):
            return None
        if event == "line" and next(steps) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    save(density, path)
    os._exit(0)


def survivors(tmp_path, moments):
    """For each moment, which of two densities is in the file after a kill at that moment."""
    old, new = old_and_new()
    path = tmp_path / "file"
    for moment in moments:
        save(old, path)
        assert killed_while_saving(new, path, moment)
        yield load(path).tail_bound
        for rest in tmp_path.glob(".file.*.part"):
            rest.unlink()
        assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def n_steps(tmp_path):
    """Number of steps that saving takes."""
    old, new = old_and_new()
    save(old, tmp_path / "file")
    low, high = 0, 4096
    while low < high:
        middle = (low + high) // 2
        if killed_while_saving(new, tmp_path / "file", middle):
            low = middle + 1
        else:
            high = middle
    for path in tmp_path.iterdir():
        path.unlink()
    return low


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path, n_steps):
    moments = np.linspace(0, n_steps - 1, 20).astype(int)
    found = list(survivors(tmp_path, moments))
    assert set(found) == {3.0, 4.0}
    assert found == sorted(found)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_kill_at_every_moment_leaves_the_old_file_or_the_new_one(tmp_path, n_steps):
    assert n_steps >= 100
    found = list(survivors(tmp_path, range(n_steps)))
    assert set(found) == {3.0, 4.0}
    assert found == sorted(found)


def test_pipes_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FlowkitFileError, match="no regular file"):
        save(FlowDensity(), pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_maps_are_saved_after_torch_has_compiled(tmp_path, monkeypatch):
    def restored(self, state):
        self.__dict__.update(state)

    restored.__module__ = "torch._dynamo.mutation_guard"
    monkeypatch.setattr(torch.nn.Module, "__setstate__", restored)
    save(FlowDensity([b.ActNorm(2), b.LULinear(2)]), tmp_path / "maps")
    assert isinstance(load(tmp_path / "maps").transforms[0], b.ActNorm)
