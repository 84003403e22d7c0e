"""What FractalFlowDensity offers beyond other densities."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn import datasets
from sklearn.datasets import load_wine
from sklearn.metrics import normalized_mutual_info_score

from flowkit import FractalFlowDensity
from flowkit import bijections as b
from flowkit.exceptions import (
    ChangedParameterError,
    InvalidDataError,
    InvalidParameterError,
    MissingDependencyError,
)
from flowkit.priors import Normal, Topic
from flowkit.starts._topic_start import TopicGuess, choose_topic_start
from flowkit.starts._word_groups import word_groups

from ..table import NET
from ..tensors import perturbed, rows_in
from .examples import TINY


# The estimator
@pytest.fixture(scope="module")
def wine():
    data = load_wine(as_frame=True)
    return data.data, data.target.to_numpy()


@pytest.fixture(scope="module")
def fitted(wine):
    return FractalFlowDensity(3, n_word_groups=13, **{**TINY, "max_epochs": 8}).fit(wine[0])


def test_epoch_zero_is_the_started_prior(wine):
    """With the flow at the identity, the density is that of the classical start."""
    X = wine[0].to_numpy()
    start = FractalFlowDensity(3, **{**TINY, "max_epochs": 1, "learning_rate": 1e-12}).fit(X)
    module = copy.deepcopy(start.module_)
    fractals = [bij for bij in module.bijection.bijections if isinstance(bij, b.FractalCoupling)]
    kept = [bij for bij in module.bijection.bijections if not isinstance(bij, b.FractalCoupling)]
    assert len(fractals) == 1
    assert isinstance(module.prior, Topic)
    Z = torch.from_numpy(start._columns.standardise(X))
    with torch.no_grad():
        z, log_det = b.Compose(kept)(Z)
        expected = module.prior.log_prob(z) + log_det - np.log(start.scale_).sum()
    np.testing.assert_allclose(start.score_samples(X), expected, atol=1e-4)
    # The hold-out never picks worse than that.
    trained = FractalFlowDensity(3, **{**TINY, "max_epochs": 10}).fit(X)
    history = trained.history_["valid_log_density"]
    assert np.nanmax(history) == history[trained.best_epoch_] >= history[0]


def test_proportions_are_probabilities_and_predict_is_the_heaviest(fitted, wine):
    proportions = fitted.predict_proba(wine[0])
    assert proportions.shape == (178, 3)
    assert (proportions >= 0).all()
    np.testing.assert_allclose(proportions.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(fitted.predict(wine[0]), proportions.argmax(1))


def test_topics_of_wine_are_its_kinds(fitted, wine):
    assert normalized_mutual_info_score(wine[1], fitted.predict(wine[0])) > 0.7


def test_topics_are_told_in_names_and_units_of_the_columns(fitted, wine):
    X, topics = wine[0], fitted.topics_
    assert len(topics) == 3
    assert sum(topic["weight"] for topic in topics) == pytest.approx(1, abs=1e-6)
    assert all(topic["alpha"] > 0 for topic in topics)
    assert fitted.word_groups_ == [[j] for j in range(13)]
    labels = [word for topic in topics for word, _ in topic["words"]]
    assert all(any(label.startswith(name) for name in X.columns) for label in labels)
    # The words of a topic are more probable in its own rows than in others.
    topic_of_row = fitted.predict(X)
    for k, topic in enumerate(topics):
        word, probability = topic["words"][0]
        assert 0 < probability <= 1
        name = max((name for name in X.columns if word.startswith(name)), key=len)
        inside = _inside(X[name], word.removeprefix(name).strip())
        assert inside[topic_of_row == k].mean() > inside[topic_of_row != k].mean()


def _inside(column, condition):
    if condition.startswith("in"):
        low, high = map(float, condition[3:].strip("([])").split(","))
        return column.between(low, high, inclusive="right").to_numpy()
    relation, bound = condition.split()
    return (column <= float(bound) if relation == "<=" else column > float(bound)).to_numpy()


def test_samples_of_a_topic_are_predicted_to_be_of_it(fitted, wine):
    for k in range(3):
        rows = pd.DataFrame(fitted.sample(200, 0, topics=k), columns=wine[0].columns)
        assert (fitted.predict(rows) == k).mean() > 0.9


def test_samples_follow_given_proportions(fitted):
    one = fitted.sample(4, 0, topics=[0, 1, 0])
    np.testing.assert_array_equal(one, fitted.sample(4, 0, topics=1))
    np.testing.assert_array_equal(one, fitted.sample(4, 0, topics=np.tile([0, 2.0, 0], (4, 1))))
    assert not np.array_equal(one, fitted.sample(4, 0, topics=2))
    assert not np.array_equal(one, fitted.sample(4, 0))


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        (3, "0 to 2, got 3"),
        (-1, "0 to 2, got -1"),
        ([0.5, 0.5], r"shape \(3,\)"),
        ([0.0, 0.0, 0.0], "not all zero"),
        ([1.0, -1.0, 1.0], "non-negative"),
        ([1.0, np.nan, 1.0], "non-negative"),
        ("first", "an int or an array of numbers"),
    ],
)
def test_topics_that_are_none_are_refused(fitted, topics, message):
    with pytest.raises(InvalidDataError, match=message):
        fitted.sample(4, topics=topics)


def test_swapped_rows_take_on_the_topics_of_their_donors(fitted, wine):
    X, kind = wine[0], fitted.predict(wine[0])
    first, second = X[kind == 0][:20], X[kind == 1][:20]
    swapped = pd.DataFrame(fitted.swap_topics(first, second), columns=X.columns)
    assert (fitted.predict(swapped) == 1).mean() > 0.8
    own = fitted.swap_topics(first, first)
    np.testing.assert_allclose(own, first, rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidDataError, match="pairs, got 20 and 19"):
        fitted.swap_topics(first, second[1:])


def test_interpolation_starts_and_ends_at_the_rows(fitted, wine):
    first, second = wine[0][:3], wine[0][-3:]
    path = fitted.interpolate(first, second, n_steps=4)
    assert path.shape == (4, 3, 13)
    np.testing.assert_allclose(path[0], first, rtol=1e-6)
    np.testing.assert_allclose(path[-1], second, rtol=1e-6)
    with pytest.raises(InvalidDataError, match="n_steps"):
        fitted.interpolate(first, second, n_steps=1)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_blocks": 2},
        {"fractal": "autoregressive"},
        {"prior": "normal"},
        {"prior": "gaussian_mixture", "coupling": "affine"},
    ],
)
def test_shares_of_the_estimator_sum_to_the_log_determinant_in_units_of_x(parameters, wine):
    X = wine[0]
    density = FractalFlowDensity(3, **{**TINY, **parameters}).fit(X)
    tree = density.log_det_tree(X)
    with torch.no_grad():
        latent = density.module_.encode(
            torch.from_numpy(density._columns.standardise(X.to_numpy()))
        )
        prior = density.module_.prior.log_prob(latent).numpy()
    np.testing.assert_allclose(tree.shares.sum(1) + prior, density.score_samples(X), atol=1e-8)
    assert tree.shares.shape == (178, len(tree.kinds))
    assert len(tree.levels) == len(tree.kinds) == len(tree.features)
    assert tree.kinds[0] == "mixing"
    assert tree.features[0] == tuple(X.columns)
    assert [f for f, k in zip(tree.features, tree.kinds, strict=True) if k == "leaf"] == [
        (name,) for name in X.columns
    ]


def test_each_map_around_the_tree_has_its_share_where_it_acts():
    class Doubled(b.Elementwise):
        def _forward_by_column(self, x, context):
            return 2 * x, torch.full_like(x, math.log(2.0))

        def _inverse_by_column(self, z, context):
            return z / 2, torch.full_like(z, -math.log(2.0))

    class Mixed(b.Bijection):
        def _forward(self, x, context):
            return x + x.flip(1) / 2, x.new_full((len(x),), 4 * math.log(0.75))

    fractal = perturbed(b.FractalCoupling(8, **NET))
    x = rows_in("real", 20, 8)
    stack = b.Compose([Doubled(8), Mixed(8), fractal, Doubled(8)])
    nodes, shares = stack.nodes, stack.log_det_tree(x)
    torch.testing.assert_close(shares.sum(1), stack(x)[1])
    assert (nodes[0].kind, nodes[0].columns) == ("mixing", tuple(range(8)))
    torch.testing.assert_close(shares[:, 0], torch.full((20,), 4 * math.log(0.75)).double())
    inner = fractal.log_det_tree(Mixed(8)(2 * x)[0])
    kept = [i for i, node in enumerate(fractal.nodes) if node.kind == "leaf"]
    leaves = shares[:, [nodes.index(fractal.nodes[i]) for i in kept]]
    torch.testing.assert_close(leaves, inner[:, kept] + 2 * math.log(2.0))


def test_far_off_rows_have_proportions_though_no_density(fitted, wine):
    far = pd.DataFrame(np.full((1, 13), 1e200), columns=wine[0].columns)
    assert fitted.score_samples(far) == -np.inf
    proportions = fitted.predict_proba(far)
    assert np.isfinite(proportions).all()
    np.testing.assert_allclose(proportions.sum(1), 1, rtol=1e-6)


def test_what_was_fitted_counts_whatever_the_parameters_became(wine):
    density = FractalFlowDensity(3, **TINY).fit(wine[0])
    density.set_params(prior="normal")
    assert density.predict(wine[0]).shape == (178,)
    density.fit(wine[0]).set_params(prior="topic")
    assert not hasattr(density, "predict")
    with pytest.raises(InvalidParameterError, match="no topics"):
        density.sample(2, topics=0)


def test_weights_count_for_the_topics_too():
    """Topics are spent on rows that weigh something."""
    rng = np.random.default_rng(0)
    X = np.concatenate([c + rng.normal(size=(100, 2)) for c in ([0, 0], [8, 0], [0, 30])])
    weight = np.repeat([1.0, 1.0, 1e-6], 100)
    for backend in ("sklearn", None):
        density = FractalFlowDensity(2, n_word_groups=1, **{**TINY, "lda_backend": backend})
        topic = density.fit(X, sample_weight=weight).predict(X)
        assert (topic[:100] == topic[0]).mean() > 0.9
        assert (topic[100:200] != topic[0]).mean() > 0.9


def test_repeats_of_a_row_stay_on_one_side_of_the_search():
    rng = np.random.RandomState(0)
    Z = rng.normal(size=(60, 3))
    row_of = np.repeat(np.arange(60), 5)
    seen = []

    def guess(groups, index):
        seen.append(set(row_of[index]))
        return np.full((len(index), len(groups), 2), 0.5)

    groupings = word_groups(3, None, None)
    guesses = [TopicGuess(np.ones(2), guess)]
    start = choose_topic_start(Z[row_of], row_of, guesses, groupings, rng, True)
    assert start.linear is None
    # All fits of the search leave the same rows out; the last one takes all.
    assert all(rows == seen[0] for rows in seen[:-1])
    assert len(seen[0]) == 45
    assert len(seen[-1]) == 60


@pytest.mark.parametrize(("name", "k", "least"), [("breast_cancer", 2, 0.5), ("wine", 3, 0.8)])
def test_training_keeps_topics_near_the_classes(name, k, least):
    X, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    density = FractalFlowDensity(k, max_epochs=8, random_state=0).fit(X)
    assert normalized_mutual_info_score(labels, density.predict(X)) > least
    assert max(topic["weight"] for topic in density.topics_) < 0.75


@pytest.mark.parametrize("good", [True, False])
def test_topics_are_kept_unless_that_costs_likelihood(good):
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, size=200)
    Z = 3.0 * (labels[:, None] - 0.5) + 0.5 * rng.normal(size=(200, 3))

    def topics_of(labels):
        return lambda groups, index: np.eye(2)[labels[index]][:, None].repeat(len(groups), 1)

    to_keep = labels if good else rng.permutation(labels)
    guesses = [
        TopicGuess(np.ones(2), topics_of(to_keep), keeps=True),
        TopicGuess(np.ones(2), topics_of(labels)),
    ]
    groupings = [[np.arange(3)]]
    start = choose_topic_start(
        Z, np.arange(200), guesses, groupings, rng, keep_columns=True, margins=False
    )
    assert start.prior.keeps == good


def test_one_word_group_has_one_topic_for_each_row(wine):
    density = FractalFlowDensity(3, n_word_groups=1, **TINY).fit(wine[0])
    assert density.module_.prior.one_hot
    assert all(topic["alpha"] == 0 for topic in density.topics_)


def test_a_normal_prior_has_no_topics(wine):
    density = FractalFlowDensity(3, prior="normal", **TINY).fit(wine[0])
    assert isinstance(density.module_.prior, Normal)
    for method in ("predict", "predict_proba", "swap_topics"):
        assert not hasattr(density, method)
    assert not hasattr(density, "topics_")
    with pytest.raises(InvalidParameterError, match="no topics"):
        density.sample(2, topics=0)
    assert density.interpolate(wine[0][:2], wine[0][2:4]).shape == (5, 2, 13)


def test_topics_of_an_earlier_fit_do_not_outlive_it(wine):
    density = FractalFlowDensity(3, **TINY).fit(wine[0])
    assert hasattr(density, "topics_")
    density.set_params(prior="normal").fit(wine[0])
    assert not hasattr(density, "topics_")
    assert not hasattr(density, "word_groups_")


def test_a_mixture_prior_has_its_components_as_topics(wine):
    density = FractalFlowDensity(3, prior="gaussian_mixture", **TINY).fit(wine[0])
    assert density.module_.prior.one_hot
    assert density.predict_proba(wine[0]).shape == (178, 3)
    assert len(density.topics_) == 3


@pytest.mark.parametrize("backend", ["sklearn", "gensim", None])
def test_every_start_of_topics_is_repeatable(backend, wine):
    if backend == "gensim":
        pytest.importorskip("gensim")
    X, options = wine[0][::2], {**TINY, "lda_backend": backend}
    fits = [FractalFlowDensity(3, **options).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(*(density.score_samples(X) for density in fits))
    assert fits[0].topics_ == fits[1].topics_


def test_missing_gensim_says_what_to_install(wine, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gensim", None)
    density = FractalFlowDensity(3, **{**TINY, "lda_backend": "gensim"})
    with pytest.raises(MissingDependencyError, match=r'pip install "flowkit-density\[gensim\]"'):
        density.fit(wine[0])
    assert not hasattr(density, "module_")
    assert not hasattr(density, "_documents")


def test_words_of_topics_fall_and_are_as_many_as_asked_for(fitted, wine):
    for n_words in (1, 5, 12, 1000):
        topics = fitted.describe_topics(n_words)
        for topic, shown in zip(topics, fitted.topics_, strict=True):
            # How exclusive words are depends on which are told.
            told = {name: shown[name] for name in ("words", "exclusivity")}
            assert {**topic, **told} == shown
            assert 0 < topic["exclusivity"] <= 1
            assert len(topic["words"]) == min(n_words, 65)
            probabilities = [probability for _, probability in topic["words"]]
            assert probabilities == sorted(probabilities, reverse=True)
        if n_words == 5:
            assert topics == fitted.topics_
    assert sum(p for _, p in topics[0]["words"]) == pytest.approx(1)
    reloaded = pickle.loads(pickle.dumps(fitted))
    assert reloaded.describe_topics(8) == fitted.describe_topics(8)
    with pytest.raises(InvalidParameterError, match="n_words=0"):
        fitted.describe_topics(0)


def count_rows(n=120):
    rng = np.random.default_rng(0)
    words = rng.dirichlet(np.full(12, 0.2), size=2)
    return np.stack([rng.multinomial(40, words[i % 2]) for i in range(n)]).astype(float)


def is_count(X):
    return (X >= 0).all() and (np.rint(X) == X).all() and not np.signbit(X).any()


@pytest.mark.parametrize("prior", ["gaussian_mixture", "normal"])
def test_draws_of_counts_by_a_flow_are_counts(prior):
    X = count_rows()
    density = FractalFlowDensity(2, documents="counts", prior=prior, **TINY).fit(X)
    # What was fitted counts, whatever becomes of the parameter.
    density = pickle.loads(pickle.dumps(density)).set_params(documents="auto")
    drawn = density.sample(500, 0)
    assert is_count(drawn)
    # The density without its last step: draws lie in the cells of their counts.
    latent = density._evaluator.draw(500, 0, density.module_.prior.sample)
    continuous = density.inverse_transform(latent)
    assert (np.abs(drawn - continuous)[continuous > 0] <= 0.5).all()
    np.testing.assert_allclose(density.transform(continuous), latent, atol=1e-6)
    path = density.interpolate(X[:5], X[5:10])
    assert is_count(path)
    np.testing.assert_array_equal(path[[0, -1]], [X[:5], X[5:10]])
    if prior != "normal":
        assert is_count(density.sample(20, 0, topics=0))
        assert is_count(density.swap_topics(X[:5], X[5:10]))


def test_rows_that_are_no_counts_are_drawn_as_they_are():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    density = FractalFlowDensity(2, documents="counts", prior="normal", **TINY).fit(rows)
    assert (density.sample(50, 0) != np.rint(density.sample(50, 0))).all()


def test_counts_are_documents_dense_and_sparse():
    X = count_rows()
    density = FractalFlowDensity(2, documents="counts", n_word_groups=12, **TINY)
    dense = density.fit(X).score_samples(X)
    from_sparse = density.fit(sparse.csr_matrix(X)).score_samples(sparse.csr_matrix(X))
    np.testing.assert_array_equal(dense, from_sparse)
    assert normalized_mutual_info_score(np.arange(120) % 2, density.predict(X)) > 0.8
    assert density.topics_[0]["words"][0][0].startswith("column ")
    with pytest.raises(InvalidDataError, match="column 0"):
        density.fit(X - 0.5)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        FractalFlowDensity(2, **TINY).fit(sparse.csr_matrix(X))


def test_bits_per_dim_needs_whole_numbers(fitted, wine):
    with pytest.raises(InvalidDataError, match="whole numbers"):
        fitted.bits_per_dim(wine[0])


def test_more_groups_than_columns_are_refused(wine):
    with pytest.raises(InvalidParameterError, match="n_word_groups must be at most"):
        FractalFlowDensity(3, n_word_groups=14, **TINY).fit(wine[0])


@pytest.mark.parametrize(
    ("n_groups", "shape"), [(6, (2, 3)), (16, (4, 4)), (7, (7, 1)), (1, (1, 1))]
)
def test_word_groups_of_images_are_patches(n_groups, shape):
    (groups,) = word_groups(8 * 8 * 3, (8, 8, 3), n_groups)
    assert len(groups) == n_groups
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(192))
    first = groups[0].reshape(-1, 3)
    height, width = len(np.unique(first // 24)), len(np.unique(first % 24 // 3))
    assert height * width * 3 == first.size
    assert sorted([math.ceil(8 / shape[0]), math.ceil(8 / shape[1])]) == sorted([height, width])


def test_patches_must_fit_into_the_image():
    with pytest.raises(InvalidParameterError, match="n_word_groups=11 patches do not fit"):
        word_groups(64, (8, 8), 11)


def test_patches_need_the_shape_of_images(wine):
    with pytest.raises(InvalidParameterError, match="image_shape"):
        FractalFlowDensity(3, documents="patches", **TINY).fit(wine[0])


def test_the_tree_is_fixed_once_training_goes_on(wine):
    density = FractalFlowDensity(3, warm_start=True, **TINY).fit(wine[0])
    with pytest.raises(ChangedParameterError, match="n_levels"):
        density.set_params(n_levels=1).fit(wine[0])
