"""A training that dies goes on from its checkpoint and ends as if nothing had happened."""

from __future__ import annotations

import os
import pickle
import signal

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from skorch.callbacks import Callback

import flowkit
from flowkit import PHVAE, FlowDensity, FractalFlowDensity, RGFlowDensity, StopTraining
from flowkit.bijections import AffineCoupling, LULinear
from flowkit.exceptions import (
    CheckpointError,
    InterruptedFitWarning,
    InvalidParameterError,
    UntrustedTypeError,
)
from flowkit.training import Checkpoint

from .. import processes

SMALL = {"max_epochs": 6, "random_state": 0}
DENSITIES = {
    "flow": lambda **kw: FlowDensity(n_transforms=1, hidden_units=8, dropout=0.2, **kw),
    "fractal": lambda **kw: FractalFlowDensity(
        n_topics=2, n_blocks=1, hidden_units=8, lda_backend=None, **kw
    ),
    "rg": lambda **kw: RGFlowDensity(hidden_units=8, n_layers=1, kernel_size=2, **kw),
    "phvae": lambda **kw: PHVAE(hidden_units=8, **kw),
}
X = load_iris().data


class Dies(Callback):
    """Ends the training as an error would, after so many epochs."""

    def __init__(self, n_epochs, error=OverflowError):
        self.n_epochs, self.error = n_epochs, error

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            raise self.error


class DiesLater(Dies):
    """The same, in the middle of the epoch after."""

    def on_batch_begin(self, net, training=False, **kwargs):
        if len(net.history) > self.n_epochs:
            raise self.error

    def on_epoch_end(self, net, **kwargs):
        pass


def weights(density):
    return torch.cat([p.detach().reshape(-1) for p in density.module_.parameters()])


def assert_same_fit(density, reference):
    torch.testing.assert_close(weights(density), weights(reference), rtol=0, atol=0)
    assert density.n_iter_ == reference.n_iter_
    assert density.best_epoch_ == reference.best_epoch_
    for name, values in reference.history_.items():
        if name != "seconds":
            np.testing.assert_array_equal(density.history_[name], values)


@pytest.mark.parametrize("early_stopping", [True, False], ids=["hold_out", "all_rows"])
@pytest.mark.parametrize("name", DENSITIES)
def test_a_broken_fit_ends_where_an_unbroken_one_does(name, early_stopping, tmp_path):
    file = tmp_path / "training.pt"
    build, options = DENSITIES[name], {**SMALL, "early_stopping": early_stopping}
    reference = build(**options).fit(X)
    for n_epochs in (2, 4):
        broken = build(checkpoint=file, callbacks=[DiesLater(n_epochs)], **options)
        with pytest.raises(OverflowError):
            broken.fit(X)
        assert file.exists()
        assert not hasattr(broken, "module_")
    resumed = build(checkpoint=str(file), **options).fit(X)
    assert_same_fit(resumed, reference)
    assert not file.exists()


def test_patience_that_ran_out_is_not_forgotten(tmp_path):
    options = {"n_iter_no_change": 2, "tol": 1e3, "max_epochs": 500, "random_state": 0}
    build = DENSITIES["flow"]
    reference = build(**options).fit(X)
    assert reference.n_iter_ < 500
    file = tmp_path / "training.pt"
    broken = build(checkpoint=file, callbacks=[DiesLater(reference.n_iter_ - 1)], **options)
    with pytest.raises(OverflowError):
        broken.fit(X)
    assert_same_fit(build(checkpoint=file, **options).fit(X), reference)


class Killed(Callback):
    """Kills the process, in the fourth epoch."""

    def on_batch_begin(self, net, training=False, **kwargs):
        if len(net.history) > 3:
            os.kill(os.getpid(), signal.SIGKILL)


def train(file, how):
    """What each process does."""
    density = DENSITIES["flow"](
        checkpoint=file, callbacks=[Killed()] if how == "killed" else None, **SMALL
    ).fit(X)
    np.save(f"{file}.{how}.npy", density.score_samples(X))


