"""Densities of a row given what a decoder says of its columns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ..priors import LocationScale

# Log-scales within +-5, so that no column can become a spike.
_MAX_LOG_SCALE = 5.0
_LOGISTIC_DEVIATION = math.pi / math.sqrt(3)
# Logits of rare and of certain columns at the start.
_MAX_START_LOGIT = 5.0


class Likelihood(nn.Module):
    """Independent columns given the outputs of a decoder.

    Subclasses implement ``log_prob``, ``mean``, ``sample`` and, where they have something to take
    from data, ``start``. Outputs have shape ``(n, n_outputs * n_features)``.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    # Numbers that the decoder gives for each column.
    n_outputs = 1

    def __init__(self, n_features: int):
        super().__init__()
        self.n_features = n_features

    def start(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, float]:
        """Take the deviation of each column around what is predicted linearly.

        Parameters
        ----------
        mean, deviation : Tensor of shape (n_features,)
            Mean of each column, and its deviation from the linear prediction.

        Returns
        -------
        bias : Tensor of shape (n_features,)
            Output that stands for the mean.
        factor : float
            Change of the output where the column changes by one.
        """
        raise NotImplementedError

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Log density of each row, shape (n,)."""
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected rows, shape (n, n_features)."""
        raise NotImplementedError

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a row for each row of outputs, shape (n, n_features)."""
        raise NotImplementedError


class _Scaled(Likelihood):
    """Place and log-scale of each column."""

    # Deviation of the standard form.
    deviation = 1.0

    def __init__(self, n_features: int, scale: str | float = "learned"):
        super().__init__(n_features)
        learned = isinstance(scale, str)
        if learned and scale not in ("learned", "predicted"):
            raise InvalidParameterError(
                f"scale must be 'learned', 'predicted' or a number, got {scale!r}."
            )
        low, high = math.exp(-_MAX_LOG_SCALE), math.exp(_MAX_LOG_SCALE)
        if not learned and not low < scale < high:
            raise InvalidParameterError(
                f"scale must lie between {low:.4f} and {high:.0f}, got {scale}."
            )
        raw = torch.full((n_features,), 1.0 if learned else float(scale))
        self.raw_scale = nn.Parameter(_raw(raw), requires_grad=learned)
        self.learned = learned
        self.n_outputs = 2 if scale == "predicted" else 1

    @torch.no_grad()
    def start(self, mean, deviation):
        if self.learned:
            self.raw_scale.copy_(_raw(deviation / self.deviation))
        return mean, 1.0

    def split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Place and log-scale of each column."""
        place, *change = outputs.split(self.n_features, 1)
        raw = self.raw_scale + change[0] if change else self.raw_scale.expand_as(place)
        return place, _MAX_LOG_SCALE * torch.tanh(raw / _MAX_LOG_SCALE)


class LocationScaleLikelihood(_Scaled):
    """Columns at a place that the decoder says, with a scale that is learned, said or given.

    Parameters
    ----------
    standard : LocationScale
        Density of what is left once place and scale are taken off, such as `Normal`.
    scale : {'learned', 'predicted'} or float, default='learned'
        One trained number a column; a number for each row and column that the decoder says; or a
        number that stays.

    Examples
    --------
    >>> import torch
    >>> from flowkit.modules import LocationScaleLikelihood
    >>> from flowkit.priors import Normal
    >>> likelihood = LocationScaleLikelihood(Normal(2), scale=1.0)
    >>> likelihood.log_prob(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def __init__(self, standard: LocationScale, scale: str | float = "learned"):
        super().__init__(standard.n_features, scale)
        self.standard = standard

    def log_prob(self, x, outputs):
        place, log_scale = self.split(outputs)
        u = (x - place) * torch.exp(-log_scale)
        return (self.standard.log_prob_by_column(u) - log_scale).sum(1)

    def mean(self, outputs):
        return self.split(outputs)[0]

    def sample(self, outputs, generator=None):
        place, log_scale = self.split(outputs)
        return place + log_scale.exp() * self.standard.sample(len(place), generator)


class DiscretizedLogisticLikelihood(_Scaled):
    """Grey levels 0, 1/255, ..., 1: a logistic density, collected cell by cell and spread evenly.

    The density is constant on cells of width 1/255 around the levels; the outer two cells hold
    the tails. It is zero elsewhere.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : {'learned', 'predicted'} or float, default='learned'
        Scale of the logistic: one trained number a column; a number for each row and column that
        the decoder says; or a number that stays.

    References
    ----------
    Salimans, Karpathy, Chen, Kingma, "PixelCNN++", ICLR 2017, arXiv 1701.05517.
    """

    deviation = _LOGISTIC_DEVIATION
    _LEVELS = 255

    def log_prob(self, x, outputs):
        place, log_scale = self.split(outputs)
        level = torch.round(x * self._LEVELS)
        precision = torch.exp(-log_scale)
        above = ((level + 0.5) / self._LEVELS - place) * precision
        below = ((level - 0.5) / self._LEVELS - place) * precision
        first, last = level <= 0, level >= self._LEVELS
        # S(a) - S(b) = S(a) S(-b) (1 - exp(b - a)), each factor without cancellation.
        inside = torch.log(-torch.expm1(-precision / self._LEVELS))
        mass = (
            F.logsigmoid(above).masked_fill(last, 0.0)
            + F.logsigmoid(-below).masked_fill(first, 0.0)
            + inside.masked_fill(first | last, 0.0)
        )
        outside = (level < 0) | (level > self._LEVELS)
        return (mass.masked_fill(outside, -math.inf) + math.log(self._LEVELS)).sum(1)

    def mean(self, outputs):
        place, log_scale = self.split(outputs)
        scale = log_scale.exp()
        return scale * (F.softplus(place / scale) - F.softplus((place - 1) / scale))

    def sample(self, outputs, generator=None):
        place, log_scale = self.split(outputs)
        uniform = torch.empty_like(place).uniform_(generator=generator)
        value = place + log_scale.exp() * torch.logit(uniform, eps=1e-7)
        return (value.clamp(0, 1) * self._LEVELS).round() / self._LEVELS


class BernoulliLikelihood(Likelihood):
    """Columns of zeros and ones; what `log_prob` gives is a log probability.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    def start(self, mean, deviation):
        limit = 1 / (1 + math.exp(_MAX_START_LOGIT))
        # The slope of a logit at one half.
        return torch.logit(mean, eps=limit), 4.0

    def log_prob(self, x, outputs):
        by_column = -F.softplus((1 - 2 * x) * outputs)
        return by_column.masked_fill((x != 0) & (x != 1), -math.inf).sum(1)

    def mean(self, outputs):
        return torch.sigmoid(outputs)

    def sample(self, outputs, generator=None):
        uniform = torch.empty_like(outputs).uniform_(generator=generator)
        return (uniform < torch.sigmoid(outputs)).to(outputs)


def _raw(scale: Tensor) -> Tensor:
    """What the bounded log-scale is computed from."""
    share = (scale.log() / _MAX_LOG_SCALE).clamp(-0.99, 0.99)
    return _MAX_LOG_SCALE * torch.atanh(share)
