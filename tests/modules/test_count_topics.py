"""Topics of counts: probabilities that sum to one, draws of that law, and steps that gain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from flowkit import modules as m
from flowkit.modules import count_topics
from flowkit.modules._lengths import draw_lengths, length_log_prob

from ..nets.examples import seeded

LENGTHS = {"weights": [0.3, 0.7], "means": [0.4, 1.6], "deviations": [0.5, 0.2]}


def made(n_features=3, n_topics=2, n_nodes=4, one_hot=False, size=3.0):
    """A module whose parameters are drawn."""
    n_nodes = n_topics if one_hot else n_nodes
    module = m.CountTopics(n_features, n_topics, n_nodes, n_lengths=2, one_hot=one_hot).double()

    def drawn(*shape):
        return torch.rand(*shape, generator=seeded(), dtype=torch.float64) + 0.05

    words, weights, intensities = (
        drawn(n_topics, n_features).square(),
        drawn(n_nodes),
        drawn(n_nodes, n_topics),
    )
    module.words.copy_(words / words.sum(1, keepdim=True))
    module.background.copy_(module.words.mean(0))
    module.node_weights.copy_(weights / weights.sum())
    module.intensities.copy_(size * (torch.eye(n_topics) if one_hot else intensities))
    for name, values in LENGTHS.items():
        getattr(module, f"length_{name}").copy_(torch.tensor(values))
    return module


def all_rows(n_features, longest):
    rows = itertools.product(range(longest + 1), repeat=n_features)
    return torch.tensor([row for row in rows if sum(row) <= longest], dtype=torch.float64)


every_kind = pytest.mark.parametrize("one_hot", [False, True], ids=["shared", "one topic a row"])


@every_kind
@pytest.mark.parametrize("size", [0.1, 3.0, 1e5])
def test_all_rows_of_a_length_sum_to_the_probability_of_the_length(one_hot, size):
    module, rows = made(one_hot=one_hot, size=size), all_rows(3, 12)
    lengths = torch.arange(13.0, dtype=torch.float64)
    total = torch.zeros(13, dtype=torch.float64)
    total.index_add_(0, rows.sum(1).long(), module.log_prob(rows).exp())
    torch.testing.assert_close(total, module.log_prob_of_lengths(lengths).exp())


def test_lengths_sum_to_one_and_have_tails():
    parts = [torch.tensor(v, dtype=torch.float64) for v in LENGTHS.values()]
    log_prob = length_log_prob(torch.arange(10_000.0, dtype=torch.float64), *parts)
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    far = length_log_prob(torch.tensor([1e3, 1e6], dtype=torch.float64), *parts)
    assert torch.isfinite(far).all()
    assert far[0] > far[1]


def test_lengths_are_drawn_as_often_as_scored():
    parts = [torch.tensor(v, dtype=torch.float64) for v in LENGTHS.values()]
    drawn = torch.bincount(draw_lengths(50_000, *parts, seeded()), minlength=12)[:12] / 50_000
    expected = length_log_prob(torch.arange(12.0, dtype=torch.float64), *parts).exp()
    torch.testing.assert_close(drawn.double(), expected, atol=0.01, rtol=0)


def test_a_single_node_is_a_dirichlet_multinomial():
    module = made(n_nodes=1)
    module.node_weights.fill_(1.0)
    rows = torch.tensor([[0.0, 40.0, 1.0], [3.0, 17.0, 16.0], [0.0, 0.0, 0.0]]).double()
    sizes = (module.intensities @ module.words).numpy()[0]
    counts, n = rows.numpy(), rows.sum(1).numpy()
    # Words are drawn one by one from the cells of a row; its order does not matter.
    expected = gammaln(n + 1) + gammaln(sizes.sum()) - gammaln(n + sizes.sum())
    expected += (gammaln(counts + sizes) - gammaln(sizes) - gammaln(counts + 1)).sum(1)
    got = module.log_prob(rows) - module.log_prob_of_lengths(rows.sum(1))
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


@every_kind
def test_rows_are_drawn_as_often_as_scored(one_hot):
    module, n = made(one_hot=one_hot), 40_000
    drawn = module.sample(n, seeded())
    for row in ([0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 3.0], [2.0, 1.0, 1.0]):
        row = torch.tensor(row).double()
        probability = module.log_prob(row[None]).exp().item()
        share = (drawn == row).all(1).double().mean().item()
        assert share == pytest.approx(probability, abs=4 * (probability / n) ** 0.5)


@pytest.mark.parametrize("length", [2, 40])
def test_words_are_drawn_by_their_weights_in_short_rows_and_long_ones(length):
    weights = torch.tensor([[0.0, 3.0, 1.0, 4.0]], dtype=torch.float64).expand(20_000, 4)
    lengths = torch.full((20_000,), length)
    drawn = count_topics._multinomial(weights, lengths, seeded())
    assert (drawn.sum(1) == length).all()
    share = weights[0] / 8
    torch.testing.assert_close(drawn.mean(0) / length, share, atol=0.01, rtol=0)
    expected = length * (torch.diag(share) - share[:, None] * share)
    torch.testing.assert_close(drawn.t().cov(), expected, atol=0.02 * length, rtol=0)


def test_low_temperatures_keep_rows_to_the_profile_of_their_topics():
    module = made(n_features=20, size=0.5)
    theta = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(4_000, 2)
    spread = []
    for temperature in (0.0, 0.3, 1.0):
        drawn = module.sample_given(theta, seeded(), temperature)
        lengths = drawn.sum(1, keepdim=True)
        torch.testing.assert_close(drawn.sum(0) / lengths.sum(), module.words[0], atol=0.05, rtol=0)
        spread.append(((drawn - lengths * module.words[0]) ** 2).mean().item())
    assert spread == sorted(spread)


@every_kind
def test_proportions_are_those_of_the_posterior_by_enumeration(one_hot):
    """Share of the words that follow each topic, summed over the topics of every word."""
    module = made(one_hot=one_hot)
    sequence = [0, 1, 1, 2]
    row = torch.bincount(torch.tensor(sequence), minlength=3).double()[None]
    # Words one by one are draws of an urn, whose first balls are those of node and topic.
    weight = torch.zeros(module.n_topics, dtype=torch.float64)
    total = 0.0
    for s in range(module.n_nodes):
        sizes = module.intensities[s][:, None] * module.words
        for topics in itertools.product(range(module.n_topics), repeat=4):
            counts: dict = {}
            probability = module.node_weights[s].item()
            for i, (word, topic) in enumerate(zip(sequence, topics, strict=True)):
                key = word, topic
                probability *= (sizes[topic, word].item() + counts.get(key, 0)) / (
                    sizes.sum().item() + i
                )
                counts[key] = counts.get(key, 0) + 1
            total += probability
            weight += probability * torch.bincount(torch.tensor(topics), minlength=len(weight)) / 4
    proportions = module.proportions(m.CountEntries.of(row))[0]
    torch.testing.assert_close(proportions, weight / total)
    assert np.log(total) == pytest.approx(
        module.log_prob_of_words(m.CountEntries.of(row)).item(), abs=1e-10
    )


def test_rows_without_words_have_the_proportions_of_the_nodes():
    module = made()
    empty = module.encode(torch.zeros(1, 3).double())
    torch.testing.assert_close(empty[0], module.node_weights @ module.theta)


@every_kind
def test_steps_never_lose_probability_and_gain_much(one_hot, monkeypatch):
    for name in ("_WORD_PRIOR", "_NODE_PRIOR", "_LEAST_WEIGHT"):
        monkeypatch.setattr(count_topics, name, 0.0)
    rows = made(n_features=8, n_topics=3, n_nodes=5, size=9.0).sample(200, seeded())
    module = made(n_features=8, n_topics=2, n_nodes=3, one_hot=one_hot, size=0.5)
    entries, path = m.CountEntries.of(rows), []
    for _ in range(15):
        statistics = module.statistics(entries)
        path.append(statistics.log_prob.item())
        module.maximise(statistics)
    assert (np.diff(path) > -1e-8).all()
    assert path[-1] > path[0] + 10


def test_statistics_are_sums_over_rows_and_weights_count():
    module = made()
    rows = module.sample(30, seeded())
    whole = module.statistics(m.CountEntries.of(rows))
    parts = [module.statistics(m.CountEntries.of(part)) for part in (rows[:7], rows[7:])]
    twice = module.statistics(m.CountEntries.of(rows), torch.full((30,), 2.0).double())
    for name, value in vars(parts[0] + parts[1]).items():
        torch.testing.assert_close(value, getattr(whole, name))
        torch.testing.assert_close(getattr(twice, name), 2 * value)
    assert whole.log_prob.item() == pytest.approx(module.log_prob(rows).sum().item())


def test_no_word_becomes_impossible():
    module = made()
    module.maximise(module.statistics(m.CountEntries.of(torch.tensor([[5.0, 0, 0]]).double())))
    assert (module.words > 0).all()
    torch.testing.assert_close(module.words.sum(1), torch.ones(2).double())
    assert torch.isfinite(module.log_prob(torch.tensor([[0.0, 0.0, 4.0]]).double())).all()


def test_bursts_are_likelier_than_under_a_multinomial():
    bursty, calm = made(size=0.3), made(size=1e6)
    row = torch.tensor([[0.0, 9.0, 0.0]]).double()
    assert bursty.log_prob(row) > calm.log_prob(row)


def test_single_precision_is_close():
    module = made(n_features=50, n_topics=4, n_nodes=9)
    rows = module.sample(20, seeded())
    rows[0] *= 1_000
    single = made(n_features=50, n_topics=4, n_nodes=9).float()
    torch.testing.assert_close(
        single.log_prob(rows.float()), module.log_prob(rows), rtol=1e-5, atol=1e-3
    )
