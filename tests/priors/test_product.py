"""Priors of blocks of columns."""

from __future__ import annotations

import pytest
import torch

from flowkit.exceptions import InvalidParameterError
from flowkit.priors import Laplace, Normal, Product, Topic

from ..tensors import perturbed, rows_in


# The product prior
def test_product_prior_has_shares_and_marginals():
    topic = perturbed(Topic(2, 3, [[0, 1]], nodes="one_hot"), 0.5)
    parts = [Laplace(3).double(), topic]
    prior = Product(parts, [[0, 2, 4], [1, 3]])
    z = rows_in("real", 6, 5)
    expected = parts[0].log_prob(z[:, [0, 2, 4]]) + topic.log_prob(z[:, [1, 3]])
    torch.testing.assert_close(prior.log_prob(z), expected)
    shares = prior.log_prob_by_column(z)
    torch.testing.assert_close(shares.sum(1), expected)
    torch.testing.assert_close(shares[:, 1], shares[:, 3])
    torch.testing.assert_close(prior.join(prior.parts(z)), z)
    some = torch.tensor([1, 2, 3])
    marginal = prior.marginal(some)
    torch.testing.assert_close(
        marginal.log_prob(z[:, some]), parts[0].log_prob_by_column(z[:, [0, 2, 4]])[:, 1]
        + topic.log_prob(z[:, [1, 3]])
    )  # fmt: skip
    with pytest.raises(InvalidParameterError, match="1 of the 2 columns of Topic"):
        prior.marginal(torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("columns", "message"), [([[0], [0]], "columns 0 to 1 once"), ([[0, 1], [2]], "must be equal")]
)
def test_blocks_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(InvalidParameterError, match=message):
        Product([Normal(1), Normal(1)], columns)
