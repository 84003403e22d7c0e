"""Fractal bijections, their trees, and what FractalFlowDensity offers beyond other densities."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import normalized_mutual_info_score

from flowkit import FractalFlowDensity
from flowkit import bijections as b
from flowkit.bijections._tree import column_levels, image_levels
from flowkit.exceptions import (
    ChangedParameterError,
    InvalidDataError,
    InvalidParameterError,
    MissingDependencyError,
)
from flowkit.priors import Normal, Topic
from flowkit.starts._topic_start import choose_topic_start
from flowkit.starts._word_groups import word_groups

from ..table import NET, context_for, perturbed, rows_in

KINDS = {
    "coupling": b.FractalCoupling,
    "coupling_kan": lambda *a, **kw: b.FractalCoupling(*a, conditioner="kan", **kw),
    "coupling_affine_tied": lambda *a, **kw: b.FractalCoupling(
        *a, coupling="affine", tied=True, **kw
    ),
    "autoregressive": b.FractalAutoregressive,
    "autoregressive_kan": lambda *a, **kw: b.FractalAutoregressive(*a, conditioner="kan", **kw),
}
every_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
SMALL = {"n_blocks": 1, "hidden_units": 8, "max_epochs": 2, "random_state": 0}


# The tree


@pytest.mark.parametrize("n_levels", [0, 1, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 7, 16, 33])
def test_every_level_halves_the_nodes_of_the_one_before(d, n_levels):
    levels = column_levels(d, n_levels)
    assert len(levels) == min(n_levels + 1, math.ceil(math.log2(d)))
    nodes = [list(range(d))]
    for level in levels:
        split = [
            sorted([*left, *right]) for left, right in zip(level.left, level.right, strict=True)
        ]
        assert split == [node for node in nodes if len(node) > 1]
        assert all(abs(len(a) - len(c)) <= 1 for a, c in zip(level.left, level.right, strict=True))
        nodes = [
            half.tolist() for pair in zip(level.left, level.right, strict=True) for half in pair
        ]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_split_into_every_second_row_and_column(channels):
    levels = image_levels((8, 12, channels), 5)
    # 12 halves twice only.
    assert [(len(level.left), level.grid) for level in levels] == [
        (1, (4, 6)),
        (2, (4, 6)),
        (4, (2, 3)),
        (8, (2, 3)),
    ]
    pixels = np.arange(8 * 12 * channels).reshape(8, 12, channels)
    diagonal = np.stack([pixels[::2, ::2], pixels[1::2, 1::2]]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(levels[0].left[0], diagonal.ravel())
    # Each pixel of the right half has its four neighbours in the left one.
    left = set(levels[0].left[0] // channels)
    for i in range(1, 7):
        for j in range(1, 11):
            if (i + j) % 2:
                around = [(i + 1) * 12 + j, (i - 1) * 12 + j, i * 12 + j + 1, i * 12 + j - 1]
                assert left.issuperset(around)
    np.testing.assert_array_equal(levels[1].left[0], pixels[::2, ::2].transpose(2, 0, 1).ravel())
    for level in levels:
        columns = np.concatenate([*level.left, *level.right])
        np.testing.assert_array_equal(np.sort(columns), np.arange(pixels.size))


def test_odd_images_are_refused():
    with pytest.raises(InvalidParameterError, match="even height and width, got"):
        b.FractalCoupling(15, image_shape=(3, 5))


@every_kind
@pytest.mark.parametrize("d", [1, 2, 5, 8])
@pytest.mark.parametrize("n_context", [0, 3])
def test_shares_of_the_tree_sum_to_the_log_determinant(build, d, n_context):
    bijection = perturbed(build(d, n_context, **NET))
    x, context = rows_in("real", 50, d), context_for(n_context, 50)
    shares = bijection.log_det_tree(x, context)
    _, log_det = bijection(x, context)
    assert shares.shape == (50, len(bijection.nodes))
    torch.testing.assert_close(shares.sum(1), log_det, rtol=0, atol=1e-10)


@every_kind
def test_a_node_depends_on_its_own_columns_and_changes_only_them(build):
    """The Jacobian is that of a tree: a leaf's column is steered by what lies to its left."""
    bijection = perturbed(build(8, **NET))
    x = rows_in("real", 1, 8)[0]
    jacobian = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x)
    above = jacobian.triu(1)
    assert (above == 0).all()
    assert (jacobian.tril(-1) != 0).any()


