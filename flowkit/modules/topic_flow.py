"""A flow onto topics that keeps to the topics that rows were found to have."""

from __future__ import annotations

from ..bijections import Bijection
from ..priors import PartialTopic, Topic
from ._base import weighted_mean
from .flow import Flow


class TopicFlow(Flow):
    """A `Flow` onto topics, whose loss may hold rows at given topics.

    Where a batch brings topics of its rows as a third element, `loss` adds `penalty` times the
    cross-entropy between these and the topic proportions under the prior. `log_prob` and
    `validation_loss` know nothing of it.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent.
    prior : Topic or PartialTopic
        Density of the latent.
    penalty : float, default=0.0
        Weight of the cross-entropy.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import SplineCoupling
    >>> from flowkit.modules import TopicFlow
    >>> from flowkit.priors import Topic
    >>> flow = TopicFlow(SplineCoupling(2), Topic(2, n_topics=2), penalty=1.0)
    >>> rows, topics = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    >>> bool(flow.loss((rows, None, topics)) > flow.loss((rows, None)))
    True
    """

    prior: Topic | PartialTopic

    def __init__(self, bijection: Bijection, prior: Topic | PartialTopic, penalty: float = 0.0):
        super().__init__(bijection, prior)
        self.penalty = penalty

    def loss(self, batch):
        x, weight, *topics = batch
        self.penalised = 0.0
        if not topics:
            return super().loss((x, weight))
        z, log_det = self.bijection(x)
        log_prob, log_proportions = self.prior.log_prob_and_proportions(z)
        entropy = -(topics[0] * log_proportions).sum(1)
        penalty = self.penalty * weighted_mean(entropy, weight)
        self.penalised = penalty.detach()
        return penalty - weighted_mean(log_prob + log_det, weight)
