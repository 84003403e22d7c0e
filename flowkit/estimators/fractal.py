"""Fractal Flow: a recursive flow onto topics."""

from __future__ import annotations

import copy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..bijections import Compose, LULinear
from ..bijections._tree import image_levels
from ..bijections.registry import FRACTALS, build_steps
from ..columns import GreyLevels
from ..exceptions import InvalidDataError, InvalidParameterError
from ..missing import IncompleteRows
from ..modules import Flow
from ..priors import Normal, Topic
from ..starts import (
    as_topics,
    choose_start,
    choose_topic_start,
    draw_rows,
    grey_levels,
    margin_steps,
    n_nodes,
    n_start_rows,
    started_grey_levels,
    word_groups,
)
from ..topics import (
    count_documents,
    fit_lda,
    group_responsibilities,
    heaviest_words,
    kmeans_topics,
    patch_documents,
    table_documents,
    topic_words,
)
from ..validation import labels_of
from ._base import BaseDensity
from ._images import ImageRows
from ._parameters import documented

# What the module is built from.
_SHAPE = (
    "n_topics",
    "n_word_groups",
    "n_levels",
    "n_blocks",
    "fractal",
    "coupling",
    "conditioner",
    "tied",
    "hidden_units",
    "n_hidden_layers",
    "n_bins",
    "tail_bound",
    "dropout",
    "prior",
    "image_shape",
    "compile",
)
# Rows from which the words of the topics are told.
_MAX_DESCRIBED_ROWS = 5_000
_N_WORDS = 5


def _has_topics(estimator) -> bool:
    # What was fitted counts, whatever the parameter has become since.
    return getattr(estimator, "_config", {}).get("prior", estimator.prior) != "normal"


