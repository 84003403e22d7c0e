"""Counts of words: how likely rows left out are, and whether topics are those of the labels.

Perplexity is ``exp`` of minus the mean log probability of a word of the test rows, a fifth drawn by
seed, given the lengths of rows; the lower, the better. That of latent Dirichlet allocation is
estimated by importance sampling, not bounded. Normalised mutual information (NMI) is that of the
heaviest topic of each training row with labels that no method sees, with as many topics as labels,
and 20 where there are none; "largest" is the largest topic's share of the rows, and "coherence" the
mean normalised pointwise mutual information of the ten heaviest words of a topic, by the training
rows that hold them. For FractalFlowDensity, "length" and "distinct" are median length and mean
number of distinct words of draws, over those of training rows, and "control" is the share of 50
draws from each topic that `predict` gives back to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.data import load_arrays, load_digits
from lib.report import distinct, in_order, mean, print_table, select
from lib.runner import Study
from lib.word_models import NEEDED, WORD_MODELS, WordModel
from scipy import sparse

TEST_SHARE = 0.2
N_WORDS_TOLD = 10
N_DRAWS = 50
FILES = {
    "ap": "ap",
    "newsgroups": "newsgroups20_train_v2000",
    "newsgroups, test part": "newsgroups20_test_v2000",
    "bbc": "octis_bbc_news",
}
N_TOPICS_WITHOUT_LABELS = 20


def load(name: str, n_words: int, n_rows: int) -> tuple[sparse.csr_matrix, np.ndarray | None]:
    """Rows, of their most frequent words, and labels."""
    if name == "digits":
        images, labels = load_digits()
        counts = sparse.csr_matrix(images.reshape(len(images), -1), dtype=np.float64)
    else:
        arrays = load_arrays(FILES[name])
        parts = arrays["data"].astype(np.float64), arrays["indices"], arrays["indptr"]
        counts, labels = sparse.csr_matrix(parts, tuple(arrays["shape"])), arrays.get("labels")
    if n_rows < counts.shape[0]:
        kept = np.sort(np.random.RandomState(7).choice(counts.shape[0], n_rows, replace=False))
        counts, labels = counts[kept], None if labels is None else labels[kept]
    frequency = np.asarray(counts.sum(0)).ravel()
    return counts[:, np.sort(np.argsort(-frequency, kind="stable")[:n_words])].tocsr(), labels


def coherence(words: np.ndarray, counts: sparse.csr_matrix) -> float:
    """Mean normalised pointwise mutual information of pairs of the heaviest words of topics."""
    holds = (counts > 0).astype(np.float64)
    values = []
    for topic in words:
        top = np.argsort(-topic)[:N_WORDS_TOLD]
        both = (holds[:, top].T @ holds[:, top]).toarray() / counts.shape[0]
        single = np.diag(both)
        pairs = np.triu_indices(len(top), 1)
        together = np.maximum(both[pairs], 1e-12)
        independent = np.outer(single, single)[pairs]
        values.append(np.mean(np.log(together / independent) / -np.log(together)))
    return float(np.mean(values))


def describe_draws(estimator: Any, counts: sparse.csr_matrix, seed: int) -> dict[str, float]:
    drawn, k = estimator.sample(1_000, seed), len(estimator.topics_)
    hits = [
        (estimator.predict(estimator.sample(N_DRAWS, seed, topics=topic)) == topic).mean()
        for topic in range(k)
    ]
    return {
        "length": float(np.median(drawn.sum(1)) / np.median(np.asarray(counts.sum(1)))),
        "distinct": float((drawn > 0).sum(1).mean() / counts.getnnz(1).mean()),
        "control": float(np.mean(hits)),
        "n_epochs": int(estimator.n_iter_),
    }


def fit_and_compare(
    fit: Callable, counts: sparse.csr_matrix, labels: np.ndarray | None, seed: int, budget: Any
) -> dict[str, float]:
    from sklearn.metrics import normalized_mutual_info_score

    order = np.random.RandomState(seed).permutation(counts.shape[0])
    n_test = int(TEST_SHARE * len(order))
    test, training = counts[order[:n_test]], counts[order[n_test:]]
    n_topics = N_TOPICS_WITHOUT_LABELS if labels is None else len(np.unique(labels))
    with Stopwatch() as watch:
        model: WordModel = fit(training, n_topics, seed, budget)
    result = watch.seconds("fit")
    if model.perplexity is not None:
        result["perplexity"] = model.perplexity(test)
    proportions = np.asarray(model.proportions(training))
    shares = proportions / np.maximum(proportions.sum(1, keepdims=True), 1e-12)
    result["largest"] = float(shares.mean(0).max())
    if labels is not None:
        heaviest = proportions.argmax(1)
        result["nmi"] = float(normalized_mutual_info_score(labels[order[n_test:]], heaviest))
    if model.words is not None:
        result["coherence"] = coherence(model.words, training)
    if model.estimator is not None:
        result |= describe_draws(model.estimator, training, seed)
    return result


def measure(study: Study) -> None:
    args = study.args
    for name in args.data:
        counts, labels = load(name, args.words, args.rows)
        for seed in study.seeds:
            for method in study.installed(args.methods, NEEDED):
                about = {"data": name, "n_words": counts.shape[1], "seed": seed, "method": method}
                work = fit_and_compare, WORD_MODELS[method], counts, labels, seed, args.budget
                study.cell(about, {"rows": counts.shape[0], "budget": args.budget}, *work)


def report(results: list[dict]) -> None:
    keys = (("perplexity", 1), ("nmi", 3), ("largest", 2), ("coherence", 3), ("length", 2))
    keys += (("distinct", 2), ("control", 2), ("n_epochs", 0), ("fit_cpu_seconds", 0))
    header = ["data", "words", "method", "seeds", "perplexity", "NMI", "largest", "coherence"]
    header += ["length", "distinct", "control", "epochs", "CPU s"]
    rows = []
    for name, n_words in distinct(results, "data", "n_words"):
        of_data = select(results, data=name, n_words=n_words)
        for method in in_order(WORD_MODELS, of_data):
            own = select(of_data, method=method)
            cells = [mean(own, key, digits) for key, digits in keys]
            rows.append([name, str(n_words), method, str(len(own)), *cells])
    print_table("Means over seeds", header, rows)


def main() -> None:
    study = Study("counts", __doc__, seeds=3, budget=None, smoke_budget=5.0)
    known = ["digits", *FILES]
    names = {"nargs": "+", "choices": known, "default": ["ap", "newsgroups", "bbc"]}
    study.option("--data", selects="data", help="rows of counts", smoke=["digits"], **names)
    methods = {"nargs": "+", "choices": WORD_MODELS, "default": list(WORD_MODELS)}
    study.option("--methods", selects="method", help="rows of the table", **methods)
    study.option("--words", type=int, default=1_000, smoke=30, help="most words, the frequent ones")
    study.option("--rows", type=int, default=3_000, smoke=120, help="most rows, drawn at random")
    study.run(measure, report)


if __name__ == "__main__":
    main()
