"""Latent Dirichlet allocation as a density of counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit.modules import CountTopics
from flowkit.starts import count_start, entries_of
from flowkit.topics import bags_of_words

WORDS = np.random.default_rng(1).dirichlet(np.full(30, 0.2), size=3)


def rows(concentration=np.inf, n=200, lengths=None):
    rng = np.random.default_rng(0)
    lengths = np.rint(rng.lognormal(3.5, 0.4, n)).astype(int) if lengths is None else lengths
    profiles = WORDS[np.arange(n) % 3]
    if np.isfinite(concentration):
        profiles = np.stack([rng.dirichlet(concentration * p + 1e-9) for p in profiles])
    return np.stack([rng.multinomial(*pair) for pair in zip(lengths, profiles, strict=True)])


def started(counts, one_hot=False, backend="sklearn", weight=None, n_topics=3):
    rng = np.random.RandomState(0)
    start = count_start(bags_of_words(counts), weight, n_topics, backend, one_hot, rng)
    module = CountTopics(counts.shape[1], **start.config, one_hot=one_hot).double()
    start.initialise(module)
    return module


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("backend", ["sklearn", None])
def test_words_are_those_that_were_planted(backend, one_hot):
    module = started(rows(), one_hot, backend)
    distance = np.abs(module.words.numpy()[:, None] - WORDS).sum(2) / 2
    assert distance.min(1).max() < 0.2
    assert (module.words > 0).all()
    for part in (module.words.sum(1), module.background.sum(), module.node_weights.sum()):
        torch.testing.assert_close(part, torch.ones_like(part))


@pytest.mark.parametrize("concentration", [20.0, 200.0, np.inf])
def test_concentration_is_that_of_the_bursts(concentration):
    """With a single topic nothing else makes rows differ."""
    counts = rows(concentration, n=600)[::3]
    found = started(counts, n_topics=1).concentrations.mean().item()
    if np.isfinite(concentration):
        assert concentration / 3 < found < concentration * 3
    else:
        assert found > 1e3


def test_lengths_have_the_law_of_the_rows():
    rng = np.random.default_rng(2)
    lengths = np.where(rng.uniform(size=2_000) < 0.3, rng.poisson(4, 2_000), rng.poisson(60, 2_000))
    module = started(rows(n=2_000, lengths=lengths), one_hot=True)
    drawn = module.sample(2_000, torch.Generator().manual_seed(0)).sum(1).numpy()
    assert stats.ks_2samp(drawn, lengths).pvalue > 0.01
    same = started(rows(lengths=np.full(200, 40)), one_hot=True)
    log_prob = same.log_prob_of_lengths(torch.tensor([40.0, 41.0, 1e4]))
    assert log_prob[0].exp() > 0.8
    # Other lengths are rare, not impossible.
    assert torch.isfinite(log_prob).all()


def test_rows_of_more_weight_count_for_more():
    counts = rows()
    weight = np.where(np.arange(len(counts)) % 3 == 0, 1.0, 1e-3)
    plain, weighted = (started(counts, weight=w).background.numpy() for w in (None, weight))
    assert np.abs(weighted - WORDS[0]).sum() < 0.2 < np.abs(plain - WORDS[0]).sum()


def test_entries_are_those_of_the_rows():
    counts = rows(n=6)
    counts[2] = 0
    entries = entries_of(bags_of_words(counts).counts())
    dense = torch.zeros(counts.shape, dtype=torch.float64)
    dense[entries.row, entries.column] = entries.count
    np.testing.assert_array_equal(dense, counts)
    assert entries.n_rows == 6
    np.testing.assert_array_equal(entries.lengths(), counts.sum(1))


@pytest.mark.parametrize("one_hot", [False, True])
def test_topics_take_the_numbers_of_others(one_hot):
    counts = bags_of_words(rows())
    start = count_start(counts, None, 3, "sklearn", one_hot, np.random.RandomState(0))
    for order in ([0, 1, 2], [2, 0, 1]):
        found = start.numbered_as(WORDS[order], one_hot)
        module = CountTopics(30, **found.config, one_hot=one_hot).double()
        found.initialise(module)
        distance = np.abs(module.words.numpy()[:, None] - WORDS[order]).sum(2)
        np.testing.assert_array_equal(distance.argmin(1), range(3))
        # The same density, whatever the numbers.
        entries = entries_of(counts.counts())
        other = CountTopics(30, **start.config, one_hot=one_hot).double()
        start.initialise(other)
        torch.testing.assert_close(module.log_prob_of(entries), other.log_prob_of(entries))
