"""Topics of whole rows that halves of the rows agree on."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from flowkit.starts import choose_reference, normal_scores
from flowkit.topics import kmeans_topics


def clusters(n_columns=4, seed=0):
    """Three clusters, each a third of the rows, and a few far rows."""
    rng = np.random.RandomState(seed)
    labels = np.arange(60 * n_columns) % 3
    centres = 6.0 * np.eye(3, n_columns)
    X = centres[labels] + rng.normal(size=(len(labels), n_columns))
    X[::50] *= 4
    return (X - X.mean(0)) / X.std(0), labels


def proposed(Z, seed=0):
    rng, Z = np.random.RandomState(seed), normal_scores(Z)
    return [lambda index: kmeans_topics(Z[index], 3, rng)[1]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_columns", [4, 12])
def test_finds_the_clusters_in_spite_of_far_rows(n_columns, seed):
    Z, labels = clusters(n_columns, seed)
    reference = choose_reference(Z, proposed(Z, seed), np.random.RandomState(seed))
    topics = reference.topics(Z)
    assert reference.n_topics == 3
    np.testing.assert_allclose(topics.sum(1), 1)
    assert adjusted_rand_score(labels, topics.argmax(1)) > 0.85


def test_likelihood_decides_between_ways_to_cut_that_halves_agree_on():
    """Long clusters side by side: columns independent within a topic would cut them across."""
    rng = np.random.RandomState(0)
    labels = np.arange(400) % 2
    along = rng.normal(size=400) * 4
    X = np.stack([along + labels * 3, along - labels * 3], 1) + rng.normal(size=(400, 2)) * 0.4
    Z = (X - X.mean(0)) / X.std(0)

    def propose(index):
        return 0.1 + 0.8 * np.eye(2)[labels[index]]

    reference = choose_reference(Z, [propose], np.random.RandomState(0))
    assert reference.principal is not None
    assert adjusted_rand_score(labels, reference.topics(Z).argmax(1)) > 0.9


def test_a_useless_proposal_is_not_taken():
    Z, labels = clusters()

    def useless(index):
        # Hardly any row follows the second and the third topic.
        return np.tile([0.998, 0.001, 0.001], (len(index), 1))

    proposals = [useless, *proposed(Z)]
    reference = choose_reference(Z, proposals, np.random.RandomState(0))
    assert adjusted_rand_score(labels, reference.topics(Z).argmax(1)) > 0.85


def test_rows_far_away_and_no_rows_have_topics():
    Z, _ = clusters()
    reference = choose_reference(Z, proposed(Z), np.random.RandomState(0))
    far = reference.topics(np.full((2, 4), 1e12))
    assert np.isfinite(far).all()
    np.testing.assert_allclose(far.sum(1), 1)
    assert reference.topics(np.empty((0, 4))).shape == (0, 3)


def test_same_seed_same_topics():
    Z, _ = clusters()
    first, second = (choose_reference(Z, proposed(Z), np.random.RandomState(0)) for _ in range(2))
    np.testing.assert_array_equal(first.topics(Z), second.topics(Z))


def test_few_rows_take_the_first_proposal():
    Z, _ = clusters()
    topics = choose_reference(Z[:5], proposed(Z[:5]), np.random.RandomState(0)).topics(Z[:5])
    assert topics.shape == (5, 3)
    assert np.isfinite(topics).all()
