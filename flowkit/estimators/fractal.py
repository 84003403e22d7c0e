"""Fractal Flow: a recursive flow onto topics."""

from __future__ import annotations

import copy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..bijections import Compose, LULinear
from ..bijections.registry import FRACTALS, build_steps
from ..bijections.tree import image_levels
from ..exceptions import InvalidParameterError
from ..missing import IncompleteRows
from ..modules import Flow, TopicFlow
from ..priors import Normal, PartialTopic, Topic
from ..starts import grey_levels, margin_steps, n_nodes, started_grey_levels, word_groups
from ..topics import topic_words
from ._base import BaseDensity
from ._conditions import Conditions
from ._counts import CountedWords, count_module
from ._found_topics import FoundTopics
from ._images import ImageRows
from ._inpainting import Inpainting
from ._lifted import LiftedImages
from ._parameters import documented
from ._steering import Steering
from ._told_topics import ToldTopics
from ._topic_number import ChosenNumber
from ._topics import TopicAnalysis

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
    "topic_penalty",
    "image_shape",
    "compile",
)
# What the bijections are built with, each with those that it takes.
_OPTIONS = (
    "coupling",
    "n_levels",
    "conditioner",
    "hidden_units",
    "n_hidden_layers",
    "dropout",
    "tied",
    "n_bins",
    "n_boxes",
    "tail_bound",
    "compile",
    "image_shape",
)
# Rows from which the words of the topics are told.
_MAX_DESCRIBED_ROWS = 5_000