def test_a_killed_process_goes_on_in_another(tmp_path):
    file = tmp_path / "training.pt"

    def run(how):
        process = processes.start(train, file, how, said=tmp_path / "said.txt")
        process.join()
        return process.exitcode

    assert run("killed") == -signal.SIGKILL
    assert file.exists()
    assert run("resumed") == 0
    assert not file.exists()
    assert run("anew") == 0
    resumed, anew = (np.load(f"{file}.{how}.npy") for how in ("resumed", "anew"))
    np.testing.assert_array_equal(resumed, anew)


def broken_off(file, **options):
    density = DENSITIES["flow"](checkpoint=file, callbacks=[DiesLater(2)], **SMALL | options)
    with pytest.raises(OverflowError):
        density.fit(X)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"learning_rate": 1e-4}, X),
        ({"random_state": 1}, X),
        ({"hidden_units": 9}, X),
        ({}, X[:-1]),
        ({}, X + 1e-9),
    ],
)
def test_another_training_is_refused_and_kept(options, rows, tmp_path):
    file = tmp_path / "training.pt"
    broken_off(file)
    kept = file.read_bytes()
    density = FlowDensity(
        **{"n_transforms": 1, "hidden_units": 8, "dropout": 0.2, "checkpoint": file}
        | SMALL
        | options
    )
    with pytest.raises(CheckpointError, match=r"another training.*Delete the file"):
        density.fit(rows)
    assert file.read_bytes() == kept
    assert not hasattr(density, "module_")


def test_weights_of_rows_tell_trainings_apart(tmp_path):
    file = tmp_path / "training.pt"
    broken_off(file)
    density = DENSITIES["flow"](checkpoint=file, **SMALL)
    with pytest.raises(CheckpointError, match="sample_weight"):
        density.fit(X, sample_weight=np.arange(1.0, len(X) + 1))


class Malice:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", pickle.dumps(Malice()), pickle.dumps({"format": 1}), b"PK\x03\x04" + bytes(99)],
)
def test_files_that_are_none_are_refused(content, tmp_path):
    file = tmp_path / "training.pt"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be read.*Delete the file"):
        DENSITIES["flow"](checkpoint=file, **SMALL).fit(X)


def test_cut_and_changed_files_are_refused(tmp_path):
    file = tmp_path / "training.pt"
    broken_off(file)
    whole = file.read_bytes()
    for cut in (len(whole) // 3, len(whole) - 10):
        file.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError):
            DENSITIES["flow"](checkpoint=file, **SMALL).fit(X)


def test_a_folder_that_is_missing_is_told_before_an_epoch_is_lost(tmp_path):
    density = DENSITIES["flow"](checkpoint=tmp_path / "none" / "training.pt", **SMALL)
    with pytest.raises(CheckpointError, match="cannot be written"):
        density.fit(X)


def test_ctrl_c_keeps_the_file_from_which_fit_goes_on(tmp_path):
    file = tmp_path / "training.pt"
    reference = DENSITIES["flow"](**SMALL).fit(X)
    density = DENSITIES["flow"](
        checkpoint=file, callbacks=[DiesLater(3, KeyboardInterrupt)], **SMALL
    )
    with pytest.warns(InterruptedFitWarning):
        density.fit(X)
    assert file.exists()
    assert_same_fit(density.set_params(callbacks=None).fit(X), reference)


@pytest.mark.parametrize("error", [StopTraining, KeyboardInterrupt])
def test_on_interrupt_raises_only_what_the_user_sent(error):
    density = DENSITIES["flow"](on_interrupt="raise", callbacks=[DiesLater(2, error)], **SMALL)
    if error is StopTraining:
        assert density.fit(X).n_iter_ >= 2
        return
    with pytest.raises(KeyboardInterrupt):
        density.fit(X)
    assert not hasattr(density, "module_")


def test_rounds_of_completion_have_no_checkpoint(tmp_path):
    density = DENSITIES["flow"](checkpoint=tmp_path / "a.pt", missing="marginalize", **SMALL)
    with pytest.raises(InvalidParameterError, match=r"checkpoint=.*missing='marginalize'"):
        density.fit(X)


