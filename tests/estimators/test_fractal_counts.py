"""Counts as counts: what `FractalFlowDensity(documents='counts')` promises of rows of words."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.metrics import normalized_mutual_info_score
from skorch.callbacks import Callback

from flowkit import DensityOutlierDetector, FractalFlowDensity, TopicDisplay, load, save
from flowkit.estimators import _count_stream
from flowkit.exceptions import (
    ChangedParameterError,
    InterruptedFitWarning,
    InvalidDataError,
    InvalidParameterError,
    NoHoldOutWarning,
)
from flowkit.modules import CountTopics

N_WORDS, N_TOPICS = 40, 3
LATENT_METHODS = ("predict_proba", "transform")


def corpus(n=240, seed=0):
    """Bursty rows of words, each mostly of one topic, and these topics."""
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(5).dirichlet(np.full(N_WORDS, 0.15), size=N_TOPICS)
    label = np.arange(n) % N_TOPICS
    theta = 0.9 * np.eye(N_TOPICS)[label] + 0.1 / N_TOPICS
    lengths = np.rint(rng.lognormal(3.5, 0.5, n)).astype(int)
    own = [rng.dirichlet(50 * profile + 1e-9) for profile in theta @ words]
    return np.stack([rng.multinomial(*pair) for pair in zip(lengths, own, strict=True)]), label


def made(**options):
    options = {"documents": "counts", "max_epochs": 12, "random_state": 0, **options}
    return FractalFlowDensity(N_TOPICS, **options)


@pytest.fixture(scope="module")
def rows():
    return corpus()[0]


@pytest.fixture(scope="module")
def fitted(rows):
    return made().fit(rows)


def test_probabilities_of_all_rows_sum_to_one():
    rng = np.random.default_rng(0)
    few = rng.poisson([0.5, 1.5], size=(60, 2))
    density = FractalFlowDensity(2, documents="counts", max_epochs=5, random_state=0).fit(few)
    every = np.array([row for row in itertools.product(range(150), repeat=2) if sum(row) < 150])
    probability = np.exp(density.score_samples(every))
    assert probability.sum() == pytest.approx(1, abs=0.01)
    # What is left are longer rows.
    lengths = density.module_.log_prob_of_lengths(density.module_.words.new_tensor(range(150)))
    assert probability.sum() == pytest.approx(lengths.exp().sum().item(), abs=1e-8)


@pytest.mark.parametrize("backend", ["sklearn", "gensim", None])
@pytest.mark.parametrize("n_word_groups", [None, 1])
def test_planted_topics_are_found(backend, n_word_groups):
    if backend == "gensim":
        pytest.importorskip("gensim")
    X, label = corpus()
    density = made(lda_backend=backend, n_word_groups=n_word_groups).fit(X)
    assert normalized_mutual_info_score(label, density.predict(X)) > 0.9
    assert max(topic["weight"] for topic in density.topics_) < 0.5
    new, label = corpus(seed=1)
    assert normalized_mutual_info_score(label, density.predict(new)) > 0.9
    one = n_word_groups == 1
    assert density.word_groups_ == ([list(range(N_WORDS))] if one else [[j] for j in range(40)])
    assert all((topic["alpha"] == 0) == one for topic in density.topics_)


def test_rows_left_out_are_likelier_than_by_lda(rows, fitted):
    new = corpus(seed=1)[0]
    lda = LatentDirichletAllocation(N_TOPICS, random_state=0, max_iter=20).fit(rows)
    assert fitted.perplexity(new) < 0.95 * lda.perplexity(new)


def test_perplexity_is_that_of_the_words_alone(rows, fitted):
    lengths = rows.sum(1)
    module = fitted.module_
    of_lengths = module.log_prob_of_lengths(module.words.new_tensor(lengths)).numpy()
    orders = stats.multinomial.logpmf(rows, lengths, rows / lengths[:, None])
    shares = np.where(rows > 0, rows / lengths[:, None], 1)
    orders -= (rows * np.log(shares)).sum(1)
    words = fitted.score_samples(rows) - of_lengths - orders
    assert fitted.perplexity(rows) == pytest.approx(np.exp(-words.sum() / lengths.sum()))
    assert fitted.perplexity(np.zeros((2, N_WORDS))) == pytest.approx(1)
    assert not hasattr(FractalFlowDensity(), "perplexity")


def test_epoch_zero_is_a_candidate_and_training_gains(rows):
    density = made(max_epochs=15).fit(rows)
    valid = density.history_["valid_log_density"]
    assert len(valid) == density.n_iter_ + 1
    assert density.best_epoch_ == valid.argmax()
    assert valid.max() > valid[0]
    start = made(max_epochs=1, tol=1e9).fit(rows)
    assert start.n_iter_ == 1
    training = made(early_stopping=False, max_epochs=15).fit(rows).history_["train_log_density"]
    assert (np.diff(training) > -1e-2).all()
    kept = made(early_stopping=False).fit(rows)
    assert kept.score(rows) == pytest.approx(kept.history_["train_log_density"].max(), rel=1e-5)


def test_draws_are_whole_and_as_long_as_rows(rows, fitted):
    drawn = fitted.sample(3_000, 0)
    assert drawn.dtype == np.float64
    assert ((drawn >= 0) & (drawn == np.rint(drawn))).all()
    assert stats.ks_2samp(drawn.sum(1), rows.sum(1)).pvalue > 0.01
    n_distinct = (drawn > 0).sum(1), (rows > 0).sum(1)
    assert np.mean(n_distinct[0]) == pytest.approx(np.mean(n_distinct[1]), rel=0.1)
    np.testing.assert_array_equal(fitted.sample(5, 3), fitted.sample(5, 3))


def test_draws_of_a_topic_are_of_that_topic(fitted):
    for k in range(N_TOPICS):
        assert (fitted.predict(fitted.sample(100, 0, topics=k)) == k).mean() > 0.9
    mixed = fitted.sample(2_000, 0, topics=[1, 1, 0])
    np.testing.assert_allclose(fitted.predict_proba(mixed).mean(0), [0.5, 0.5, 0], atol=0.1)
    assert (fitted.sample(4, 0, topics=np.eye(4, 3) + 0.1) >= 0).all()
    with pytest.raises(InvalidDataError, match="topics must be 0 to 2"):
        fitted.sample(2, 0, topics=3)


def test_low_temperatures_give_rows_that_say_less_of_their_own(fitted):
    n_distinct = [(fitted.sample(500, 0, temperature=t) > 0).sum(1).mean() for t in (0, 0.5, 1)]
    assert n_distinct == sorted(n_distinct, reverse=True)


def test_proportions_are_the_latent(rows, fitted):
    for name in LATENT_METHODS:
        proportions = getattr(fitted, name)(rows)
        assert proportions.shape == (len(rows), N_TOPICS)
        np.testing.assert_allclose(proportions.sum(1), 1)
    assert len(fitted.get_feature_names_out()) == N_TOPICS
    empty = fitted.predict_proba(np.zeros((1, N_WORDS)))
    module = fitted.module_
    np.testing.assert_allclose(empty[0], module.node_weights @ module.theta)


@pytest.mark.parametrize("kind", [pd.DataFrame, pd.DataFrame.sparse.from_spmatrix])
def test_topics_are_told_in_words(kind):
    counts = sparse.csr_matrix(corpus()[0])
    counts = counts.toarray() if kind is pd.DataFrame else counts
    frame = kind(counts, columns=[f"word {j}" for j in range(N_WORDS)])
    density = made().fit(frame)
    for topic, told in zip(density.topics_, density.describe_topics(N_WORDS), strict=True):
        assert topic["words"][0][0].startswith("word ")
        assert len(topic["words"]) == 5
        assert sum(p for _, p in told["words"]) == pytest.approx(1)
    assert sum(topic["weight"] for topic in density.topics_) == pytest.approx(1)
    with pytest.raises(ValueError, match="names"):
        density.score_samples(frame[frame.columns[::-1]])


def test_swapped_rows_follow_the_topics_of_donors_and_keep_what_fits(rows, fitted):
    first, donors = rows[:60], rows[[*range(1, 60), 0]]
    swapped = fitted.swap_topics(first, donors)
    assert ((swapped >= 0) & (swapped == np.rint(swapped))).all()
    np.testing.assert_array_equal(swapped.sum(1), first.sum(1))
    assert (fitted.predict(swapped) == fitted.predict(donors)).mean() > 0.85
    np.testing.assert_array_equal(fitted.swap_topics(first, first), first)
    np.testing.assert_array_equal(fitted.swap_topics(first, donors), swapped)
    with pytest.raises(InvalidDataError, match="pairs"):
        fitted.swap_topics(first, donors[:3])


def test_rows_between_others_change_word_by_word(rows, fitted):
    first, last = rows[:60], rows[1:61]
    path = fitted.interpolate(first, last, n_steps=5)
    np.testing.assert_array_equal(path[[0, -1]], [first, last])
    assert ((path >= 0) & (path == np.rint(path))).all()
    assert (path <= first + last).all()
    np.testing.assert_allclose(path[2].mean(), (first + last).mean() / 2, rtol=0.05)
    steps = (
        fitted.predict_proba(path[2])
        - (fitted.predict_proba(first) + fitted.predict_proba(last)) / 2
    )
    assert np.abs(steps.mean(0)).max() < 0.1
    with pytest.raises(InvalidDataError, match="n_steps"):
        fitted.interpolate(first, last, 1)


FORMATS = {
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "float32": lambda X: X.astype(np.float32),
    "uint8": lambda X: X.astype(np.uint8),
    "frame": pd.DataFrame,
    "sparse frame": lambda X: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(X)),
    "list": lambda X: X.tolist(),
    "fortran": np.asfortranarray,
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_containers_say_the_same(name, rows, fitted):
    given = FORMATS[name](rows)
    scores = fitted.score_samples(rows)
    np.testing.assert_array_equal(fitted.score_samples(given), scores)
    other = made(max_epochs=2).fit(given)
    np.testing.assert_array_equal(
        other.score_samples(rows), made(max_epochs=2).fit(rows).score_samples(rows)
    )


def test_a_row_has_the_same_score_whatever_stands_beside_it(rows, fitted):
    whole = fitted.score_samples(rows)
    alone = np.concatenate([fitted.score_samples(row[None]) for row in rows[:20]])
    np.testing.assert_allclose(alone, whole[:20], rtol=1e-10)
    np.testing.assert_allclose(fitted.score_samples(rows[::-1]), whole[::-1], rtol=1e-10)


def test_memory_grows_with_the_counts_that_are_not_zero():
    n, d, per_row = 600, 20_000, 20
    rng = np.random.default_rng(0)
    columns = rng.integers(d, size=n * per_row)
    X = sparse.csr_matrix((np.ones(n * per_row), (np.repeat(np.arange(n), per_row), columns)))
    X.resize(n, d)
    tracemalloc.start()
    try:
        density = made(max_epochs=1, n_word_groups=1).fit(X)
        density.score_samples(X)
        density.predict_proba(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Dense they would be 96 MB.
    assert peak < 40e6
    assert isinstance(density.module_, CountTopics)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickles_and_copies_are_exact(dtype, rows):
    density = made(dtype=dtype, max_epochs=3).fit(rows)
    reloaded = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(reloaded.score_samples(rows), density.score_samples(rows))
    np.testing.assert_array_equal(reloaded.sample(5, 0), density.sample(5, 0))
    assert reloaded.topics_ == density.topics_
    # What was fitted counts, whatever the parameters have become since.
    changed = reloaded.set_params(documents="auto", prior="normal")
    np.testing.assert_array_equal(changed.score_samples(rows), density.score_samples(rows))
    again = clone(density).fit(rows)
    np.testing.assert_array_equal(again.score_samples(rows), density.score_samples(rows))


def test_rows_of_weight_zero_are_left_out_and_weights_count(rows):
    weight = np.r_[np.ones(120), np.zeros(120)]
    kept = made(max_epochs=3).fit(rows, sample_weight=weight)
    alone = made(max_epochs=3).fit(rows[:120])
    np.testing.assert_allclose(kept.score_samples(rows), alone.score_samples(rows), rtol=1e-5)
    heavy = np.arange(240) % N_TOPICS == 0
    weighted = made().fit(rows, sample_weight=np.where(heavy, 20.0, 1.0))
    gain = weighted.score_samples(rows) - made().fit(rows).score_samples(rows)
    assert gain[heavy].mean() > 0.5 > 0 > gain[~heavy].mean()


def test_training_goes_on(rows):
    density = made(max_epochs=2, warm_start=True, early_stopping=False).fit(rows)
    before = density.score(rows)
    density.fit(rows)
    assert density.score(rows) > before
    density.partial_fit(rows[:50])
    assert density.n_iter_ == 3
    with pytest.raises(ChangedParameterError, match="n_topics"):
        density.set_params(n_topics=5).fit(rows)
    with pytest.raises(ChangedParameterError, match="documents='bins'"):
        density.set_params(n_topics=3, documents="bins").fit(rows)
    with pytest.raises(ChangedParameterError, match="documents='bins'"):
        density.partial_fit(rows)


def test_chunks_of_a_stream_teach_as_much_as_all_rows():
    X, label = corpus(600)
    density = made(partial_fit_epochs=4)
    scores = []
    for chunk in np.split(X, 6):
        density.partial_fit(chunk)
        scores.append(density.perplexity(corpus(seed=1)[0]))
    assert density.n_iter_ == 24 == len(density.history_["epoch"])
    assert scores[-1] < scores[0]
    assert scores[-1] < 1.05 * made().fit(X).perplexity(corpus(seed=1)[0])
    assert normalized_mutual_info_score(label, density.predict(X)) > 0.9


def test_topics_that_the_first_chunks_lack_are_found():
    X, label = corpus(360)
    new = corpus(seed=1)[0]
    # Two chunks of the first topic alone.
    order = np.argsort(np.where(np.arange(360) < 120, label, N_TOPICS), kind="stable")
    density = made()
    for chunk in np.split(X[order], 18):
        density.partial_fit(chunk)
    assert density.n_iter_ == 18
    assert normalized_mutual_info_score(label, density.predict(X)) > 0.9
    assert density.perplexity(new) < 1.03 * made().fit(X).perplexity(new)


@pytest.mark.parametrize("one_topic", [None, 1])
def test_topics_of_a_stream_keep_their_numbers(one_topic):
    X = corpus(480)[0]
    density = made(n_word_groups=one_topic).partial_fit(X[:120])
    for first, last in ((120, 240), (240, 480)):
        before = density.predict(X)
        density.partial_fit(X[first:last])
        assert (density.predict(X) == before).mean() > 0.9


def test_few_rows_of_a_stream_are_kept_in_pickles_and_files(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(_count_stream, "_ENOUGH", 100)
    weight = np.linspace(0.5, 1.5, 40)
    density, kept = made(max_epochs=2), []
    for i, chunk in enumerate(np.split(rows, 6)):
        save(pickle.loads(pickle.dumps(density)), tmp_path / "density.flow")
        density = load(tmp_path / "density.flow")
        density.partial_fit(chunk, sample_weight=weight if i == 1 else None)
        kept.append(None if density._first_rows is None else density._first_rows.n)
    assert kept == [40, 80, None, None, None, None]
    seen = density._word_statistics["rows"].sum()
    assert seen == pytest.approx(240)
    # What was kept of a stream is not what a fit goes on from.
    density = made(max_epochs=2).partial_fit(rows[:40]).fit(rows).partial_fit(rows[:40])
    assert density._first_rows is None


def test_time_and_interruptions_end_training(rows, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert made(max_time=1e-9).fit(rows).n_iter_ == 1
    maximise, calls = CountTopics.maximise, []

    def interrupted(self, statistics):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        maximise(self, statistics)

    monkeypatch.setattr(CountTopics, "maximise", interrupted)
    with pytest.warns(InterruptedFitWarning, match="epoch 2"):
        density = made().fit(rows)
    assert density.n_iter_ == 2
    assert np.isfinite(density.score(rows))


def test_a_failed_fit_changes_nothing(rows, fitted):
    density = made(max_epochs=2).fit(rows)
    before, scores = set(vars(density)), density.score_samples(rows)
    with pytest.raises(InvalidDataError, match="column 3"):
        density.fit(np.where(np.arange(N_WORDS) == 3, -1, rows))
    assert set(vars(density)) == before
    np.testing.assert_array_equal(density.score_samples(rows), scores)


REFUSED = {
    "groups of several words": ({"n_word_groups": 5}, "n_word_groups=5"),
    "noise": ({"noise": 0.1}, "noise=0.1"),
    "incomplete rows": ({"missing": "marginalize"}, "missing=None"),
    "images": ({"image_shape": (5, 8)}, "image_shape=None"),
    "callbacks": ({"callbacks": [Callback()]}, "max_epochs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_counts_do_not_have_is_refused_by_name(name, rows):
    options, message = REFUSED[name]
    with pytest.raises(InvalidParameterError, match=message):
        made(**options).fit(rows)


@pytest.mark.parametrize("bad", [-1, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_other_numbers_than_counts_are_refused_by_column(bad, kind, rows, fitted):
    wrong = rows.astype(float)
    wrong[4, 7] = bad
    for use in (made().fit, fitted.score_samples, fitted.predict_proba):
        with pytest.raises(InvalidDataError, match=rf"{bad}.* in column 7\."):
            use(kind(wrong))
    with pytest.raises(InvalidDataError, match="no counts but 0"):
        made().fit(kind(np.zeros((20, 4))))


def test_methods_of_flows_are_refused_with_the_way_out(rows, fitted):
    for use, way_out in {
        lambda: fitted.inverse_transform(fitted.transform(rows)): "sample",
        lambda: fitted.impute(rows): "documents='bins'",
        lambda: fitted.score_marginal(rows): "documents='bins'",
    }.items():
        with pytest.raises(InvalidParameterError, match=way_out):
            use()
    assert not hasattr(fitted, "log_det_tree")
    bits = -fitted.score_samples(rows).mean() / (N_WORDS * np.log(2))
    assert fitted.bits_per_dim(rows) == pytest.approx(bits)


EDGES = {
    "more topics than rows": (np.eye(3, 6), {"n_topics": 5}),
    "one topic": (np.ones((30, 4)), {"n_topics": 1}),
    "one word": (np.arange(30)[:, None], {}),
    "empty rows among others": (np.vstack([np.zeros((10, 4)), np.ones((20, 4))]), {}),
    "a word that never occurs": (np.tile([3, 0, 1], (30, 1)), {}),
    "large counts": (np.tile([[1e6, 3, 0], [0, 2e6, 1]], (15, 1)), {}),
    "two rows": (np.array([[1, 2], [2, 1]]), {}),
}


@pytest.mark.filterwarnings("ignore::flowkit.exceptions.NoHoldOutWarning")
@pytest.mark.parametrize("one_topic", [None, 1])
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, one_topic):
    X, options = EDGES[name]
    options = {"n_word_groups": one_topic, "max_epochs": 3, **options}
    density = made().set_params(**options).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    np.testing.assert_allclose(density.predict_proba(X).sum(1), 1)
    assert density.sample(20, 0).shape == (20, X.shape[1])


def test_few_rows_warn_of_no_hold_out():
    with pytest.warns(NoHoldOutWarning):
        made(max_epochs=1).fit(np.ones((5, 3)))


def test_detectors_and_displays_take_counts(rows, fitted):
    detector = DensityOutlierDetector(made(max_epochs=3), calibrate=True, random_state=0).fit(rows)
    strange = np.zeros((1, N_WORDS))
    strange[0, rows.sum(0).argmin()] = 60
    assert detector.score_samples(strange) < detector.score_samples(rows).min()
    assert detector.p_values(strange).shape == (1,)
    assert np.argmax(detector.explain(strange)[0]) == strange.argmax()
    pytest.importorskip("matplotlib").use("Agg")
    assert len(TopicDisplay.from_estimator(fitted).shown_) == N_TOPICS
