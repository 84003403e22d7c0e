"""skorch callbacks that keep the best weights: of one fit, and along a stream."""

from __future__ import annotations

import math

from skorch.callbacks import Callback


class BestWeights(Callback):
    """Keeps the weights of the best epoch, and ends training when patience runs out.

    The weights before the first epoch are a candidate too. Where the hold-out at first gets worse
    than with these, patience counts gains from the worst epoch on: training may still come back.

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
    epoch_ : int
        Epoch that was validated last.
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
        self.mark_epoch_ = self.epoch_ = 0
        self.stop_ = False
        self.worst_ = self.initial_loss_
        self._keep(net, 0)

    def on_epoch_end(self, net, **kwargs):
        epoch = self.epoch_ = len(net.history)
        # Losses of a module that is still warming up say little.
        warm = net.module_.warmth >= 1.0
        loss = net.history[-1].get("valid_loss" if self.has_holdout_ else "train_loss", math.nan)
        if loss < self.best_loss_ or not math.isfinite(self.best_loss_):
            self.best_loss_ = loss if warm or self.has_holdout_ else math.inf
            self._keep(net, epoch)
        # skorch's own relative threshold never fires on the negative losses of densities.
        if loss < self.mark_ - self.tol or not (math.isfinite(self.mark_) and warm):
            self.mark_, self.mark_epoch_ = loss, epoch
        elif loss > self.worst_ and epoch <= (self.patience or 0):
            self.mark_ = self.worst_ = loss
        self.stop_ = self.patience is not None and epoch - self.mark_epoch_ >= self.patience

    def on_train_end(self, net, **kwargs):
        # Without a hold-out the training loss would choose the most overfitted epoch.
        if self.has_holdout_:
            self.restore(net)
        else:
            self.best_epoch_ = len(net.history)
            net.module_.refresh()

    def restore(self, net) -> None:
        """Put the best weights back into the module."""
        net.module_.load_state_dict(self.state_)

    def _keep(self, net, epoch: int) -> None:
        self.state_ = _weights(net)
        self.best_epoch_ = epoch


class StreamWeights(Callback):
    """Keeps, of all weights along a stream of chunks, those with the lowest loss on the hold-out.

    After each pass over a chunk there are three candidates: the weights kept so far, the present
    weights, and an average over the last steps. Whichever is kept, training goes on from the
    present weights, as the way to better weights may lead through worse ones. Where the present
    weights are better than the average, which lags behind, the average begins anew at them. Without
    a hold-out the average is kept.

    Parameters
    ----------
    path : dict of Tensor or None, default=None
        Weights from which the path goes on; None takes those that the module begins with, which
        are the first to be kept.
    horizon : int, default=500
        Number of steps that the average forgets in.
    sharpness : float, default=8.0
        Before the horizon is reached, the average is over about the last ``1 / (1 + sharpness)``
        of the steps.

    Attributes
    ----------
    kept_ : dict of Tensor
        Best weights.
    best_epoch_ : int
        Epoch, counted from the beginning of the stream, at whose end they were kept; 0 for the
        weights before.
    epoch_ : int
        Epoch that was validated last.
    stop_ : bool
        Whether training should end now: never.

    References
    ----------
    Shamir, Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013.
    """

    def __init__(self, path: dict | None = None, horizon: int = 500, sharpness: float = 8.0):
        self.path = path
        self.horizon = horizon
        self.sharpness = sharpness

    def initialize(self):
        self.kept_ = None
        self.best_epoch_, self.n_averaged_, self.stop_ = 0, 0, False
        return self

    def on_train_begin(self, net, **kwargs):
        self.epoch_ = len(net.history)
        if self.kept_ is None:
            self.kept_ = _weights(net)
            self.average_ = self._parameters(net)
            if self.path is not None:
                net.module_.load_state_dict(self.path)
        self.kept_loss_ = math.inf if net.holdout is None else self._loss_with(net, self.kept_)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if not training:
            return
        self.n_averaged_ += 1
        share = (1 + self.sharpness) / (self.n_averaged_ + self.sharpness)
        share = max(share, 1 / self.horizon)
        for name, value in self._parameters(net, copy=False).items():
            self.average_[name].lerp_(value, share)

    def on_epoch_end(self, net, **kwargs):
        self.epoch_ = len(net.history)
        path = _weights(net)
        average = {**path, **{name: value.clone() for name, value in self.average_.items()}}
        if net.holdout is None:
            self.kept_, self.best_epoch_ = average, self.epoch_
            return
        loss, average_loss = self._loss(net), self._loss_with(net, average)
        if loss < average_loss:
            self.average_, self.n_averaged_ = self._parameters(net), 0
            average, average_loss = path, loss
        if average_loss < self.kept_loss_:
            self.kept_, self.kept_loss_, self.best_epoch_ = average, average_loss, self.epoch_
        net.history.record("valid_loss", self.kept_loss_)

    def _loss_with(self, net, weights: dict) -> float:
        """Hold-out loss of other weights, without leaving the path."""
        path = _weights(net)
        net.module_.load_state_dict(weights)
        loss = self._loss(net)
        net.module_.load_state_dict(path)
        return loss

    @staticmethod
    def _loss(net) -> float:
        loss = net.holdout_loss()
        return math.inf if math.isnan(loss) else loss

    @staticmethod
    def _parameters(net, copy: bool = True) -> dict:
        named = net.module_.named_parameters()
        return {name: p.detach().clone() if copy else p.detach() for name, p in named}


def _weights(net) -> dict:
    """A copy of all weights."""
    return {k: v.detach().clone() for k, v in net.module_.state_dict().items()}
