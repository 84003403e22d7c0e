"""Rows of counts within a fractal flow: a density of whole numbers instead of a flow."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..columns import Counts
from ..exceptions import ChangedParameterError, InvalidDataError, InvalidParameterError
from ..modules import CountStatistics, CountTopics
from ..nested import check_n_samples, mean_of
from ..starts import count_start
from ..streams import refuse_streams
from ..topics import BagsOfWords, bags_of_words, fit_dirichlet, word_distances
from ..training import FitRun, TrainingRecord
from ..validation import (
    check_labels,
    is_sparse,
    labels_of,
    refuse_unreal,
    row_weights,
    validate_data,
)
from ._base import BaseDensity
from ._count_edits import blended, moved
from ._count_stream import FirstRows
from ._count_training import CountRows, CountTrainer, map_counts
from ._device import resolve_device
from ._fitted import refuse_other_number
from ._hold_out import split
from ._images import ImageRows
from ._topics import TopicAnalysis
from ._training import DTYPES, pass_interruption_on, warn_of_interruption, warn_of_late_gains

# Rows from which weights and alpha of the topics are told.
_MAX_DESCRIBED_ROWS = 5_000
# Rows are changed by draws that are the same at each call.
_SEED = 0


def _has_volume(estimator) -> bool:
    if _is_of_counts(estimator):
        raise InvalidParameterError(
            "counts have no volume that a map could change, so there is no tree of it: fit with "
            "documents='bins' for one."
        )
    return True


def _documented_by(base):
    """Give a method the docstring of the method of that name of a base class."""

    def give(method):
        method.__doc__ = getattr(base, method.__name__).__doc__
        return method

    return give


def count_module(config: dict) -> CountTopics:
    """An untrained module of counts, of the plain values that a fit keeps."""
    names = ("n_features", "n_topics", "n_nodes", "n_lengths", "one_hot")
    return CountTopics(**{name: config[name] for name in names})


def _is_of_counts(estimator) -> bool:
    # What was fitted counts, whatever the parameters have become since.
    return getattr(estimator, "_config", {}).get("counts", False)


class CountedWords:
    """The part of `FractalFlowDensity` that knows of counts; goes before its other bases."""

    @_fit_context(prefer_skip_nested_validation=True)
    @_documented_by(BaseDensity)
    def fit(self, X, y=None, sample_weight=None):
        if not self._takes_counts:
            self._refuse_other_documents(self.warm_start)
            return super().fit(X, y, sample_weight)
        with self._unchanged_on_failure():
            begins = not (self.warm_start and hasattr(self, "module_"))
            self._refuse_other_documents(not begins)
            run = FitRun(self.random_state)
            rows, names = self._validate_documents(X, sample_weight, begins)
            n = rows.counts.shape[0]
            training, held = split(n, self.early_stopping, self.validation_fraction, run.start)
            hold_out = None if held is None else _taken(rows, held)
            rows = _taken(rows, training)
            self._begin_counts(rows, names, run, begins)
            self._first_rows = None
            trainer = CountTrainer(self, run.time_left(self.max_time), DTYPES[self._dtype])
            self.module_, statistics, record = trainer.fit(self.module_, rows, hold_out)
            self.history_ = record.history
            self.n_iter_, self.best_epoch_ = record.n_epochs, record.best_epoch
            self._finish_counts(rows, names, statistics, record)
            if hold_out is not None:
                warn_of_late_gains(record, self, hold_out.counts.shape[0])
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @_documented_by(BaseDensity)
    def partial_fit(self, X, y=None, sample_weight=None):
        begins = not hasattr(self, "module_")
        if not self._takes_counts:
            self._refuse_other_documents(not begins)
            return super().partial_fit(X, y, sample_weight)
        with self._unchanged_on_failure():
            self._refuse_other_documents(not begins)
            run = FitRun(self.random_state, n_calls=0 if begins else self.n_iter_)
            rows, names = self._validate_documents(X, sample_weight, begins)
            self._begin_counts(rows, names, run, begins)
            first = FirstRows.of(rows) if begins else self._first_rows_with(rows)
            anew = first is not None and first.are_due
            if anew and not begins:
                self._begin_anew(first.rows, names, run.start)
            trainer = CountTrainer(self, run.time_left(self.max_time), DTYPES[self._dtype])
            trained, before = (first.rows, None) if anew else (rows, self._seen_words())
            self.module_, statistics, record = trainer.fit_chunk(self.module_, trained, before)
            self._first_rows = first.begun() if anew else first
            self._remember_chunk(record)
            self._finish_counts(rows, names, statistics, record)
        return self

    @available_if(_is_of_counts)
    def perplexity(self, X):
        """Perplexity of rows of counts: how many words a word is as surprising as, on average.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Whole counts. Only with ``documents='counts'``.

        Returns
        -------
        perplexity : float
            ``exp`` of minus the mean log probability of a word, given the lengths of the rows and
            in whatever order; the lower, the better. 1 of rows without words.
        """
        check_is_fitted(self)
        counts = self._validate_scored(X)
        log_prob = map_counts(self.module_.log_prob_of_words, self.module_, counts).sum()
        return float(np.exp(-log_prob / max(counts.sum(), 1.0)))

    # ------------------------------------------------------------------ training

    @property
    def _takes_counts(self) -> bool:
        return self.documents == "counts" and self.prior == "topic"

    def _refuse_other_documents(self, goes_on):
        """Refuse to go on from a density of counts as a flow, and the other way round."""
        if goes_on and hasattr(self, "_config") and _is_of_counts(self) != self._takes_counts:
            raise ChangedParameterError(
                f"documents={self.documents!r} with prior={self.prior!r} needs another module than "
                "the one that was fitted. Set them back, or fit anew with warm_start=False."
            )

    def _validate_documents(self, X, sample_weight, begins):
        """Training rows of positive weight, and the names of their words."""
        self._refuse_what_counts_lack()
        n_needed = 2 if begins else 1
        bags = self._validate_counts(X, begins, n_needed)
        counts, weight = bags.counts(), None
        if sample_weight is not None:
            weight = row_weights(sample_weight, counts.shape[0], n_needed)
            kept = weight > 0
            counts, weight = counts[kept], weight[kept] / weight[kept].mean()
        if not counts.nnz:
            raise InvalidDataError("X holds no counts but 0: give rows with words.")
        return CountRows(counts, weight), bags.words

    def _refuse_what_counts_lack(self):
        lacking = {
            "missing": "all counts known",
            "image_shape": "columns that are words",
            "checkpoint": "no checkpoint, as it takes seconds",
            "callbacks": "no callbacks, as there are no gradients: max_time and max_epochs end it",
        }
        for name, needed in lacking.items():
            if getattr(self, name):
                raise InvalidParameterError(
                    f"documents='counts' needs {needed}: set {name}=None, or documents='bins'."
                )

    def _validate_counts(self, X, reset, n_needed=1):
        refuse_streams(X, self)
        if not is_sparse(X):
            refuse_unreal(X, self)
            X = check_labels(self, X, reset)
        elif reset:
            self.__dict__.pop("_kept_labels", None)
        options = {"accept_sparse": "csr", "dtype": np.float64, "ensure_all_finite": False}
        X = validate_data(self, X, reset=reset, ensure_min_samples=n_needed, **options)
        return bags_of_words(X, labels_of(self))

    def _one_topic_a_row(self, d):
        if self.n_word_groups not in (None, 1, d):
            raise InvalidParameterError(
                f"documents='counts' has no word groups of several words, got n_word_groups="
                f"{self.n_word_groups} for {d} words: take None for words that each follow a topic "
                "of their row, 1 for rows that follow one topic each."
            )
        return self.n_word_groups == 1 and d > 1

    def _begin_counts(self, rows, names, run, begins):
        if not begins:
            self._refuse_other_shape()
            self._columns.validate(None, None, self.noise)
            return
        d = rows.counts.shape[1]
        device, one_hot = resolve_device(self.device), self._one_topic_a_row(d)
        self._columns = Counts.of(d)
        self._columns.validate(None, None, self.noise)
        self._device, self._dtype, self._completion = str(device), self.dtype, None
        self._shaped_by = {name: getattr(self, name) for name in self._shaping_parameters}
        bags = bags_of_words(rows.counts, names)
        self._forget_search()
        n_topics = self.n_topics
        if self._number_is_open:
            n_topics = self._settled_for_counts(rows, names, one_hot, run.start)
        options = n_topics, self.lda_backend, one_hot, run.start
        start = count_start(bags, rows.weight, *options)
        about = {"counts": True, "prior": self.prior, "n_features": d, "one_hot": one_hot}
        self._build_counts(about, start)
        self.n_iter_ = 0
        self.__dict__.pop("_stream", None)

    def _begin_anew(self, rows, names, rng):
        """Find the topics of a stream again, in more rows; they keep their numbers."""
        bags, one_hot = bags_of_words(rows.counts, names), self.module_.one_hot
        options = self.module_.n_topics, self.lda_backend, one_hot, rng
        start = count_start(bags, rows.weight, *options)
        start = start.numbered_as(self._topic_words[0], one_hot)
        self._build_counts(self._config, start)

    def _first_rows_with(self, rows):
        first = getattr(self, "_first_rows", None)
        return None if first is None else first.joined(rows)

    def _build_counts(self, about, start):
        self._config = about | start.config
        module = count_module(self._config).double()
        start.initialise(module)
        # In the precision that pickles keep, so that those are exact.
        module = module.to(DTYPES[self._dtype]).double()
        self.module_ = module.to(torch.device(self._device)).eval()

    def _finish_counts(self, rows, names, statistics, record: TrainingRecord):
        """Fill `topics_`, and keep what later chunks are joined to."""
        self._word_statistics = {
            name: value.cpu().numpy() for name, value in vars(statistics).items()
        }
        described = _taken(rows, slice(_MAX_DESCRIBED_ROWS))
        shares = self._proportions(described.counts)
        module, k = self.module_, self.module_.n_topics
        alpha = np.zeros(k) if module.one_hot or k == 1 else fit_dirichlet(shares)
        weights = np.average(shares, axis=0, weights=described.weight)
        d = module.n_features
        self.word_groups_ = [list(range(d))] if module.one_hot else [[j] for j in range(d)]
        self._topic_words = (module.words.detach().cpu().numpy(), names)
        self.topics_ = [
            {"weight": float(w), "alpha": float(a)} for w, a in zip(weights, alpha, strict=True)
        ]
        self.topics_ = self.describe_topics()
        pass_interruption_on(record, self.on_interrupt)
        warn_of_interruption(record, self.n_iter_, self.best_epoch_)

    def _seen_words(self):
        device = torch.device(self._device)
        seen = self._word_statistics.items()
        return CountStatistics(**{name: torch.tensor(value, device=device) for name, value in seen})

    # ------------------------------------------------------------------ fitted

    def _validate_rows(self, X, reset, ensure_min_samples=1, missing=None, incomplete=False):
        if reset or not _is_of_counts(self):
            return super()._validate_rows(X, reset, ensure_min_samples, missing, incomplete)
        if incomplete:
            raise InvalidParameterError(
                "counts that are missing are neither integrated out nor imputed: fit with "
                "documents='bins' for that."
            )
        return self._validate_counts(X, False, ensure_min_samples).counts()

    def _log_density(self, X, without=None):
        if not _is_of_counts(self):
            return super()._log_density(X, without)
        return map_counts(self.module_.log_prob_of, self.module_, X)

    def _encode(self, X):
        return self._proportions(X) if _is_of_counts(self) else super()._encode(X)

    def _decode(self, latent):
        if not _is_of_counts(self):
            return super()._decode(latent)
        raise InvalidParameterError(
            "the latents of counts are topic proportions, which many rows share: there is no way "
            "back. Use sample(topics=proportions) for rows that have them."
        )

    @property
    def _n_features_out(self):
        return self.module_.n_topics if _is_of_counts(self) else super()._n_features_out

    @property
    def _topics(self):
        return self.module_ if _is_of_counts(self) else super()._topics

    def _proportions(self, X):
        if not _is_of_counts(self):
            return super()._proportions(X)
        return map_counts(self.module_.proportions, self.module_, X)

    def _sample(self, n_samples, random_state, temperature, draw=None):
        if not _is_of_counts(self):
            return super()._sample(n_samples, random_state, temperature, draw)
        evaluator = self._evaluator
        factor = torch.tensor(temperature, device=evaluator.device)
        drawn = functools.partial(draw or self.module_.sample, temperature=factor)
        return evaluator.draw(check_n_samples(n_samples), random_state, drawn)

    def _swapped(self, X, donors):
        if not _is_of_counts(self):
            return super()._swapped(X, donors)
        X, donors = self._validate_pairs(X, donors)
        own, target = (self._proportions(rows) @ self._topic_words[0] for rows in (X, donors))
        return moved(X, own, target, np.random.RandomState(_SEED))

    def _between(self, X, other, n_steps):
        if not _is_of_counts(self):
            return super()._between(X, other, n_steps)
        return blended(*self._validate_pairs(X, other), n_steps, np.random.RandomState(_SEED))

    def _steered(self, X, topic, amount):
        if not _is_of_counts(self):
            return super()._steered(X, topic, amount)
        before = self._proportions(X)
        after = (1 - amount[:, None]) * before + amount[:, None] * np.eye(before.shape[1])[topic]
        words = self._topic_words[0]
        return moved(X, before @ words, after @ words, np.random.RandomState(_SEED))

    def _read_words(self, X):
        if not _is_of_counts(self):
            return super()._read_words(X)
        return BagsOfWords(X, self._topic_words[1])

    def _topic_distances(self):
        return (
            word_distances(self._topic_words[0])
            if _is_of_counts(self)
            else super()._topic_distances()
        )

    def _validate_pairs(self, X, other):
        check_is_fitted(self)
        first, second = (self._validate_rows(rows, reset=False) for rows in (X, other))
        refuse_other_number(first.shape[0], second.shape[0])
        return first, second

    @available_if(_has_volume)
    @_documented_by(TopicAnalysis)
    def log_det_tree(self, X):
        return super().log_det_tree(X)

    @_documented_by(ImageRows)
    def bits_per_dim(self, X, random_state=0):
        if not _is_of_counts(self):
            return super().bits_per_dim(X, random_state)
        return -mean_of(self.score_samples(X)) / (self.n_features_in_ * math.log(2))

    def _gradient_norm(self, X):
        if not _is_of_counts(self):
            return super()._gradient_norm(X)
        raise InvalidParameterError(
            "log probabilities of counts have no gradient: take statistic='log_density'."
        )

    def _score_copies(self, copies, rows, n_draws=None):
        if not _is_of_counts(self):
            return super()._score_copies(copies, rows, n_draws)
        # Explanations ask of other values too, which have no probability.
        values = np.asarray(copies, dtype=np.float64)
        possible = ((values >= 0) & (np.rint(values) == values)).all(1)
        log_prob = np.full(len(values), -np.inf)
        if possible.any():
            counts = bags_of_words(values[possible]).counts()
            log_prob[possible] = self._log_density(counts)
        return log_prob


def _taken(rows, index):
    """Some of the rows, and their weights."""
    return CountRows(rows.counts[index], None if rows.weight is None else rows.weight[index])
