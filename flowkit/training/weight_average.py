"""The average of the weights along the path of training."""

from __future__ import annotations

from torch import Tensor


class WeightAverage:
    """Average of a vector of weights over the last steps, the later the heavier.

    It begins at the present weights, and covers about the last ``1 / (1 + sharpness)`` of the
    steps, or of `horizon` steps where that is less.

    Parameters
    ----------
    vector : Tensor of shape (n_weights,)
        The weights, which steps change in place.
    sharpness : float, default=8.0
        What narrows the average.
    horizon : int or None, default=None
        Number of steps that it forgets in; None for any.

    Attributes
    ----------
    values : Tensor of shape (n_weights,)
        The average.

    References
    ----------
    Shamir, Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013.
    """

    def __init__(self, vector: Tensor, sharpness: float = 8.0, horizon: int | None = None):
        self.vector = vector.detach()
        self.sharpness, self.horizon = sharpness, horizon
        self.restart()

    def restart(self) -> None:
        """Begin anew at the present weights."""
        self.values = self.vector.clone()
        self.n_steps, self.path = 0, None

    def state_dict(self) -> dict:
        """The average, the number of its steps, and the weights that it stands in for."""
        return {"values": self.values, "n_steps": self.n_steps, "path": self.path}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave, on the device of the weights."""
        values, path = state["values"], state["path"]
        self.values, self.n_steps = values.to(self.vector.device), state["n_steps"]
        self.path = None if path is None else path.to(self.vector.device)

    def add_step(self) -> None:
        """Take the present weights in."""
        self.n_steps += 1
        share = (1 + self.sharpness) / (self.n_steps + self.sharpness)
        if self.horizon is not None:
            share = max(share, 1 / self.horizon)
        self.values.lerp_(self.vector, share)

    def put_in(self) -> None:
        """Put the average in place of the weights, until `take_out`."""
        if self.path is None:
            self.path = self.vector.clone()
            self.vector.copy_(self.values)

    def take_out(self) -> None:
        """Put the weights of the path back, if the average is in their place."""
        if self.path is not None:
            self.vector.copy_(self.path)
            self.path = None
