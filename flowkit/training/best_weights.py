"""skorch callbacks that keep the best weights: of one fit, and along a stream."""

from __future__ import annotations

import math

from skorch.callbacks import Callback

from .weight_average import WeightAverage

# Steps that the average forgets in: longer ones lag behind where training still gains at its end.
_HORIZON = 50


class BestWeights(Callback):
    """Keeps the weights of the best epoch, and ends training when patience runs out.

    Those of an epoch are an average over the last steps, which the module has from the end of the
    steps of an epoch to the first of the next. The weights before the first epoch are a candidate
    too. Where the hold-out falls below these in the first `patience` epochs, training may still
    come back: until it has, patience runs out when the worst of the last `patience` epochs is no
    better than the worst of as many before.

    Parameters
    ----------
    patience : int or None
        Number of epochs without improvement after which training ends; None never ends it.
    tol : float, default=1e-4
        Improvement in nats that restarts the patience; any improvement is kept.

    Attributes
    ----------
    average_ : WeightAverage
        Average over the last steps.
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
        self.losses_ = []
        self.average_ = WeightAverage(net.flat_.vector, horizon=_HORIZON)
        self.stop_ = self.is_below_start_ = False
        self._keep(net, 0)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.average_.add_step()

    def on_epoch_end(self, net, **kwargs):
        epoch = self.epoch_ = len(net.history)
        # Losses of a module that is still warming up say little.
        warm = net.module_.warmth >= 1.0
        loss = net.history[-1].get("valid_loss" if self.has_holdout_ else "train_loss", math.nan)
        self.losses_.append(loss)
        if loss < self.best_loss_ or not math.isfinite(self.best_loss_):
            self.best_loss_ = loss if warm or self.has_holdout_ else math.inf
            self._keep(net, epoch)
        was_below = self.is_below_start_
        if was_below or epoch <= (self.patience or 0):
            self.is_below_start_ = loss > self.initial_loss_
        is_back = was_below and not self.is_below_start_
        # skorch's own relative threshold never fires on the negative losses of densities.
        if is_back or loss < self.mark_ - self.tol or not (math.isfinite(self.mark_) and warm):
            self.mark_, self.mark_epoch_ = loss, epoch
        self.stop_ = self.patience is not None and self._is_out_of_patience()

    def _is_out_of_patience(self) -> bool:
        n = self.patience
        if self.is_below_start_:
            return self.epoch_ >= 2 * n and not self._worst(0) < self._worst(n)
        return self.epoch_ - self.mark_epoch_ >= n

    def _worst(self, n_skipped: int) -> float:
        """Largest loss of as many epochs as patience has, before the last ones."""
        end = self.epoch_ - n_skipped
        return max(self.losses_[end - self.patience : end])

    def on_train_end(self, net, **kwargs):
        # Without a hold-out the training loss would choose the most overfitted epoch.
        if self.has_holdout_:
            self.restore(net)
        else:
            self.best_epoch_ = len(net.history)
            self.put_in_candidate()
            net.module_.refresh()

    def put_in_candidate(self) -> None:
        """Give the module the weights that are validated, and kept if they are the best."""
        self.average_.put_in()

    def take_up_path(self) -> None:
        """Give the module the weights from which training goes on."""
        self.average_.take_out()

    def restore(self, net) -> None:
        """Put the best weights back into the module, and average from there."""
        net.module_.load_state_dict(self.state_)
        self.average_.restart()

    def state_dict(self) -> dict:
        """All that `on_train_begin` sets, as training has changed it since."""
        fitted = {name: value for name, value in vars(self).items() if name.endswith("_")}
        return fitted | {"average_": self.average_.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self.average_.load_state_dict(state["average_"])
        vars(self).update({k: v for k, v in state.items() if k != "average_"})

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
    """

    def __init__(self, path: dict | None = None, horizon: int = 500):
        self.path = path
        self.horizon = horizon

    def initialize(self):
        self.kept_ = None
        self.best_epoch_, self.stop_ = 0, False
        return self

    def on_train_begin(self, net, **kwargs):
        self.epoch_ = len(net.history)
        if self.kept_ is None:
            self.kept_ = _weights(net)
            self.average_ = WeightAverage(net.flat_.vector, horizon=self.horizon)
            if self.path is not None:
                net.module_.load_state_dict(self.path)
        self.kept_loss_ = math.inf if net.holdout is None else self._loss_with(net, self.kept_)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.average_.add_step()

    def on_epoch_end(self, net, **kwargs):
        self.epoch_ = len(net.history)
        if net.holdout is None:
            self.average_.put_in()
            self._keep(net, math.inf)
            self.average_.take_out()
            return
        loss = self._loss(net)
        self._swap(net, self.average_.put_in)
        average_loss = self._loss(net)
        if loss < average_loss:
            self._swap(net, self.average_.take_out)
            self.average_.restart()
        if min(loss, average_loss) < self.kept_loss_:
            self._keep(net, min(loss, average_loss))
        self._swap(net, self.average_.take_out)
        net.history.record("valid_loss", self.kept_loss_)

    def _keep(self, net, loss: float) -> None:
        self.kept_, self.kept_loss_, self.best_epoch_ = _weights(net), loss, self.epoch_

    @staticmethod
    def _swap(net, act) -> None:
        act()
        net.module_.refresh()

    def put_in_candidate(self) -> None:
        """Leave the module the present weights: there are three candidates."""

    def take_up_path(self) -> None:
        """Leave the module the present weights."""

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


def _weights(net) -> dict:
    """A copy of all weights."""
    return {k: v.detach().clone() for k, v in net.module_.state_dict().items()}