def test_lifted_images_go_on_too(tmp_path):
    images = load_digits().images[:60, :4, :4].astype(np.uint8)
    options = {"image_shape": (4, 4), "fractal": "lifting", "hidden_units": 4, "n_topics": 2}
    options |= {"lda_backend": None, "max_epochs": 4, "random_state": 0}
    file = tmp_path / "training.pt"
    reference = FractalFlowDensity(**options).fit(images)
    with pytest.raises(OverflowError):
        FractalFlowDensity(checkpoint=file, callbacks=[DiesLater(2)], **options).fit(images)
    assert_same_fit(FractalFlowDensity(checkpoint=file, **options).fit(images), reference)


def test_an_epoch_that_ctrl_c_cuts_short_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("flowkit.training.checkpoint._MAX_SHARE", 1e9)

    class Cuts(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            if training and len(net.history) == 3:
                raise KeyboardInterrupt

    file = tmp_path / "training.pt"
    options = {**SMALL, "batch_size": 20}
    reference = DENSITIES["flow"](**options).fit(X)
    density = DENSITIES["flow"](checkpoint=file, callbacks=[Cuts()], **options)
    with pytest.warns(InterruptedFitWarning):
        density.fit(X)
    assert_same_fit(density.set_params(callbacks=None).fit(X), reference)


def test_the_file_stays_until_fit_has_come_to_its_end(tmp_path, monkeypatch):
    def fails(*args):
        raise MemoryError

    file = tmp_path / "training.pt"
    density = DENSITIES["flow"](checkpoint=file, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(FlowDensity, "_finalize", fails)
        with pytest.raises(MemoryError):
            density.fit(X)
    assert file.exists()
    assert_same_fit(density.fit(X), DENSITIES["flow"](**SMALL).fit(X))
    assert not file.exists()


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "state"])
def test_seeds_that_no_later_fit_has_are_refused_before_training(random_state, tmp_path):
    options = {**SMALL, "random_state": random_state}
    with pytest.raises(InvalidParameterError, match="random_state to be an int"):
        DENSITIES["flow"](checkpoint=tmp_path / "a.pt", **options).fit(X)


def test_what_training_goes_on_from_tells_trainings_apart(tmp_path):
    file = tmp_path / "training.pt"
    options = {**SMALL, "warm_start": True}
    density = DENSITIES["flow"](**options).fit(2 * X[:100] + 5)
    density.set_params(checkpoint=file, callbacks=[DiesLater(2)])
    with pytest.raises(OverflowError):
        density.fit(X)
    with pytest.raises(CheckpointError, match="another training"):
        DENSITIES["flow"](checkpoint=file, **options).fit(X)
    assert density.set_params(callbacks=None).fit(X).n_iter_ == SMALL["max_epochs"]


def test_weights_of_given_maps_tell_trainings_apart(tmp_path):
    file = tmp_path / "training.pt"

    def given(bound, **options):
        maps = [LULinear(4), AffineCoupling(4, hidden_units=4, generator=torch.Generator())]
        with torch.no_grad():
            maps[0].bias += bound
        return FlowDensity(maps, checkpoint=file, **SMALL | options)

    with pytest.raises(OverflowError):
        given(0.0, callbacks=[DiesLater(2)]).fit(X)
    with pytest.raises(CheckpointError, match="another training"):
        given(0.1).fit(X)
    assert given(0.0).fit(X).n_iter_ == SMALL["max_epochs"]


def test_files_of_models_hold_no_checkpoint(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    density = DENSITIES["flow"](**SMALL).fit(X).set_params(checkpoint=victim)
    flowkit.save(density, tmp_path / "model")
    loaded = flowkit.load(tmp_path / "model")
    assert loaded.checkpoint is None
    with pytest.raises(UntrustedTypeError):
        flowkit.save(density.set_params(callbacks=[Checkpoint(victim, "x")]), tmp_path / "other")
    assert victim.read_text() == "mine"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="no regular file"):
        DENSITIES["flow"](checkpoint=pipe, **SMALL).fit(X)