@every_kind
def test_the_share_of_a_node_does_not_depend_on_what_lies_right_of_it(build):
    bijection = perturbed(build(8, n_levels=2, **NET))
    x = rows_in("real", 20, 8)
    changed = x.clone()
    changed[:, 4:] += 1.0
    first, second = (bijection.log_det_tree(rows) for rows in (x, changed))
    for i, node in enumerate(bijection.nodes):
        if max(node.columns) < 4:
            torch.testing.assert_close(first[:, i], second[:, i])


def test_coupling_is_the_recursion_of_its_definition():
    """F(x): couple right to left, then F of both halves, then the splines: node by node."""
    fractal = perturbed(b.FractalCoupling(7, n_levels=2, **NET))
    x = rows_in("real", 10, 7)

    def network(depth, group, kept):
        net = fractal.couplings[depth]["net"]
        h = kept @ net.first.weight[group].t() + net.first.bias[group]
        for layer in net.hidden:
            h = h + h.relu() @ layer.weight[group].t() + layer.bias[group]
        return h.relu() @ net.last.weight[group].t() + net.last.bias[group]

    def recurse(depth, columns, values):
        if depth == len(fractal.levels) or len(columns) < 2:
            return {c: values[:, i] for i, c in enumerate(columns)}, 0.0
        level = fractal.levels[depth]
        group = [sorted([*a, *c]) for a, c in zip(level.left, level.right, strict=True)].index(
            columns
        )
        half = len(columns) // 2
        kept, moved = values[:, :half], values[:, half:]
        width = fractal.couplings[depth]["kept"].width
        padded = torch.cat((kept, kept[:, -1:].expand(-1, width - half)), 1)
        raw = network(depth, group, padded).t().reshape(fractal.univariate.n_parameters, -1, 10)
        raw = raw[:, : moved.shape[1]]
        moved, log_slope = fractal.univariate.forward(moved.t(), raw)
        left, left_log_det = recurse(depth + 1, columns[:half], kept)
        right, right_log_det = recurse(depth + 1, columns[half:], moved.t())
        return left | right, log_slope.sum(0) + left_log_det + right_log_det

    by_column, log_det = recurse(0, list(range(7)), x)
    columns = torch.stack([by_column[c] for c in range(7)])
    z, log_slope = fractal.leaf.forward(columns, fractal.raw[:, :, None])
    got, got_log_det = fractal(x)
    torch.testing.assert_close(got, z.t())
    torch.testing.assert_close(got_log_det, log_det + log_slope.sum(0))


def test_deeper_levels_are_narrower_and_tied_levels_have_one_set_of_weights():
    fractal = b.FractalCoupling(32, n_levels=3, hidden_units=64)
    widths = [coupling["net"].first.weight.shape[1] for coupling in fractal.couplings]
    assert widths == [64, 32, 16, 8]
    sets = [coupling["net"].first.weight.shape[0] for coupling in fractal.couplings]
    assert sets == [1, 2, 4, 8]
    tied = b.FractalCoupling(32, n_levels=3, hidden_units=64, tied=True)
    assert {coupling["net"].first.weight.shape[0] for coupling in tied.couplings} == {1}