@documented
class FractalFlowDensity(
    CountedWords,
    ToldTopics,
    Steering,
    ChosenNumber,
    TopicAnalysis,
    FoundTopics,
    LiftedImages,
    Inpainting,
    ImageRows,
    Conditions,
    IncompleteRows,
    BaseDensity,
):
    """Density estimation with a recursive flow onto topics: exact, and readable.

    The map splits the columns in two, couples the halves, and does the same within each half; its
    log-determinant is a sum over the nodes of that tree. The latent is cut into word groups, and a
    row is a document: topic proportions of its own, drawn from a Dirichlet distribution, say which
    topic each of its groups follows. The prior is initialised from data: rows become documents of
    words (quantile bins, image patches or counts), latent Dirichlet allocation and k-means find
    topics among them, mixtures are fitted from there, and the topics that two halves of the rows
    agree on most are those that the prior begins with and that training keeps to. Where that would
    cost more than a twentieth of a nat per column, annealed expectation maximisation goes on from
    the topics of words instead, and nothing is kept. The
    flow is initialised as the identity, so training begins at the density of that classical model.

    A reconstruction of Fractal Flow from its published description; no code was released.

    Parameters
    ----------
    n_topics : int or 'auto', default=8
        Number of topics. 'auto' chooses it, for tables and counts, before training: numbers up to
        24 begin at either half of the rows, at most 1000 each, and of those whose log density of
        the other half is within one standard error of the largest, the one is taken whose halves
        agree most on the topics of all rows, by the adjusted Rand index; the smallest, if several
        are within 0.05. It takes as long as
        initialising some twenty densities; see `topic_search_` and
        `flowkit.inspection.TopicNumberDisplay`. One topic means that no number is likelier.
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
    fractal : {'auto', 'coupling', 'autoregressive', 'lifting'}, default='auto'
        Kind of recursion. Couplings score and sample in one pass; the autoregressive kind samples
        in as many passes as the tree has blocks. 'lifting' is for images: the grid of every second
        row and column goes through the recursion, and the pixels between are predicted from it,
        first linearly, then with the help of a network of `hidden_units`; topics are those of the
        coarse pixels, `inpaint` fills holes, and other parameters of the recursion are ignored.
        'auto' is 'lifting' for images that are likelier by linear prediction than by a Gaussian,
        else 'coupling'.
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
        `lda_backend` are ignored by both.
    topic_penalty : float, default=3.0
        What holds rows, in training, at the topics that they were found to have: the weight of the
        cross-entropy between these and the topic proportions of the model, in nats. Likelihood
        alone would let topics drift to whatever describes tails. 0 trains by likelihood alone;
        `score_samples` is the exact log density in any case.
    lda_backend : {'sklearn', 'gensim'} or None, default='sklearn'
        What finds the topics that initialise the prior. gensim learns an uneven alpha too, and is
        an optional dependency; None takes k-means.
    documents : {'auto', 'bins', 'patches', 'counts'}, default='auto'
        Words of a row: the quantile bin of each column; the nearest of a codebook for each patch
        of an image; or the columns themselves, each as often as its count says, for non-negative
        whole numbers, dense or sparse. 'auto' is 'patches' with `image_shape`, else 'bins'.

        With 'counts' and ``prior='topic'`` there is no flow but a probability of whole numbers:
        `score_samples` is its logarithm. Lengths of rows have a law of their own; given its
        length, a row is Dirichlet-multinomial around the words of its topics, as words come in
        bursts, and topic proportions are integrated out exactly (see
        `flowkit.modules.CountTopics`). `fit` starts at latent Dirichlet allocation, of counts
        weighted by how much each word tells, and goes on by expectation maximisation: an epoch
        is one iteration, `tol` is nats for each word, a
        quarter of `n_iter_no_change` is enough, memory grows with the counts that are not zero,
        and parameters of networks, steps and noise are ignored. `transform` gives topic
        proportions, `perplexity` is there, and `partial_fit` holds no rows out: it keeps the first
        2,000 rows, at which topics begin anew whenever there are twice as many, whatever the
        chunks; later ones refine them, and the oldest count for less and less.
        `n_word_groups` may be None, or 1 for rows of one topic each.
    image_shape : tuple of int or None, default=None
        ``(height, width)`` or ``(height, width, channels)`` if rows are images; both edges even,
        if not lifted. X then may be of shape ``(n, *image_shape)`` too. Images of dtype uint8 get
        uniform noise of width one in training and, if not lifted, a logit of their grey levels
        squeezed into [0.05, 0.95]; those of other dtypes are columns of numbers like all others.
    compile : bool, default=False
        Whether splines run through ``torch.compile`` where numba's kernels cannot: on a GPU. The
        maps of a tree have many shapes, of which torch compiles eight at most; it runs the others
        as they are and says so.

    Attributes
    ----------
    topics_ : list of dict
        Per topic its ``weight`` (mean of `predict_proba` over the rows trained on, at most 5000),
        its ``alpha`` (concentration of the proportions: the smaller, the more a row keeps to one
        topic; 0 where each row has only one, as with one word group), and its ``words``: the five
        most telling ones and their probability in the topic, most probable first, in names and
        units of X, and how far these words are its own: ``exclusivity``, the mean share of their
        probability in all topics that is in this one, 1 if no other has them. `describe_topics`
        tells more, also as a frame. After further calls of `fit` or `partial_fit` it describes the
        rows of the last call.
    n_topics_ : int
        Number of topics.
    topic_search_ : dict of ndarray
        Only with ``n_topics='auto'``: the numbers that were tried, ``n_topics``, with
        ``log_density``, the mean log density or log probability of rows by topics of the other
        half, its ``standard_error``, and ``stability``, the adjusted Rand index.
    word_groups_ : list of list of int
        Columns of each word group.
    module_ : flowkit.modules.Flow
        The fitted flow on standardised rows, float64; of counts a `flowkit.modules.CountTopics`.

    See Also
    --------
    FlowDensity : Any stack of bijections on any prior.
    sklearn.decomposition.LatentDirichletAllocation : Topics of counts, without a density.

    References
    ----------
    Zhang, Ma, "Fractal Flow: Hierarchical and Interpretable Normalizing Flow via Topic Modeling
    and Recursive Strategy", arXiv 2508.19750 (2025).

    Blei, Ng, Jordan, "Latent Dirichlet Allocation", JMLR 3 (2003) 993-1022.

    Doyle, Elkan, "Accounting for burstiness in topic models", ICML (2009).

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
    ['alpha', 'exclusivity', 'weight', 'words']

    Counts of words have probabilities:

    >>> import numpy as np
    >>> words = np.random.default_rng(0).dirichlet(np.full(30, 0.1), size=2)
    >>> counts = np.vstack([np.random.default_rng(1).multinomial(20, w, size=40) for w in words])
    >>> density = FractalFlowDensity(n_topics=2, documents="counts", random_state=0).fit(counts)
    >>> bool((density.score_samples(counts) < 0).all())
    True
    >>> density.sample(3, random_state=0).shape
    (3, 30)
    """

    _parameter_constraints: dict = {
        "n_topics": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_word_groups": [Interval(Integral, 1, None, closed="left"), None],
        "n_levels": [Interval(Integral, 0, None, closed="left")],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "fractal": [StrOptions({"auto", *FRACTALS})],
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
        "topic_penalty": [Interval(Real, 0, None, closed="left")],
        "documents": [StrOptions({"auto", "bins", "patches", "counts"})],
        "image_shape": [tuple, list, None],
        "missing": [StrOptions({"marginalize"}), None],
    }

    _shaping_parameters = ("missing", *_SHAPE)

    def __init__(
        self,
        n_topics=8,
        *,
        n_word_groups=None,
        n_levels=2,
        n_blocks=2,
        fractal="auto",
        coupling="spline",
        conditioner="auto",
        tied="auto",
        hidden_units=64,
        n_hidden_layers=2,
        n_bins=8,
        tail_bound=4.0,
        dropout="auto",
        prior="topic",
        topic_penalty=3.0,
        lda_backend="sklearn",
        documents="auto",
        image_shape=None,
        max_epochs=100,
        max_time=None,
        partial_fit_epochs=1,
        batch_size="auto",
        learning_rate=3e-3,
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
        checkpoint=None,
        on_interrupt="keep",
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
        self.topic_penalty = topic_penalty
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
        self.checkpoint = checkpoint
        self.on_interrupt = on_interrupt
        self.verbose = verbose

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

    # ------------------------------------------------------------------ training

    def _finalize(self, X, sample_weight, training, start, random_state):
        """Fill `topics_` from the rows trained on."""
        X = self._filled(X, random_state)
        if self.prior == "normal":
            for name in ("topics_", "word_groups_", "_topic_words", "_word_reader"):
                self.__dict__.pop(name, None)
            return
        documents = None if start is None else start.documents
        if self._reads_other:
            documents = self._words_of(X[training])
        elif documents is None:
            documents = self._documents_of(X[training], random_state)
        rows = training[:_MAX_DESCRIBED_ROWS]
        prior = self.module_.prior
        shares = self._evaluator.map(prior.responsibilities, self._encode(X[rows]))
        if sample_weight is not None:
            shares = shares * sample_weight[rows, None, None]
        topic_share = shares.sum((0, 1)) / shares.sum()
        groups = list(map(np.array, prior.groups))
        if self._reads_other:
            # No word lies within a group of its own.
            shares, groups = shares.mean(1, keepdims=True), [np.arange(X.shape[1])]
        beta = topic_words(shares, documents.take(slice(len(rows))), groups)
        # A single topic for each row is the limit of small alpha.
        alpha = np.zeros(prior.n_topics) if prior.one_hot else prior.alpha.detach().cpu().numpy()
        self.word_groups_ = prior.groups
        self._topic_words, self._word_reader = (beta, documents.words), documents.reader
        self.topics_ = [
            {"weight": float(topic_share[k]), "alpha": float(alpha[k])}
            for k in range(prior.n_topics)
        ]
        self.topics_ = self.describe_topics()

    def _begin(self, X, weight, grey, training, run, begins):
        if begins:
            self._forget_search()
        return super()._begin(X, weight, grey, training, run, begins)

    def _initialize(self, X, Z, sample_weight, random_state):
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = d = Z.shape[1]
        groupings = self._check_shape(d)
        if self._number_is_open:
            settled = self._settled(X, Z, sample_weight, groupings, random_state)
            config, start = settled._initialize(X, Z, sample_weight, random_state)
            self._reference = settled._reference
            return config, start
        config["grey"] = self._columns.grey
        self._reference = found = None
        config["fractal"] = kind = self._choose_kind(X, Z, sample_weight, random_state)
        if kind == "lifting":
            # Each value of an image is a row to the networks.
            config["dropout"] = self._dropout_share(Z.size)
            start = self._lifted_start(X, Z, sample_weight, groupings, random_state)
            return config | {"covariance": None, "n_topics": None, **start.config}, start
        config["dropout"] = self._dropout_share(len(Z))
        if self.conditioner == "auto":
            images = self.image_shape is not None and kind == "coupling"
            config["conditioner"] = "conv" if images else "mlp"
        if self.tied == "auto":
            config["tied"] = config["conditioner"] == "conv"
        if self.prior == "topic":
            found = self._find_topics(X, Z, sample_weight, groupings, random_state)
        pixels = None
        if config["grey"]:
            pixels, Z = started_grey_levels(Z)
        start = self._choose_start(Z, sample_weight, groupings, found, random_state)
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
        if self.image_shape is None and self.fractal == "lifting":
            raise InvalidParameterError("fractal='lifting' needs image_shape, got None.")
        if self.image_shape is not None and self.fractal in ("coupling", "autoregressive"):
            image_levels(self.image_shape, self.n_levels)
        return word_groups(d, self.image_shape, self.n_word_groups)

    def _build_module(self, config, generator):
        if config.get("counts"):
            return count_module(config)
        d = config["n_features"]
        options = {name: config[name] for name in _OPTIONS if name in config}
        step = FRACTALS[config["fractal"]]
        if config["fractal"] == "lifting":
            steps = build_steps(step, 1, d, generator=generator, **options)
            return _flow(steps, config)
        steps = [grey_levels(d)] if config["grey"] else []
        steps += margin_steps(config["margins"], d)
        if config["image_shape"] is None:
            # A matrix of all pixels would be most of the parameters of a flow of images.
            step = (LULinear, *step)
        steps += build_steps(step, config["n_blocks"], d, generator=generator, **options)
        steps += [LULinear(d, config["linear_bound"])] if config["linear"] else []
        return _flow(steps, config)


def _flow(steps, config):
    prior = _build_prior(config)
    if config["prior"] == "normal":
        return Flow(Compose(steps), prior)
    return TopicFlow(Compose(steps), prior, config["topic_penalty"])


def _build_prior(config):
    d, groups = config["n_features"], config["groups"]
    if config["prior"] == "normal":
        return Normal(d)
    options = {
        "nodes": n_nodes(groups),
        "covariance": config["covariance"],
        "min_deviation": config["min_deviation"],
    }
    if config["fractal"] == "lifting":
        return PartialTopic(d, config["n_topics"], groups, config["columns"], **options)
    return Topic(d, config["n_topics"], groups, **options)