@documented
class FractalFlowDensity(ImageRows, IncompleteRows, BaseDensity):
    """Density estimation with a recursive flow onto topics: exact, and readable.

    The map splits the columns in two, couples the halves, and does the same within each half; its
    log-determinant is a sum over the nodes of that tree. The latent is cut into word groups, and a
    row is a document: topic proportions of its own, drawn from a Dirichlet distribution, say which
    topic each of its groups follows. The prior is initialised from data: rows become documents of
    words (quantile bins, image patches or counts), latent Dirichlet allocation finds topics among
    them, and annealed expectation maximisation fits the prior from there. The flow is initialised
    as the identity, so training begins at the density of that classical model.

    A reconstruction of Fractal Flow from its published description; no code was released.

    Parameters
    ----------
    n_topics : int, default=8
        Number of topics.
    n_word_groups : int or None, default=None
        Number of groups of neighbouring columns, or of patches of images, that the latent is cut
        into. None chooses it by the held-out likelihood of the initial prior, with or without a
        whitening matrix before it. With a number, the initial latent is the columns themselves, so
        that topics can be read: take ``n_word_groups=n_features`` for a topic of each column, 1 for
        one of each row.
    n_levels : int, default=2
        How often the halves of the columns are split again; 0 is a plain coupling before
        element-wise splines.
    n_blocks : int, default=2
        Number of fractal maps, with LU-factorised linear maps between them where columns are no
        images.
    fractal : {'coupling', 'autoregressive'}, default='coupling'
        Kind of recursion. Couplings score and sample in one pass; the autoregressive kind samples
        in as many passes as the tree has blocks.
    coupling : {'spline', 'affine'}, default='spline'
        What one half does to each column of the other.
    conditioner : {'auto', 'mlp', 'kan', 'conv'}, default='auto'
        Networks that steer the couplings: multilayer perceptrons, Kolmogorov-Arnold networks, or
        convolutions; 'auto' is 'conv' for couplings of images, else 'mlp'.
    tied : bool or 'auto', default='auto'
        Whether the nodes of a level share their weights; 'auto' ties convolutions alone.
    hidden_units : int, default=64
        Width of the networks of the root; it halves from level to level, down to 8.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    prior : {'topic', 'gaussian_mixture', 'normal'}, default='topic'
        Density of the latent. 'gaussian_mixture' has `n_topics` components of whole rows (fewer
        where there are fewer distinct rows), 'normal' no topics; `n_word_groups` and
        `lda_backend` mean nothing to these two.
    lda_backend : {'sklearn', 'gensim'} or None, default='sklearn'
        What finds the topics that initialise the prior. gensim learns an uneven alpha too, and is
        an optional dependency; None takes k-means.
    documents : {'auto', 'bins', 'patches', 'counts'}, default='auto'
        Words of a row: the quantile bin of each column; the nearest of a codebook for each patch
        of an image; or the columns themselves, each as often as its count says, for non-negative
        whole numbers, dense or sparse. 'auto' is 'patches' with `image_shape`, else 'bins'.
    image_shape : tuple of int or None, default=None
        ``(height, width)`` or ``(height, width, channels)`` if rows are images, both edges even.
        X then may be of shape ``(n, *image_shape)`` too. Images of dtype uint8 get uniform noise
        of width one in training and a logit of their grey levels squeezed into [0.05, 0.95]; those
        of other dtypes are columns of numbers like all others.
    noise : 'scott', float or None, default=None
        Deviation, in standard deviations of the columns, of normal noise added to the training
        rows in each epoch; 'scott' is ``n ** (-1 / (d + 4))``. None alone for uint8 images.
    missing : 'marginalize' or None, default=None
        What becomes of NaN: None refuses it, but in `score_marginal` and `impute`, which take it in
        any case. With 'marginalize', `score_samples` scores what is known of a row, with the rest
        integrated out, and `fit` completes rows by draws, from a Gaussian mixture fitted to what is
        known and, where early stopping leaves epochs, then from the density itself. That a value is
        missing must not depend on the value itself. Not for images.
    compile : bool, default=False
        Whether spline kernels run through ``torch.compile``. The maps of a tree have many shapes,
        of which torch compiles eight at most; it runs the others as they are and says so.

    Attributes
    ----------
    topics_ : list of dict
        Per topic its ``weight`` (mean of `predict_proba` over the rows trained on, at most 5000),
        its ``alpha`` (concentration of the proportions: the smaller, the more a row keeps to one
        topic; 0 where each row has only one, as with one word group), and its ``words``: the five
        most telling ones and their probability in the topic, most probable first, in names and
        units of X; `describe_topics` tells more. After further calls of `fit` or `partial_fit` it
        describes the rows of the last call.
    word_groups_ : list of list of int
        Columns of each word group.
    module_ : flowkit.modules.Flow
        The fitted flow on standardised rows, float64.

    See Also
    --------
    FlowDensity : Any stack of bijections on any prior.
    sklearn.decomposition.LatentDirichletAllocation : Topics of counts, without a density.

    References
    ----------
    Zhang, Ma, "Fractal Flow: Hierarchical and Interpretable Normalizing Flow via Topic Modeling
    and Recursive Strategy", arXiv 2508.19750 (2025).

    Blei, Ng, Jordan, "Latent Dirichlet Allocation", JMLR 3 (2003) 993-1022.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FractalFlowDensity
    >>> X = load_iris(as_frame=True).data
    >>> density = FractalFlowDensity(n_topics=3, max_epochs=5, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    >>> density.predict_proba(X).shape
    (150, 3)
    >>> density.sample(2, topics=0, random_state=0).shape
    (2, 4)
    >>> sorted(density.topics_[0])
    ['alpha', 'weight', 'words']
    """

    _parameter_constraints: dict = {
        **{k: v for k, v in BaseDensity._parameter_constraints.items() if k != "standardize"},
        "n_topics": [Interval(Integral, 1, None, closed="left")],
        "n_word_groups": [Interval(Integral, 1, None, closed="left"), None],
        "n_levels": [Interval(Integral, 0, None, closed="left")],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "fractal": [StrOptions(set(FRACTALS))],
        "coupling": [StrOptions({"spline", "affine"})],
        "conditioner": [StrOptions({"auto", "mlp", "kan", "conv"})],
        "tied": [StrOptions({"auto"}), "boolean"],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, 999, closed="both")],
        "tail_bound": [Interval(Real, 0, None, closed="neither")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "prior": [StrOptions({"topic", "gaussian_mixture", "normal"})],
        "lda_backend": [StrOptions({"sklearn", "gensim"}), None],
        "documents": [StrOptions({"auto", "bins", "patches", "counts"})],
        "image_shape": [tuple, list, None],
        "missing": [StrOptions({"marginalize"}), None],
    }

    _shaping_parameters = (
        *(name for name in BaseDensity._shaping_parameters if name != "standardize"),
        "missing",
        *_SHAPE,
    )

    def __init__(
        self,
        n_topics=8,
        *,
        n_word_groups=None,
        n_levels=2,
        n_blocks=2,
        fractal="coupling",
        coupling="spline",
        conditioner="auto",
        tied="auto",
        hidden_units=64,
        n_hidden_layers=2,
        n_bins=8,
        tail_bound=4.0,
        dropout="auto",
        prior="topic",
        lda_backend="sklearn",
        documents="auto",
        image_shape=None,
        max_epochs=100,
        max_time=None,
        partial_fit_epochs=1,
        batch_size="auto",
        learning_rate=1e-3,
        weight_decay=1e-4,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        noise=None,
        dequantize="auto",
        missing=None,
        warm_start=False,
        random_state=None,
        device="auto",
        dtype="float32",
        compile=False,
        callbacks=None,
        verbose=0,
    ):
        self.n_topics = n_topics
        self.n_word_groups = n_word_groups
        self.n_levels = n_levels
        self.n_blocks = n_blocks
        self.fractal = fractal
        self.coupling = coupling
        self.conditioner = conditioner
        self.tied = tied
        self.hidden_units = hidden_units
        self.n_hidden_layers = n_hidden_layers
        self.n_bins = n_bins
        self.tail_bound = tail_bound
        self.dropout = dropout
        self.prior = prior
        self.lda_backend = lda_backend
        self.documents = documents
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.partial_fit_epochs = partial_fit_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.noise = noise
        self.dequantize = dequantize
        self.missing = missing
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.dtype = dtype
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose

    @available_if(_has_topics)
    def predict_proba(self, X):
        """Topic proportions of each row: the share of its word groups that follow each topic.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proportions : ndarray of shape (n_samples, n_topics)
            Expected a posteriori; rows sum to one. With one word group, the probability of each
            topic.
        """
        check_is_fitted(self)
        X, module = self._validate_scored(X), self.module_
        return self._expected(lambda z: module.prior.proportions(module.encode(z)), X)

    @available_if(_has_topics)
    def predict(self, X):
        """Heaviest topic of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        topics : ndarray of shape (n_samples,)
            Integers from 0 to ``n_topics - 1``.
        """
        return self.predict_proba(X).argmax(1)

    @available_if(_has_topics)
    def describe_topics(self, n_words=_N_WORDS):
        """`topics_` with more words, or fewer.

        Parameters
        ----------
        n_words : int, default=5
            Number of words of a topic.

        Returns
        -------
        topics : list of dict
            As `topics_`: ``words`` are those that tell most about the topic (frequent ones, and
            more frequent than in other topics), most probable first.

        Raises
        ------
        ValueError
            If `n_words` is less than one.
        """
        check_is_fitted(self)
        weights = [topic["weight"] for topic in self.topics_]
        words = heaviest_words(*self._topic_words, n_words, topic_weights=weights)
        return [{**topic, "words": told} for topic, told in zip(self.topics_, words, strict=True)]

    def sample(self, n_samples=1, random_state=None, *, topics=None):
        """Draw rows from the density, or from given topics.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        topics : int, array-like of shape (n_topics,) or (n_samples, n_topics), default=None
            One topic that all word groups follow, or topic proportions, of all rows or of each,
            rescaled to sum to one. None draws them from the prior.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64: counts with ``documents='counts'``, grey levels from 0 to 255 of
            uint8 images.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, or there are no such topics.
        """
        check_is_fitted(self)
        if topics is None:
            return super().sample(n_samples, random_state)

        def draw(n, generator):
            proportions = torch.from_numpy(self._check_topics(topics, n))
            proportions = proportions.to(generator.device)
            return self.module_.prior.sample_given(proportions, generator)

        return self._sample(n_samples, random_state, draw)

    @available_if(_has_topics)
    def swap_topics(self, X, donors):
        """Rows that follow the topics of other rows and stay as they are within their topics.

        In the latent, each word group of a row keeps its location relative to its heaviest topic,
        in units of that topic's covariance, and is moved to the topic that the donor has there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to change.
        donors : array-like of shape (n_samples, n_features)
            Rows whose topics they take on.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            Changed rows, float64; counts and grey levels as in `sample`.
        """
        pair = self._encode_pairs(X, donors)
        first, second = (torch.from_numpy(Z).to(self._evaluator.device) for Z in pair)
        prior = self.module_.prior
        with torch.inference_mode():
            own, other = (prior.responsibilities(z).argmax(2) for z in (first, second))
            moved = prior.move(first, own, other)
        return self._columns.to_domain(self._decode(moved.cpu().numpy()))

    def interpolate(self, X, other, n_steps=5):
        """Rows on the straight line between pairs of rows in the latent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Where the lines start.
        other : array-like of shape (n_samples, n_features)
            Where they end.
        n_steps : int, default=5
            Number of rows on each line, ends included.

        Returns
        -------
        rows : ndarray of shape (n_steps, n_samples, n_features)
            Float64; the first are X, the last `other`; counts and grey levels as in `sample`.

        Raises
        ------
        ValueError
            If `n_steps` is less than two, or the shapes differ.
        """
        if not isinstance(n_steps, Integral) or n_steps < 2:
            raise InvalidDataError(f"n_steps must be an int of at least 2, got {n_steps!r}.")
        first, second = self._encode_pairs(X, other)
        rows = [self._decode((1 - t) * first + t * second) for t in np.linspace(0, 1, n_steps)]
        return self._columns.to_domain(np.stack(rows))

    def log_det_tree(self, X):
        """Where in the tree the volume of each row changes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        tree : Bunch
            ``shares`` (n_samples, n_nodes), in nats: they sum to the log-determinant of the map
            from X to its latent; ``levels`` (n_nodes,), the depth of each node; ``kinds``, what
            happens there: 'mixing' of all columns by linear maps, 'coupling' of the halves of a
            node, 'leaf' for one column's splines and scale, or 'block'; and ``features``, for each
            node the names, or else numbers, of the columns that it covers. Shares of nodes of the
            same columns are summed over blocks. After the first block a column stands for a mix
            that was that column initially.
        """
        check_is_fitted(self)
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        bijection = self.module_.bijection
        nodes = bijection.nodes
        shares = self._evaluator.map(bijection.log_det_tree, Z)
        shares[:, -self.n_features_in_ :] -= self._columns.log_volumes(Z)
        names = labels_of(self)
        return Bunch(
            shares=shares,
            levels=np.array([node.level for node in nodes]),
            kinds=[node.kind for node in nodes],
            features=[
                tuple(int(j) if names is None else str(names[j]) for j in node.columns)
                for node in nodes
            ],
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.documents == "counts"
        tags.input_tags.positive_only = self.documents == "counts"
        return tags

    # ------------------------------------------------------------------ rows

    def _make_columns(self, X, sample_weight, grey):
        columns = super()._make_columns(X, sample_weight, grey)
        # Without topics nobody has checked that they are counts.
        return columns.as_counts(X) if self.documents == "counts" and not grey else columns

    # ------------------------------------------------------------------ topics

    def _check_topics(self, topics, n):
        """Topic proportions of n rows."""
        if not _has_topics(self):
            raise InvalidParameterError(
                "prior='normal' has no topics to sample from: leave topics out, or fit with "
                "prior='topic'."
            )
        n_topics = self.module_.prior.n_topics
        if isinstance(topics, Integral) and not isinstance(topics, bool):
            if not 0 <= topics < n_topics:
                raise InvalidDataError(f"topics must be 0 to {n_topics - 1}, got {topics}.")
            topics = np.eye(n_topics)[topics]
        try:
            proportions = np.asarray(topics, dtype=np.float64)
        except (TypeError, ValueError):
            raise InvalidDataError(
                f"topics must be an int or an array of numbers, got {topics!r}."
            ) from None
        if proportions.shape not in ((n_topics,), (n, n_topics)):
            raise InvalidDataError(
                f"topics must be an int, or proportions of shape ({n_topics},) or "
                f"({n}, {n_topics}), got an array of shape {proportions.shape}."
            )
        proportions = np.broadcast_to(proportions, (n, n_topics))
        if (
            not (np.isfinite(proportions).all() and (proportions >= 0).all())
            or not (proportions.sum(1) > 0).all()
        ):
            raise InvalidDataError(
                "topic proportions must be non-negative and not all zero in a row."
            )
        return proportions / proportions.sum(1, keepdims=True)

    def _documents_of(self, X, rng):
        kind = self.documents
        if kind == "auto":
            kind = "bins" if self.image_shape is None else "patches"
        if kind == "counts":
            if self.missing is not None:
                raise InvalidParameterError(
                    "documents='counts' needs rows whose counts are all known: set missing=None, "
                    "or documents='bins'."
                )
            return count_documents(X, labels_of(self))
        if kind == "bins":
            return table_documents(X, labels_of(self))
        if self.image_shape is None:
            raise InvalidParameterError("documents='patches' needs image_shape, got None.")
        # Half of the edge: smaller patches say less about what an image shows.
        patch = max(1, min(self.image_shape[:2]) // 2)
        stride = max(1, patch // 2)
        return patch_documents(X, tuple(self.image_shape), rng, patch=patch, stride=stride)

    # ------------------------------------------------------------------ training

    def _finalize(self, X, sample_weight, training, start, random_state):
        """Fill `topics_` from the rows trained on."""
        X = self._filled(X, random_state)
        if self.prior == "normal":
            for name in ("topics_", "word_groups_", "_topic_words"):
                self.__dict__.pop(name, None)
            return
        documents = None if start is None else start.documents
        if documents is None:
            documents = self._documents_of(X[training], random_state)
        rows = training[:_MAX_DESCRIBED_ROWS]
        prior = self.module_.prior
        shares = self._evaluator.map(prior.responsibilities, self._encode(X[rows]))
        if sample_weight is not None:
            shares = shares * sample_weight[rows, None, None]
        topic_share = shares.sum((0, 1)) / shares.sum()
        beta = topic_words(
            shares, documents.take(slice(len(rows))), list(map(np.array, prior.groups))
        )
        # A single topic for each row is the limit of small alpha.
        alpha = np.zeros(prior.n_topics) if prior.one_hot else prior.alpha.detach().cpu().numpy()
        self.word_groups_ = prior.groups
        self._topic_words = (beta, documents.words)
        self.topics_ = [
            {"weight": float(topic_share[k]), "alpha": float(alpha[k])}
            for k in range(prior.n_topics)
        ]
        self.topics_ = self.describe_topics()

    def _initialize(self, X, Z, sample_weight, random_state):
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = d = Z.shape[1]
        groupings = self._check_shape(d)
        config["grey"] = isinstance(self._columns, GreyLevels)
        config["dropout"] = self._dropout_share(len(Z))
        if self.conditioner == "auto":
            images = self.image_shape is not None and self.fractal == "coupling"
            config["conditioner"] = "conv" if images else "mlp"
        if self.tied == "auto":
            config["tied"] = config["conditioner"] == "conv"
        pixels = None
        if config["grey"]:
            pixels, Z = started_grey_levels(Z)
        start = self._choose_start(X, Z, sample_weight, groupings, random_state)
        config |= {"groups": None, "covariance": None, "n_topics": None, **start.config}
        config["linear"] = start.linear is not None or self.image_shape is None
        return config, replace(start, pixels=pixels)

    def _check_shape(self, d):
        """Refuse what no module can be built from before anything costly; word groups to try."""
        if self.conditioner == "conv" and (
            self.image_shape is None or self.fractal == "autoregressive"
        ):
            raise InvalidParameterError(
                "conditioner='conv' needs image_shape and fractal='coupling', got image_shape="
                f"{self.image_shape!r} and fractal={self.fractal!r}."
            )
        if self.image_shape is not None:
            image_levels(self.image_shape, self.n_levels)
        return word_groups(d, self.image_shape, self.n_word_groups)

    def _choose_start(self, X, Z, weight, groupings, rng):
        if self.prior != "topic":
            mixed = self.prior == "gaussian_mixture"
            bends = self.image_shape is None
            return as_topics(choose_start(Z, weight, mixed, self.n_topics, None, rng, bends))
        found_in = self._documents_of(X, rng)
        limit = n_start_rows(Z.shape[1], self.n_topics, len(groupings[-1]))
        drawn = draw_rows(len(Z), weight, rng, limit)
        Z, documents = Z[drawn], found_in.take(drawn)
        if self.lda_backend is None:
            alpha, proportions = kmeans_topics(Z, self.n_topics, rng)

            def guess(groups, index):
                return np.repeat(proportions[index, None], len(groups), axis=1)

        else:
            topics = fit_lda(documents, self.n_topics, self.lda_backend, rng)
            alpha = topics.alpha

            def guess(groups, index):
                part = replace(topics, proportions=topics.proportions[index])
                return group_responsibilities(part, documents.take(index), groups)

        # Groups that a user counted are groups of columns, which a linear map would mix.
        keep_columns = self.n_word_groups is not None
        bends = self.image_shape is None
        start = choose_topic_start(Z, drawn, guess, alpha, groupings, rng, keep_columns, bends)
        return replace(start, documents=found_in)

    def _build_module(self, config, generator):
        d = config["n_features"]
        options = {
            name: config[name]
            for name in (
                "coupling",
                "n_levels",
                "conditioner",
                "hidden_units",
                "n_hidden_layers",
                "dropout",
                "tied",
                "n_bins",
                "tail_bound",
                "compile",
                "image_shape",
            )
        }
        steps = [grey_levels(d)] if config["grey"] else []
        steps += margin_steps(config["margins"], d)
        step = FRACTALS[config["fractal"]]
        if config["image_shape"] is None:
            # A matrix of all pixels would be most of the parameters of a flow of images.
            step = (LULinear, *step)
        steps += build_steps(step, config["n_blocks"], d, generator=generator, **options)
        steps += [LULinear(d, config["linear_bound"])] if config["linear"] else []
        return Flow(Compose(steps), _build_prior(config))


def _build_prior(config):
    d = config["n_features"]
    if config["prior"] == "normal":
        return Normal(d)
    return Topic(
        d,
        config["n_topics"],
        config["groups"],
        nodes=n_nodes(config["groups"]),
        covariance=config["covariance"],
        min_deviation=config["min_deviation"],
    )