@pytest.mark.parametrize("conditioner", ["mlp", "kan", "conv", "autoregressive"])
@pytest.mark.parametrize("shape", [(4, 4), (2, 6), (4, 4, 3)])
@pytest.mark.parametrize("options", [{}, {"tied": True, "reverse": True}])
def test_image_bijections_keep_the_contract(shape, conditioner, options):
    d = math.prod(shape)
    if conditioner == "autoregressive":
        build = b.FractalAutoregressive(d, image_shape=shape, **NET, **options)
    else:
        build = b.FractalCoupling(d, image_shape=shape, conditioner=conditioner, **NET, **options)
    x = rows_in("real", 12, d)
    z, log_det = copy.deepcopy(build).double().eval()(x)
    torch.testing.assert_close(z, x, atol=1e-6, rtol=0)
    assert log_det.abs().max() < 1e-6
    bijection = perturbed(build, 0.1)
    z, log_det = bijection(x)
    back, back_log_det = bijection.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(back_log_det, -log_det, rtol=1e-7, atol=1e-7)
    jacobian = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x[0])
    assert log_det[0].item() == pytest.approx(jacobian.slogdet()[1].item(), abs=1e-8)
    torch.testing.assert_close(bijection.log_det_tree(x).sum(1), log_det)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_levels": -1}, "n_levels"),
        ({"coupling": "linear"}, "coupling"),
        ({"conditioner": "cnn"}, "conditioner"),
        ({"conditioner": "conv"}, "needs image_shape"),
        ({"image_shape": (2, 4)}, "image_shape"),
        ({"image_shape": (2,)}, "image_shape"),
        ({"image_shape": (2, 2), "conditioner": "conv", "n_context": 2}, "context"),
    ],
)
def test_impossible_fractals_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        b.FractalCoupling(4, **options)


def test_autoregressive_fractals_have_no_convolutions():
    with pytest.raises(InvalidParameterError, match="coupling kind"):
        b.FractalAutoregressive(4, image_shape=(2, 2), conditioner="conv")


# The estimator


@pytest.fixture(scope="module")
def wine():
    data = load_wine(as_frame=True)
    return data.data, data.target.to_numpy()


@pytest.fixture(scope="module")
def fitted(wine):
    return FractalFlowDensity(3, n_word_groups=13, **{**SMALL, "max_epochs": 8}).fit(wine[0])


def test_epoch_zero_is_the_started_prior(wine):
    """With the flow at the identity, the density is that of the classical start."""
    X = wine[0].to_numpy()
    start = FractalFlowDensity(3, **{**SMALL, "max_epochs": 1, "learning_rate": 1e-12}).fit(X)
    module = copy.deepcopy(start.module_)
    fractals = [bij for bij in module.bijection.bijections if isinstance(bij, b.FractalCoupling)]
    kept = [bij for bij in module.bijection.bijections if not isinstance(bij, b.FractalCoupling)]
    assert len(fractals) == 1
    assert isinstance(module.prior, Topic)
    Z = torch.from_numpy(start._standardise(X))
    with torch.no_grad():
        z, log_det = b.Compose(kept)(Z)
        expected = module.prior.log_prob(z) + log_det - np.log(start.scale_).sum()
    np.testing.assert_allclose(start.score_samples(X), expected, atol=1e-4)
    # The hold-out never picks worse than that.
    trained = FractalFlowDensity(3, **{**SMALL, "max_epochs": 10}).fit(X)
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
    density = FractalFlowDensity(3, **{**SMALL, **parameters}).fit(X)
    tree = density.log_det_tree(X)
    with torch.no_grad():
        latent = density.module_.encode(torch.from_numpy(density._standardise(X.to_numpy())))
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
    density = FractalFlowDensity(3, **SMALL).fit(wine[0])
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
        density = FractalFlowDensity(2, n_word_groups=1, lda_backend=backend, **SMALL)
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
    start = choose_topic_start(Z[row_of], row_of, guess, np.ones(2), groupings, rng, True)
    assert start.start.linear is None
    # All fits of the search leave the same rows out; the last one takes all.
    assert all(rows == seen[0] for rows in seen[:-1])
    assert len(seen[0]) == 45
    assert len(seen[-1]) == 60


def test_one_word_group_has_one_topic_for_each_row(wine):
    density = FractalFlowDensity(3, n_word_groups=1, **SMALL).fit(wine[0])
    assert density.module_.prior.one_hot
    assert all(topic["alpha"] == 0 for topic in density.topics_)


