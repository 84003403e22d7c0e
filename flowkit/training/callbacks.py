"""skorch callbacks: learning-rate schedule, best weights with early stopping, progress bar."""

from __future__ import annotations

import math

import torch
from skorch.callbacks import Callback


class StopTraining(KeyboardInterrupt):
    """Ends training without an error, as skorch's own early stopping does."""


class WarmupCosine(Callback):
    """Learning rate that rises linearly over the warm-up and then falls along a cosine to zero.

    Parameters
    ----------
    n_steps : int
        Number of batches in the whole training.
    warmup : float, default=0.05
        Share of them in which the rate rises.
    """

    def __init__(self, n_steps: int, warmup: float = 0.05):
        self.n_steps = n_steps
        self.warmup = warmup

    def on_train_begin(self, net, **kwargs):
        self.step_ = 0

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if not training:
            return
        n_warmup = max(1, round(self.warmup * self.n_steps))
        if self.step_ < n_warmup:
            factor = (self.step_ + 1) / n_warmup
        else:
            progress = (self.step_ - n_warmup) / max(1, self.n_steps - n_warmup)
            factor = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        self.step_ += 1
        net.set_learning_rate(net.lr * factor)


class BestWeights(Callback):
    """Keeps the weights of the best epoch, in memory, and ends training when it lies far back.

    The weights before the first epoch are a candidate too.

    Parameters
    ----------
    patience : int or None
        Number of epochs without improvement after which training ends; None never ends it.
    tol : float, default=1e-4
        Improvement in nats that restarts the patience; any improvement is kept.

    Attributes
    ----------
    best_epoch_ : int
        Epoch of the best weights, 0 for those before the first epoch.
    initial_loss_ : float
        Hold-out loss before the first epoch, NaN without a hold-out.
    stop_ : bool
        Whether training should end now.
    """

    def __init__(self, patience: int | None, tol: float = 1e-4):
        self.patience = patience
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        self.has_holdout_ = net.holdout is not None
        self.initial_loss_ = net.holdout_loss() if self.has_holdout_ else math.nan
        self.best_loss_ = self.initial_loss_ if self.has_holdout_ else math.inf
        self.mark_ = self.best_loss_
        self.mark_epoch_ = 0
        self.stop_ = False
        self._keep(net, 0)

    def on_epoch_end(self, net, **kwargs):
        epoch = len(net.history)
        # While the divergence of a variational module warms up, losses say little.
        warm = getattr(net.module_, "warmth", 1.0) >= 1.0
        loss = net.history[-1].get("valid_loss" if self.has_holdout_ else "train_loss", math.nan)
        if loss < self.best_loss_ or not math.isfinite(self.best_loss_):
            self.best_loss_ = loss if warm or self.has_holdout_ else math.inf
            self._keep(net, epoch)
        # skorch's own relative threshold never fires on the negative losses of densities.
        if loss < self.mark_ - self.tol or not (math.isfinite(self.mark_) and warm):
            self.mark_, self.mark_epoch_ = loss, epoch
        self.stop_ = self.patience is not None and epoch - self.mark_epoch_ >= self.patience

    def on_train_end(self, net, **kwargs):
        # Without a hold-out the training loss would choose the most overfitted epoch.
        if self.has_holdout_:
            self.restore(net)
        else:
            self.best_epoch_ = len(net.history)

    def restore(self, net) -> None:
        """Put the best weights back into the module."""
        net.module_.load_state_dict(self.state_)

    def _keep(self, net, epoch: int) -> None:
        self.best_epoch_ = epoch
        self.state_ = {k: v.detach().clone() for k, v in net.module_.state_dict().items()}


class DivergenceWarmUp(Callback):
    """Lets the `warmth` of a variational module rise linearly to one.

    Parameters
    ----------
    n_steps : int
        Number of batches until then.
    """

    def __init__(self, n_steps: int):
        self.n_steps = n_steps

    def on_train_begin(self, net, **kwargs):
        self.step_ = 0

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.step_ += 1
            net.module_.warmth = min(1.0, self.step_ / self.n_steps)

    def on_train_end(self, net, **kwargs):
        net.module_.warmth = 1.0


class Monitor(Callback):
    """Records the means over an epoch of what a module says of its last training batch."""

    def on_epoch_begin(self, net, **kwargs):
        self.totals_, self.n_rows_ = {}, 0

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.n_rows_ += len(batch[0])
            for name, value in net.module_.monitored.items():
                self.totals_[name] = self.totals_.get(name, 0.0) + len(batch[0]) * value

    def on_epoch_end(self, net, **kwargs):
        for name, total in self.totals_.items():
            net.history.record(name, float(total) / self.n_rows_)


class EpochBar(Callback):
    """One progress bar over all epochs, with the mean log densities reached.

    Parameters
    ----------
    max_epochs : int
        Length of the bar.
    """

    def __init__(self, max_epochs: int):
        self.max_epochs = max_epochs

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=self.max_epochs, unit="epoch", desc="fit")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"train": row.get("train_loss"), "hold-out": row.get("valid_loss")}
        self.bar_.set_postfix({k: f"{-v:.3f}" for k, v in shown.items() if v is not None})
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()


def finite(value: torch.Tensor) -> bool:
    """Whether a scalar tensor is finite."""
    return math.isfinite(value.item())
