"""A flow whose loss holds rows at given topics."""

import pytest
import torch

from flowkit.bijections import SplineCoupling
from flowkit.modules import TopicFlow
from flowkit.priors import PartialTopic, Topic
from tests.tensors import perturbed

GROUPS = [[0, 1], [2, 3]]
PRIORS = {
    "one topic a row": lambda: Topic(4, 3, [range(4)], nodes="one_hot"),
    "a topic a group": lambda: Topic(4, 3, GROUPS, covariance="full"),
    "some columns": lambda: PartialTopic(4, 3, GROUPS, [0, 2]),
}


@pytest.fixture(params=PRIORS)
def flow(request):
    generator = torch.Generator().manual_seed(0)
    flow = TopicFlow(SplineCoupling(4, generator=generator), PRIORS[request.param](), penalty=2.0)
    return perturbed(flow.double())


def rows(n=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    topics = torch.rand(n, 3, generator=generator, dtype=torch.float64).softmax(1)
    return x, topics


def test_loss_is_log_density_and_cross_entropy(flow):
    x, topics = rows()
    z = flow.encode(x)
    log_prob, log_proportions = flow.prior.log_prob_and_proportions(z)
    torch.testing.assert_close(log_prob, flow.prior.log_prob(z))
    torch.testing.assert_close(log_proportions.exp().sum(1), torch.ones(6, dtype=torch.float64))
    expected = -flow.log_prob(x).mean() - 2.0 * (topics * log_proportions).sum(1).mean()
    torch.testing.assert_close(flow.loss((x, None, topics)), expected)
    # What training reports leaves the penalty out.
    reported = flow.loss((x, None, topics)) - flow.penalised
    torch.testing.assert_close(reported, -flow.log_prob(x).mean())


def test_weights_count_in_both_parts(flow):
    x, topics = rows()
    weight = torch.tensor([2.0, 1.0, 0.0, 1.0, 2.0, 0.0], dtype=torch.float64)
    index = torch.tensor([0, 0, 1, 3, 4, 4])
    repeated = flow.loss((x[index], None, topics[index]))
    torch.testing.assert_close(flow.loss((x, weight, topics)), repeated)


def test_without_topics_it_is_a_flow(flow):
    x, _ = rows()
    torch.testing.assert_close(flow.loss((x, None)), -flow.log_prob(x).mean())
    assert flow.penalised == 0.0


def test_far_rows_have_finite_gradients(flow):
    x, topics = rows()
    flow.float()
    flow.loss((30 * x.float(), None, topics.float())).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in flow.parameters())