def test_a_normal_prior_has_no_topics(wine):
    density = FractalFlowDensity(3, prior="normal", **SMALL).fit(wine[0])
    assert isinstance(density.module_.prior, Normal)
    for method in ("predict", "predict_proba", "swap_topics"):
        assert not hasattr(density, method)
    assert not hasattr(density, "topics_")
    with pytest.raises(InvalidParameterError, match="no topics"):
        density.sample(2, topics=0)
    assert density.interpolate(wine[0][:2], wine[0][2:4]).shape == (5, 2, 13)


def test_topics_of_an_earlier_fit_do_not_outlive_it(wine):
    density = FractalFlowDensity(3, **SMALL).fit(wine[0])
    assert hasattr(density, "topics_")
    density.set_params(prior="normal").fit(wine[0])
    assert not hasattr(density, "topics_")
    assert not hasattr(density, "word_groups_")


def test_a_mixture_prior_has_its_components_as_topics(wine):
    density = FractalFlowDensity(3, prior="gaussian_mixture", **SMALL).fit(wine[0])
    assert density.module_.prior.one_hot
    assert density.predict_proba(wine[0]).shape == (178, 3)
    assert len(density.topics_) == 3


@pytest.mark.parametrize("backend", ["sklearn", "gensim", None])
def test_every_start_of_topics_is_repeatable(backend, wine):
    if backend == "gensim":
        pytest.importorskip("gensim")
    fits = [FractalFlowDensity(3, lda_backend=backend, **SMALL).fit(wine[0]) for _ in range(2)]
    np.testing.assert_array_equal(*(density.score_samples(wine[0]) for density in fits))
    assert fits[0].topics_ == fits[1].topics_


def test_missing_gensim_says_what_to_install(wine, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gensim", None)
    density = FractalFlowDensity(3, lda_backend="gensim", **SMALL)
    with pytest.raises(MissingDependencyError, match=r'pip install "flowkit-density\[gensim\]"'):
        density.fit(wine[0])
    assert not hasattr(density, "module_")
    assert not hasattr(density, "_documents")


def test_words_of_topics_fall_and_are_as_many_as_asked_for(fitted, wine):
    for n_words in (1, 5, 12, 1000):
        topics = fitted.describe_topics(n_words)
        for topic, shown in zip(topics, fitted.topics_, strict=True):
            assert {**topic, "words": shown["words"]} == shown
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


@pytest.mark.parametrize("prior", ["topic", "gaussian_mixture", "normal"])
def test_draws_of_counts_are_counts(prior):
    X = count_rows()
    density = FractalFlowDensity(2, documents="counts", prior=prior, **SMALL).fit(X)
    # What was fitted counts, whatever becomes of the parameter.
    density = pickle.loads(pickle.dumps(density)).set_params(documents="auto")
    drawn = density.sample(500, 0)
    assert is_count(drawn)
    # The density without its last step: draws lie in the cells of their counts.
    latent = density._draw(500, 0, density.module_.prior.sample)
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
    density = FractalFlowDensity(2, documents="counts", prior="normal", **SMALL).fit(rows)
    assert (density.sample(50, 0) != np.rint(density.sample(50, 0))).all()


def test_counts_are_documents_dense_and_sparse():
    X = count_rows()
    density = FractalFlowDensity(2, documents="counts", n_word_groups=12, **SMALL)
    dense = density.fit(X).score_samples(X)
    from_sparse = density.fit(sparse.csr_matrix(X)).score_samples(sparse.csr_matrix(X))
    np.testing.assert_array_equal(dense, from_sparse)
    assert normalized_mutual_info_score(np.arange(120) % 2, density.predict(X)) > 0.8
    assert density.topics_[0]["words"][0][0].startswith("column ")
    with pytest.raises(InvalidDataError, match="column 0"):
        density.fit(X - 0.5)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        FractalFlowDensity(2, **SMALL).fit(sparse.csr_matrix(X))


def test_bits_per_dim_needs_whole_numbers(fitted, wine):
    with pytest.raises(InvalidDataError, match="whole numbers"):
        fitted.bits_per_dim(wine[0])


def test_more_groups_than_columns_are_refused(wine):
    with pytest.raises(InvalidParameterError, match="n_word_groups must be at most"):
        FractalFlowDensity(3, n_word_groups=14, **SMALL).fit(wine[0])


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
        FractalFlowDensity(3, documents="patches", **SMALL).fit(wine[0])


def test_the_tree_is_fixed_once_training_goes_on(wine):
    density = FractalFlowDensity(3, warm_start=True, **SMALL).fit(wine[0])
    with pytest.raises(ChangedParameterError, match="n_levels"):
        density.set_params(n_levels=1).fit(wine[0])


# Images


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images * 15.9).astype(np.uint8), data.target


