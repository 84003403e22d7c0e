"""Densities of a row given the outputs of a decoder."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ..priors import LocationScale

# Log-scales lie within +-5, so that no column can become a spike.
_MAX_LOG_SCALE = 5.0
# Standard deviation of the logistic density of scale one.
_LOGISTIC_DEVIATION = math.pi / math.sqrt(3)
# Largest initial logit, of columns that are nearly always zero or one.
_MAX_START_LOGIT = 5.0


class Likelihood(nn.Module):
    """Independent columns given the outputs of a decoder.

    Subclasses implement `start` and, column by column given its parameters, `log_prob_by_column`,
    `mean_by_column`, `draw_noise` and `draw_by_column`. Outputs of the decoder have shape
    ``(n, n_outputs * n_features)``.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    # Outputs of the decoder for each column.
    n_outputs = 1
    # Whether the second parameter of a column is the unbounded logarithm of a trained scale.
    has_scale = False

    def __init__(self, n_features: int):
        super().__init__()
        self.n_features = n_features

    def start(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, float]:
        """Initialise the scales from the residuals of a linear prediction.

        Parameters
        ----------
        mean, deviation : Tensor of shape (n_features,)
            Mean of each column, and the standard deviation of its residuals.

        Returns
        -------
        bias : Tensor of shape (n_features,)
            Output at which the expected row is the mean.
        factor : float
            Change of the output that changes the expected column by one.
        """
        raise NotImplementedError

    def parameters_of(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """Parameters of each column, its location first, each of shape (n, n_features)."""
        return outputs.split(self.n_features, 1)

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Log density of each row.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        outputs : Tensor of shape (n, n_outputs * n_features)
            Outputs of the decoder for each row.

        Returns
        -------
        Tensor of shape (n,)
            Nats; ``-inf`` outside the support.
        """
        return self.log_prob_by_column(x, *self.parameters_of(outputs)).sum(1)

    def training_log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Values of `log_prob`, shape (n,), with the gradient that training follows."""
        return self.log_prob(x, outputs)

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected row of each row of outputs, shape (n, n_features)."""
        return self.mean_by_column(*self.parameters_of(outputs))

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a row for each row of outputs, shape (n, n_features)."""
        parameters = self.parameters_of(outputs)
        return self.draw_by_column(self.draw_noise(parameters[0], generator), *parameters)

    def log_prob_by_column(self, x: Tensor, *parameters: Tensor) -> Tensor:
        """Log density of each value, of the shape of `x` and of the parameters."""
        raise NotImplementedError

    def mean_by_column(self, *parameters: Tensor) -> Tensor:
        """Expected value of each column, of the shape of the parameters."""
        raise NotImplementedError

    def draw_noise(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """What `draw_by_column` makes values of, of the shape of `like`, (n, n_features)."""
        raise NotImplementedError

    def draw_by_column(self, noise: Tensor, *parameters: Tensor) -> Tensor:
        """A value for each value of noise; of all columns, or of some of them."""
        raise NotImplementedError


class _Scaled(Likelihood):
    """Columns with a location and a log-scale."""

    # Standard deviation of a column of scale one.
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
        self.has_scale = learned
        self.n_outputs = 2 if scale == "predicted" else 1

    @torch.no_grad()
    def start(self, mean, deviation):
        if self.has_scale:
            self.raw_scale.copy_(_raw(deviation / self.deviation))
        return mean, 1.0

    def parameters_of(self, outputs):
        location, *change = outputs.split(self.n_features, 1)
        raw = self.raw_scale + change[0] if change else self.raw_scale.expand_as(location)
        return location, raw


class LocationScaleLikelihood(_Scaled):
    """Columns whose location the decoder gives, and whose scale is learned, predicted or fixed.

    Parameters
    ----------
    standard : LocationScale
        Density of the columns at location zero and scale one, such as `Normal`.
    scale : {'learned', 'predicted'} or float, default='learned'
        'learned': one trained number a column. 'predicted': the decoder gives a number for each
        row and column. A float: this scale, which is not trained.

    Raises
    ------
    InvalidParameterError
        If `scale` is another name, or lies outside of 0.0067 to 148.

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

    def log_prob_by_column(self, x, location, raw):
        log_scale = _log_scale(raw)
        u = (x - location) * torch.exp(-log_scale)
        return self.standard.log_prob_by_column(u) - log_scale

    def mean_by_column(self, location, raw):
        return location

    def draw_noise(self, like, generator):
        return self.standard.sample(len(like), generator)

    def draw_by_column(self, noise, location, raw):
        return location + _log_scale(raw).exp() * noise


class DiscretizedLogisticLikelihood(_Scaled):
    """Grey levels 0, 1/255, ..., 1: the mass that a logistic density has around each.

    The density is constant on cells of width 1/255 around the levels; the outer two cells hold
    the tails of the logistic. It is zero elsewhere.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : {'learned', 'predicted'} or float, default='learned'
        Scale of the logistic, as in `LocationScaleLikelihood`.

    Raises
    ------
    InvalidParameterError
        If `scale` is another name, or lies outside of 0.0067 to 148.

    References
    ----------
    Salimans, Karpathy, Chen, Kingma, "PixelCNN++", ICLR 2017, arXiv 1701.05517.
    """

    deviation = _LOGISTIC_DEVIATION
    _LEVELS = 255

    def log_prob_by_column(self, x, location, raw):
        log_scale = _log_scale(raw)
        level = torch.round(x * self._LEVELS)
        precision = torch.exp(-log_scale)
        above = ((level + 0.5) / self._LEVELS - location) * precision
        below = ((level - 0.5) / self._LEVELS - location) * precision
        first, last = level <= 0, level >= self._LEVELS
        # S(a) - S(b) = S(a) S(-b) (1 - exp(b - a)), each factor without cancellation.
        inside = torch.log(-torch.expm1(-precision / self._LEVELS))
        mass = (
            F.logsigmoid(above).masked_fill(last, 0.0)
            + F.logsigmoid(-below).masked_fill(first, 0.0)
            + inside.masked_fill(first | last, 0.0)
        )
        outside = (level < 0) | (level > self._LEVELS)
        return mass.masked_fill(outside, -math.inf) + math.log(self._LEVELS)

    def mean_by_column(self, location, raw):
        scale = _log_scale(raw).exp()
        return scale * (F.softplus(location / scale) - F.softplus((location - 1) / scale))

    def draw_noise(self, like, generator):
        return torch.empty_like(like).uniform_(generator=generator)

    def draw_by_column(self, noise, location, raw):
        value = location + _log_scale(raw).exp() * torch.logit(noise, eps=1e-7)
        return (value.clamp(0, 1) * self._LEVELS).round() / self._LEVELS


class BernoulliLikelihood(Likelihood):
    """Columns of zeros and ones, so that `log_prob` gives log probabilities.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    def start(self, mean, deviation):
        limit = 1 / (1 + math.exp(_MAX_START_LOGIT))
        # The slope of a logit at one half.
        return torch.logit(mean, eps=limit), 4.0

    def log_prob_by_column(self, x, logit):
        log_prob = -F.softplus((1 - 2 * x) * logit)
        return log_prob.masked_fill((x != 0) & (x != 1), -math.inf)

    def mean_by_column(self, logit):
        return torch.sigmoid(logit)

    def draw_noise(self, like, generator):
        return torch.empty_like(like).uniform_(generator=generator)

    def draw_by_column(self, noise, logit):
        return (noise < torch.sigmoid(logit)).to(logit)


def _log_scale(raw: Tensor) -> Tensor:
    """The bounded log-scale of a number."""
    return _MAX_LOG_SCALE * torch.tanh(raw / _MAX_LOG_SCALE)


def _raw(scale: Tensor) -> Tensor:
    """The number whose bounded log-scale is that of `scale`."""
    share = (scale.log() / _MAX_LOG_SCALE).clamp(-0.99, 0.99)
    return _MAX_LOG_SCALE * torch.atanh(share)
