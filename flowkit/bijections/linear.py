"""Linear maps that mix columns: LU-factorised matrices and permutations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._compiled import array_of
from ..exceptions import InvalidParameterError
from ._base import Bijection, zero_log_det
from ._fused_chain import FusedStep

# With more columns than a batch has rows, the product of the factors costs most.
_MANY_FEATURES = 256
# With fewer, calls cost more than products of the factors do without a library.
_FEW_FEATURES = 64


class LULinear(Bijection):
    """``z = L U x + b`` with unit lower L and upper U, initially the identity.

    The diagonal of U is bounded in log-space, so that the map never becomes singular.

    Parameters
    ----------
    n_features : int
        Number of columns.
    max_log_scale : float, default=8.0
        Bound of the log of U's diagonal.

    References
    ----------
    Oliva et al., "Transformation Autoregressive Networks", ICML 2018, arXiv 1801.09819.
    """

    is_linear = True
    # As fast as the priors that it turns.
    learning_rate_factor = 12.0

    def __init__(self, n_features: int, max_log_scale: float = 8.0):
        super().__init__(n_features)
        if not max_log_scale > 0:
            raise InvalidParameterError(f"max_log_scale must be > 0, got {max_log_scale}.")
        self.max_log_scale = max_log_scale
        self.lower = nn.Parameter(torch.zeros(n_features, n_features))
        self.upper = nn.Parameter(torch.zeros(n_features, n_features))
        self.raw_diagonal = nn.Parameter(torch.zeros(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))

    @torch.no_grad()
    def start(self, matrix: Tensor, bias: Tensor) -> None:
        """Set the map to a symmetric positive definite matrix and a bias.

        Parameters
        ----------
        matrix : Tensor of shape (n_features, n_features)
            Symmetric positive definite.
        bias : Tensor of shape (n_features,)
            Added after the matrix product.
        """
        # Such a matrix is C C^T, hence (C / diag) (diag C^T): an LU form without pivoting.
        root = torch.linalg.cholesky(matrix)
        diagonal = root.diagonal()
        share = (2 * diagonal.log() / self.max_log_scale).clamp(-0.999, 0.999)
        self.raw_diagonal.copy_(self.max_log_scale * torch.atanh(share))
        self.lower.copy_(root / diagonal)
        self.upper.copy_((root * diagonal).t())
        self.bias.copy_(bias)

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        log_diagonal = self.max_log_scale * torch.tanh(self.raw_diagonal / self.max_log_scale)
        lower = self.lower.tril(-1) + torch.eye(
            self.n_features, dtype=self.lower.dtype, device=self.lower.device
        )
        upper = self.upper.triu(1) + torch.diag(log_diagonal.exp())
        return lower, upper, log_diagonal.sum()

    def fused_steps(self):
        if self.n_features > _FEW_FEATURES:
            return None
        return [_FusedLU(self.lower, self.upper, self.raw_diagonal, self.bias, self.max_log_scale)]

    def _forward(self, x, context):
        lower, upper, log_det = self._factors()
        if self.n_features > _MANY_FEATURES:
            z = torch.addmm(self.bias, x @ upper.t(), lower.t())
        else:
            z = torch.addmm(self.bias, x, (lower @ upper).t())
        return z, log_det.expand(x.shape[0])

    def _inverse(self, z, context):
        lower, upper, log_det = self._factors()
        columns = (z - self.bias).t()
        columns = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
        columns = torch.linalg.solve_triangular(upper, columns, upper=True)
        return columns.t(), (-log_det).expand(z.shape[0])


class _FusedLU(FusedStep):
    """The map and its gradient, of few columns."""

    def __init__(self, lower: Tensor, upper: Tensor, raw: Tensor, bias: Tensor, bound: float):
        self.parameters, self.bound = [lower, upper, raw, bias], bound

    def forward(self, columns):
        from ._fused_lu import multiply

        *factors, bias = self.parameters
        matrix = torch.empty_like(factors[0])
        log_det = multiply(*map(array_of, factors), self.bound, matrix.numpy())
        return torch.addmm(bias[:, None], matrix, columns), log_det, (columns, matrix)

    def backward(self, saved, grad, grad_log_det, wants_columns):
        from ._fused_lu import multiply_gradient

        columns, matrix = saved
        factors = self.parameters[:3]
        by_matrix, by_factors = grad @ columns.t(), [torch.empty_like(f) for f in factors]
        given = by_matrix.numpy(), grad_log_det.sum().item()
        results = [f.numpy() for f in by_factors]
        multiply_gradient(*map(array_of, factors), self.bound, *given, *results)
        by_columns = matrix.t() @ grad if wants_columns else None
        return by_columns, [*by_factors, grad.sum(1)]


class Permutation(Bijection):
    """Another order of the columns.

    Parameters
    ----------
    n_features : int
        Number of columns.
    kind : {'reverse', 'random'}, default='reverse'
        Which order.
    generator : torch.Generator, optional
        Source of a random order; torch's global one by default.
    """

    is_linear = True

    def __init__(
        self, n_features: int, kind: str = "reverse", generator: torch.Generator | None = None
    ):
        super().__init__(n_features)
        if kind == "reverse":
            order = torch.arange(n_features - 1, -1, -1)
        elif kind == "random":
            order = torch.randperm(n_features, generator=generator)
        else:
            raise InvalidParameterError(f"kind must be 'reverse' or 'random', got {kind!r}.")
        self.register_buffer("order", order)

    def _forward(self, x, context):
        return x.index_select(1, self.order), zero_log_det(x)

    def _inverse(self, z, context):
        return z.index_select(1, self.order.argsort()), zero_log_det(z)