@pytest.fixture(scope="module")
def fitted_images(digits):
    options = {**SMALL, "max_epochs": 4}
    return FractalFlowDensity(10, image_shape=(8, 8), **options).fit(digits[0])


def test_images_come_as_rows_or_as_arrays(digits, fitted_images):
    images = digits[0]
    scores = fitted_images.score_samples(images)
    np.testing.assert_array_equal(scores, fitted_images.score_samples(images.reshape(-1, 64)))
    np.testing.assert_array_equal(
        scores, fitted_images.score_samples(images.reshape(-1, 64).astype(float))
    )
    np.testing.assert_array_equal(scores, fitted_images.score_samples(images[..., None]))
    with pytest.raises(InvalidDataError, match=r"\(n, 8, 8\)"):
        fitted_images.score_samples(images[:, :4])
    with pytest.raises(InvalidDataError, match="64 values"):
        FractalFlowDensity(image_shape=(8, 8), **SMALL).fit(images.reshape(-1, 64)[:, :32])


def test_grey_levels_are_spread_by_logit_with_its_jacobian(digits, fitted_images):
    """Finite where the logit reaches, none beyond, and it integrates to one."""
    assert (fitted_images.dequantization_ == 1).all()
    row = digits[0][:1].reshape(1, 64).astype(float)
    grid = np.linspace(-14, 269, 4001)
    rows = np.repeat(row, len(grid), axis=0)
    rows[:, 27] = grid
    density = fitted_images.score_samples(rows)
    # Outside of what logit reaches there is none.
    far = np.repeat(row, 2, axis=0)
    far[:, 27] = -20, 280
    assert (fitted_images.score_samples(far) == -np.inf).all()
    one = FractalFlowDensity(1, n_word_groups=1, n_levels=0, image_shape=(2, 2), **SMALL)
    pixels = digits[0][:, 3:5, 3:5].reshape(-1, 4)
    one.fit(pixels)
    assert np.isfinite(density).all()
    samples = one.sample(4000, 0)
    assert ((samples > -15) & (samples < 271)).all()
    # Importance sampling over the support: a density in units of grey levels.
    rng = np.random.default_rng(0)
    spread = rng.beta(0.6, 0.6, size=(200_000, 4))
    low, high = 127.5 - 128 / 0.9, 127.5 + 128 / 0.9
    from scipy.stats import beta

    log_proposal = beta.logpdf(spread, 0.6, 0.6).sum(1) - 4 * math.log(high - low)
    ratio = np.exp(one.score_samples(low + (high - low) * spread) - log_proposal)
    error = ratio.std() / math.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 4 * error
    assert error < 0.1


def test_grey_levels_are_known_by_their_dtype(digits, fitted_images):
    frame = pd.DataFrame(digits[0][:200].reshape(-1, 64))
    options = {**SMALL, "max_epochs": 1, "image_shape": (8, 8), "n_word_groups": 4}
    from_frame = FractalFlowDensity(2, **options).fit(frame)
    from_array = FractalFlowDensity(2, **{**options, "image_shape": [8, 8, 1]}).fit(digits[0][:200])
    np.testing.assert_array_equal(
        from_frame.score_samples(frame), from_array.score_samples(digits[0][:200])
    )
    as_floats = FractalFlowDensity(2, **options).fit(frame.astype(float))
    assert not np.allclose(as_floats.scale_, from_frame.scale_)
    nested = digits[0][:10].tolist()
    np.testing.assert_array_equal(
        fitted_images.score_samples(nested), fitted_images.score_samples(digits[0][:10])
    )


