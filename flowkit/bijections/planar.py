"""Planar maps and their generalisation to many columns: cheap posterior flows of an autoencoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ..nets import ResidualMLP
from ._base import Bijection

# Least slope of the map along any of its directions.
_MIN_SLOPE = 0.01
# Bound of the norms of a planar map's vectors, hence of its slope: 1 + 10 * 10.
_MAX_NORM = 10.0
# Bound of Sylvester's entries off the diagonal: with larger ones the inverse loses digits.
_MAX_ENTRY = 3.0
# Eight reach float64 precision for all slopes that the bounds above allow.
_NEWTON_STEPS = 10


class _Amortised(Bijection):
    """A bijection of free parameters, to which a network of the context adds."""

    def _amortise(self, raw: Tensor, **net_options) -> None:
        self.raw = nn.Parameter(raw)
        self.net = (
            ResidualMLP(self.n_context, raw.numel(), **net_options) if self.n_context else None
        )

    def _raw_for(self, context: Tensor | None) -> Tensor:
        """One set of parameters per row, or one for all; the first axis is 1 then."""
        if self.net is None:
            return self.raw[None]
        return self.raw + self.net(context).reshape(-1, *self.raw.shape)


class Planar(_Amortised):
    """``z = x + u tanh(w·x + b)``, initially the identity.

    `u` is kept to ``w·u > -0.99``, and the norms of both vectors below 10, so that the
    determinant stays within [0.01, 101]. The inverse is exact too: it solves one monotone
    equation of one number per row.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns that steer w, u and b.
    hidden_units, n_hidden_layers, dropout
        Of the network that there is with a context, as in `flowkit.nets.ResidualMLP`.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    References
    ----------
    Rezende, Mohamed, "Variational Inference with Normalizing Flows", ICML 2015, arXiv 1505.05770.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Planar
    >>> Planar(2)(torch.tensor([[1.0, 2.0]]))[0].detach()
    tensor([[1., 2.]])
    """

    def __init__(
        self,
        n_features: int,
        n_context: int = 0,
        *,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features, n_context)
        raw = torch.zeros(2 * n_features + 1)
        # Were w zero as well as u, neither would have a gradient.
        raw[:n_features].normal_(0.0, n_features**-0.5, generator=generator)
        self._amortise(
            raw,
            hidden_units=hidden_units,
            n_hidden_layers=n_hidden_layers,
            dropout=dropout,
            generator=generator,
        )

    def _parts(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d = self.n_features
        w, u, b = self._raw_for(context).split((d, d, 1), -1)
        w, u = _bounded(w), _bounded(u)
        product = (w * u).sum(-1, keepdim=True)
        # Unlike the softplus of the paper, a CELU leaves u alone where the map is invertible
        # anyway, u = 0 among it, and asks for no large correction where w is small.
        excess = F.celu(product, 1 - _MIN_SLOPE) - product
        u = u + w * (excess / (w * w).sum(-1, keepdim=True).clamp_min(1e-6))
        return w, u, b, (w * u).sum(-1, keepdim=True)

    def _forward(self, x, context):
        w, u, b, gain = self._parts(context)
        h = torch.tanh((x * w).sum(1, keepdim=True) + b)
        return x + u * h, _log_slope(h, gain)[:, 0]

    def _inverse(self, z, context):
        w, u, b, gain = self._parts(context)
        h = torch.tanh(_solve((z * w).sum(1, keepdim=True) + b, gain))
        return z - u * h, -_log_slope(h, gain)[:, 0]


class Sylvester(_Amortised):
    """``z = x + Q R1 tanh(R2 Qᵀx + b)``, initially the identity.

    Q is orthonormal, of `n_columns` columns, and the same for all contexts. R1 and R2 are upper
    triangular, their entries bounded by hyperbolic tangents: by 1 on the diagonals, so that the
    determinant has factors within [0.01, 1.99], and by 3 off them. The inverse is exact too: it
    solves one monotone equation of one number per row for each column of Q, from the last to the
    first.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.
    n_context : int, default=0
        Number of context columns that steer R1, R2 and b.
    n_columns : int, default=8
        Number of columns of Q; at most `n_features` are used.
    hidden_units, n_hidden_layers, dropout
        Of the network that there is with a context, as in `flowkit.nets.ResidualMLP`.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    References
    ----------
    van den Berg, Hasenclever, Tomczak, Welling, "Sylvester Normalizing Flows for Variational
    Inference", UAI 2018, arXiv 1803.05649.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Sylvester
    >>> flow = Sylvester(3, n_context=2, n_columns=2)
    >>> flow(torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1, 2))[0].detach()
    tensor([[1., 2., 3.]])
    """

    def __init__(
        self,
        n_features: int,
        n_context: int = 0,
        *,
        n_columns: int = 8,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features, n_context)
        if n_columns < 1:
            raise InvalidParameterError(f"n_columns must be at least 1, got {n_columns}.")
        n_columns = min(n_columns, n_features)
        # A square that holds R1 above its diagonal and R2 below, the diagonal of R2, and b.
        raw = torch.zeros(n_columns + 2, n_columns)
        # Were R2 zero as well as R1, neither would have a gradient.
        raw[-2] = 1.0
        self._amortise(
            raw,
            hidden_units=hidden_units,
            n_hidden_layers=n_hidden_layers,
            dropout=dropout,
            generator=generator,
        )
        reflections = torch.randn(n_features, n_columns, generator=generator)
        self.reflections = nn.Parameter(reflections * n_features**-0.5)

    def _orthonormal(self) -> Tensor:
        # Householder vectors with a one on top never vanish, and give every Q up to signs, which
        # R1 and R2 have. Their product I - V T Vᵀ is one triangular solve (Schreiber, Van Loan
        # 1989), where T⁻¹ is VᵀV above its diagonal and half of it on it.
        d, m = self.reflections.shape
        eye = torch.eye(d, m, dtype=self.reflections.dtype, device=self.reflections.device)
        v = F.normalize(self.reflections.tril(-1) + eye, dim=0)
        t_inverse = (v.t() @ v).triu(1) + eye[:m] / 2
        return eye - v @ torch.linalg.solve_triangular(t_inverse, v[:m].t(), upper=True)

    def _parts(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raw = self._raw_for(context)
        square, diagonal, b = raw[:, :-2], raw[:, -2], raw[:, -1]
        first = (1 - _MIN_SLOPE) * torch.tanh(square.diagonal(dim1=1, dim2=2))
        second = torch.tanh(diagonal)
        square = _MAX_ENTRY * torch.tanh(square / _MAX_ENTRY)
        r1 = square.triu(1) + torch.diag_embed(first)
        r2 = square.mT.triu(1) + torch.diag_embed(second)
        return r1, r2, b, first * second

    def _forward(self, x, context):
        q, (r1, r2, b, gain) = self._orthonormal(), self._parts(context)
        h = torch.tanh(_times(r2, x @ q) + b)
        return x + _times(r1, h) @ q.t(), _log_slope(h, gain).sum(1)

    def _inverse(self, z, context):
        q, (r1, r2, b, gain) = self._orthonormal(), self._parts(context)
        y = z @ q
        v = h = y[:, :0]
        for i in reversed(range(y.shape[1])):
            # What the columns after leave of this one.
            rest = y[:, i] - (r1[:, i, i + 1 :] * h).sum(1)
            shift = b[:, i] + (r2[:, i, i + 1 :] * v).sum(1)
            new = torch.tanh(_solve(r2[:, i, i] * rest + shift, gain[:, i]))
            h = torch.cat((new[:, None], h), 1)
            v = torch.cat(((rest - r1[:, i, i] * new)[:, None], v), 1)
        return z - _times(r1, h) @ q.t(), -_log_slope(h, gain).sum(1)


def _bounded(vectors: Tensor) -> Tensor:
    return vectors * torch.rsqrt(1 + (vectors / _MAX_NORM).square().sum(-1, keepdim=True))


def _times(matrices: Tensor, rows: Tensor) -> Tensor:
    """Product of a matrix per row, or of one for all, with the rows."""
    if len(matrices) == 1:
        return rows @ matrices[0].t()
    return (matrices @ rows[:, :, None])[:, :, 0]


def _log_slope(h: Tensor, gain: Tensor) -> Tensor:
    """Of ``s + gain tanh(s)``, where ``h = tanh(s)``."""
    return torch.log1p(gain * (1 - h * h))


def _solve(target: Tensor, gain: Tensor) -> Tensor:
    """Root of ``s + gain tanh(s) = target`` for ``gain > -1``."""

    def newton(s):
        h = torch.tanh(s)
        return s - (s + gain * h - target) / (1 + gain * (1 - h * h))

    with torch.no_grad():
        # |tanh(s)| is at most 1 and at most |s|. The tighter of the two bounds of the root lies
        # on that side of it from where Newton's steps, of a function without an inflexion
        # between zero and the root, approach it without overshooting.
        size = target.abs()
        near, far = size / (1 + gain), size - gain
        s = torch.where(gain > 0, torch.maximum(near, far), torch.minimum(near, far))
        s = s * target.sign()
        for _ in range(_NEWTON_STEPS):
            s = newton(s)
    # The last step gives the root its gradient, that of the implicit function.
    return newton(s)