@pytest.mark.parametrize("noise", ["scott", 0.1])
def test_noise_that_would_leave_the_grey_levels_is_refused(digits, noise):
    density = FractalFlowDensity(2, image_shape=(8, 8), noise=noise, **SMALL)
    with pytest.raises(InvalidParameterError, match=r"noise=.*uint8"):
        density.fit(digits[0])
    assert not hasattr(density, "module_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"conditioner": "conv"}, "needs image_shape"),
        ({"image_shape": (8, 8), "conditioner": "conv", "fractal": "autoregressive"}, "coupling"),
        ({"image_shape": (64, 1)}, "even height and width"),
        ({"image_shape": ("a", 8)}, "image_shape must be"),
        ({"image_shape": ()}, "image_shape must be"),
    ],
)
def test_shapes_that_cannot_be_are_refused_before_topics_are_sought(
    digits, parameters, message, monkeypatch
):
    def sought(*args):
        raise AssertionError

    monkeypatch.setattr("flowkit.estimators.fractal.fit_lda", sought)
    with pytest.raises(InvalidParameterError, match=message):
        FractalFlowDensity(2, **SMALL, **parameters).fit(digits[0].reshape(-1, 64))


def test_bits_per_dim_are_those_of_noisy_grey_levels(digits, fitted_images):
    images = digits[0][:100]
    noise = np.random.RandomState(0).uniform(-0.5, 0.5, (100, 64))
    nats = fitted_images.score_samples(images.reshape(-1, 64) + noise).mean()
    bits = fitted_images.bits_per_dim(images)
    assert bits == pytest.approx(-nats / 64 / math.log(2))
    assert 0 < bits < 8
    assert bits == fitted_images.bits_per_dim(images)
    # Better than independent normal pixels.
    rows = images.reshape(-1, 64) + noise
    normal = np.log2(rows.std(0) * math.sqrt(2 * math.pi * math.e)).mean()
    assert bits < normal


@pytest.mark.parametrize(("lda_backend", "seed"), [("sklearn", 0), (None, 1)])
def test_all_topics_stay_in_use_on_digits(digits, lda_backend, seed):
    X = digits[0][:900].reshape(-1, 64)
    density = FractalFlowDensity(
        10,
        n_word_groups=64,
        image_shape=(8, 8),
        lda_backend=lda_backend,
        **{**SMALL, "max_epochs": 3, "random_state": seed},
    ).fit(X)
    share = np.bincount(density.predict(X), minlength=10) / len(X)
    assert (share > 0.005).all()
    assert density.predict_proba(X).mean(0).min() > 0.01


def test_images_survive_pickling_and_sampling(digits, fitted_images):
    images = digits[0][:50]
    copied = pickle.loads(pickle.dumps(fitted_images))
    np.testing.assert_array_equal(copied.score_samples(images), fitted_images.score_samples(images))
    samples = fitted_images.sample(20, 0, topics=3)
    assert samples.shape == (20, 64)
    changed = fitted_images.swap_topics(images, images[::-1])
    path = fitted_images.interpolate(images, images[::-1], 3)
    np.testing.assert_array_equal(path[0], images.reshape(50, 64))
    for rows in (samples, changed, path):
        np.testing.assert_array_equal(rows, rows.astype(np.uint8))
    assert np.isfinite(fitted_images.score_samples(samples)).all()
    tree = fitted_images.log_det_tree(images)
    assert tree.shares.shape == (50, 1 + 1 + 2 + 4 + 8 + 16 + 32 + 64)
    assert np.isfinite(tree.shares).all()
