"""RG-Flow: a renormalization-group lattice onto a sparse prior."""

from __future__ import annotations

import copy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._image_shape import check_image_shape
from ..bijections import Compose, Lattice
from ..bijections.lattice import layers_by_level
from ..bijections.lattice_layout import latent_levels, n_levels_of
from ..missing import IncompleteRows
from ..modules import Flow
from ..priors import Product, Topic
from ..priors.registry import FACTORISED
from ..starts import (
    ColumnTarget,
    FlowStart,
    LastPriorStart,
    LatticeStart,
    choose_margins,
    choose_predictions,
    draw_rows,
    grey_levels,
    margin_steps,
    share_of_common_levels,
    started_grey_levels,
)
from ..topics import kmeans_topics
from ._base import BaseDensity
from ._conditions import Conditions
from ._images import ImageRows
from ._inpainting import Inpainting
from ._lifted_scales import LiftedScales, lifted_flow
from ._parameters import documented
from ._scales import ScaleAnalysis
from ._temperature import check_temperature

# What the lattice is built from, and the module.
_LATTICE = (
    "kernel_size",
    "n_layers",
    "hidden_units",
    "n_res_blocks",
    "n_hidden_layers",
    "boundary",
    "coupling",
    "share_levels",
    "n_bins",
    "tail_bound",
    "image_shape",
    "gradient_checkpointing",
    "compile",
)
_SHAPE = (*_LATTICE, "layout", "prior", "top_prior", "n_topics")
# Pairs of couplings of each level with n_layers='auto': above the finest level they cost little.
_FIRST_LAYERS, _LAYERS = 2, 4
# Share of pixels of common grey levels from which linear prediction is of no use to blocks.
_MANY_COMMON = 0.5
# Training keeps some kilobytes for each value of a batch.
_BATCH_VALUES, _MIN_BATCH = 2**19, 64


def _has_topics(estimator) -> bool:
    # What was fitted counts, whatever the parameter has become since.
    return getattr(estimator, "_config", {}).get("top_prior", estimator.top_prior) is not None


def _needs_topics(estimator) -> bool:
    if _has_topics(estimator):
        return True
    raise AttributeError("there are no topics to predict: set top_prior='topic' before fit.")


@documented
class RGFlowDensity(
    ScaleAnalysis, Inpainting, LiftedScales, ImageRows, Conditions, IncompleteRows, BaseDensity
):
    """Density estimation by renormalization: every latent has a scale and a location.

    Level by level, local bijections separate what varies between neighbours, which stays behind
    as latents, from what goes on to the next, coarser level. The log density is a sum over levels
    and locations, and a change in the data reaches few latents, which `inpaint` uses. The prior is
    sparse, so that each latent may stand for a factor of its own. Images are what it is made for;
    rows without `image_shape` are chains of columns, neighbours first.

    Local bijections are those of small blocks, as published, or the lifting that predicts the
    pixels that leave from those that go on. Both begin at linear prediction where that makes
    images left out likelier: of the pixels in a block that leave from others there, or of those in
    a window.

    Images need no scaler. Methods take them as rows or as arrays of shape ``(n, *image_shape)`` and
    give rows back, for ``rows.reshape(-1, *image_shape)``.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        ``(height, width)`` or ``(height, width, channels)`` if rows are images of any size. X then
        may be of shape ``(n, *image_shape)`` too. Images of dtype uint8 get uniform noise of width
        one in training and a logit of their grey levels squeezed into [0.05, 0.95]; those of other
        dtypes are columns of numbers like all others. None makes the columns a chain.
    layout : {'auto', 'blocks', 'lifting'}, default='auto'
        Local bijections. 'blocks' are those published. With 'lifting' the pixels of a level are
        predicted from those of coarser ones, first linearly, then with the help of a network of
        `hidden_units` and `n_hidden_layers`, down to a single pixel; grey levels have no logit, and
        parameters of blocks are ignored. 'auto' is 'lifting' for images that are likelier by
        linear prediction than by a Gaussian, unless `prior` is 'student_t' or one of `kernel_size`,
        `n_layers`, `n_res_blocks`, `boundary`, `coupling`, `share_levels` and
        `gradient_checkpointing` is not its default; else 'blocks'.
    kernel_size : int, default=4
        Edge of the blocks that local bijections map.
    n_layers : int, list of int or 'auto', default='auto'
        Number of pairs of couplings in each of the two sub-layers of a level, for all levels or
        for each, finest first; 'auto' is 2 for the finest and 4 for the others, which have fewer
        blocks, and 4 for all with `share_levels`.
    hidden_units : int, default=64
        Width of the networks.
    n_res_blocks : int, default=1
        Number of residual blocks of a network.
    n_hidden_layers : int, default=2
        Number of hidden layers in a residual block.
    boundary : {'periodic', 'open'}, default='periodic'
        Whether blocks wrap round the edges or are cut there.
    coupling : {'affine', 'spline'}, default='affine'
        What one half of a block does to each value of the other; 'affine' is as published.
    share_levels : bool, default=False
        Whether all levels have the same bijectors, as at a scale-invariant point.
    prior : {'laplace', 'normal', 'student_t'}, default='laplace'
        Density of the latents: Laplace and normal of unit variance, or Student's t with learned
        degrees of freedom. With lifting, rows are as likely by either of the first two, and only
        coordinates of the latents differ; it has no 'student_t'.
    top_prior : {'topic'} or None, default=None
        Density of the latents of the coarsest level: 'topic' is a mixture of `n_topics` normal
        ones, so that rows have clusters; None is `prior`. With lifting these are the latents of
        the finest grid of at most 4 x 4 pixels, which begin as the pixels themselves, since
        prediction and mixtures would leave no clusters.
    n_topics : int, default=8
        Number of topics with ``top_prior='topic'``.
    gradient_checkpointing : bool, default=False
        Whether training computes hidden layers a second time instead of storing them, which takes
        less memory and more time.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 16 of the training rows, between 64 and 1024, and
        where images are large as many as hold 2 ** 19 values, at least 64. With lifting it is one
        row in 100, between 16 and 32.

    Attributes
    ----------
    latent_levels_ : ndarray of int of shape (n_features,)
        Level of each column of `transform`, 0 for the finest. A latent sits at the pixel of its
        column; level h has those whose row and column are multiples of ``2 ** h``, and not both
        of ``2 ** (h + 1)`` unless it is the last.
    n_levels_ : int
        Number of levels.
    module_ : flowkit.modules.Flow
        The fitted flow on standardised rows, float64.

    See Also
    --------
    FlowDensity : Any stack of bijections on any prior: the better choice for tables.
    FractalFlowDensity : A recursive flow onto topics.

    References
    ----------
    Hu, Wu, You, Olshausen, Chen, "RG-Flow: a hierarchical and explainable flow model based on
    renormalization group and sparse prior", Mach. Learn.: Sci. Technol. 3 (2022) 035009,
    arXiv 2010.00029.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import RGFlowDensity
    >>> X = load_digits().data
    >>> density = RGFlowDensity(image_shape=(8, 8), max_epochs=2, random_state=0).fit(X[:500])
    >>> density.score_samples(X[:3]).shape
    (3,)
    >>> [level.shape for level in density.latent_pyramid(X[:3])]
    [(3, 48), (3, 16)]
    >>> hole = np.zeros((8, 8), dtype=bool)
    >>> hole[2:5, 2:5] = True
    >>> filled = density.inpaint(X[:3], hole, n_steps=10)
    >>> bool((filled == X[:3])[:, ~hole.ravel()].all())
    True
    """

    _parameter_constraints: dict = {
        "image_shape": [tuple, list, None],
        "layout": [StrOptions({"auto", "blocks", "lifting"})],
        "kernel_size": [Interval(Integral, 2, None, closed="left")],
        "n_layers": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            list,
            tuple,
        ],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_res_blocks": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "boundary": [StrOptions({"periodic", "open"})],
        "coupling": [StrOptions({"affine", "spline"})],
        "share_levels": ["boolean"],
        "n_bins": [Interval(Integral, 2, 999, closed="both")],
        "tail_bound": [Interval(Real, 0, None, closed="neither")],
        "prior": [StrOptions(set(FACTORISED))],
        "top_prior": [StrOptions({"topic"}), None],
        "n_topics": [Interval(Integral, 1, None, closed="left")],
        "gradient_checkpointing": ["boolean"],
        "missing": [StrOptions({"marginalize"}), None],
    }

    _shaping_parameters = ("missing", *_SHAPE)

    def __init__(
        self,
        image_shape=None,
        *,
        layout="auto",
        kernel_size=4,
        n_layers="auto",
        hidden_units=64,
        n_res_blocks=1,
        n_hidden_layers=2,
        boundary="periodic",
        coupling="affine",
        share_levels=False,
        n_bins=8,
        tail_bound=4.0,
        prior="laplace",
        top_prior=None,
        n_topics=8,
        gradient_checkpointing=False,
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
        self.image_shape = image_shape
        self.layout = layout
        self.kernel_size = kernel_size
        self.n_layers = n_layers
        self.hidden_units = hidden_units
        self.n_res_blocks = n_res_blocks
        self.n_hidden_layers = n_hidden_layers
        self.boundary = boundary
        self.coupling = coupling
        self.share_levels = share_levels
        self.n_bins = n_bins
        self.tail_bound = tail_bound
        self.prior = prior
        self.top_prior = top_prior
        self.n_topics = n_topics
        self.gradient_checkpointing = gradient_checkpointing
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

    # ------------------------------------------------------------------ generation

    def sample(self, n_samples=1, random_state=None, *, temperature=1.0, given=None):
        """Draw rows from the density, from one whose latents vary less or more, or given columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        temperature : float or array-like of shape (n_levels_,), default=1.0
            What the standard deviations of the latents are multiplied by, of all levels or of
            each, finest first; those around the mean of their topic with a topic prior. Only at
            one is the law of the rows that of `score_samples`.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have, as in `FlowDensity.sample`: a dict of columns and values,
            or rows with NaN where columns are open. Not for images, which `inpaint` fills.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64; of uint8 images, grey levels from 0 to 255.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, there is no such temperature, values given have no
            density, or `given` comes with a temperature.
        """
        check_is_fitted(self)
        if given is not None:
            return super().sample(n_samples, random_state, temperature=temperature, given=given)
        factor = check_temperature(temperature, self.n_levels_)[self.latent_levels_]
        return self._sample(n_samples, random_state, factor)

    # ------------------------------------------------------------------ topics

    @available_if(_needs_topics)
    def predict_proba(self, X):
        """Probability of each topic of the coarsest latents.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proportions : ndarray of shape (n_samples, n_topics)
            Rows sum to one.
        """
        check_is_fitted(self)
        module = self.module_

        def proportions(z):
            return module.prior.priors[-1].proportions(module.prior.parts(module.encode(z))[-1])

        return self._expected(proportions, self._validate_scored(X))

    @available_if(_needs_topics)
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

    # ------------------------------------------------------------------ parts of the module

    @property
    def latent_levels_(self):
        return self._lattice().levels

    @property
    def n_levels_(self):
        return self._lattice().n_levels

    def _lattice(self):
        """The map whose latents have levels: a lattice or a lifting."""
        return self.module_.bijection.bijections[self._place]

    @property
    def _place(self) -> int:
        return 0 if self._is_lifted() else len(self.module_.bijection.bijections) - 1

    def _entrance(self):
        """What comes before the lattice, column by column; None for nothing."""
        entrance = self.module_.bijection.bijections[: self._place]
        return Compose(list(entrance)) if len(entrance) else None

    def _exit(self, z):
        """What comes behind the lattice, column by column: latents and log slopes."""
        total = torch.zeros_like(z)
        for step in self.module_.bijection.bijections[self._place + 1 :]:
            z, log_slope = step.forward_by_column(z)
            total = total + log_slope
        return z, total

    def _enter(self, x):
        entrance = self._entrance()
        return x if entrance is None else entrance(x)[0]

    # ------------------------------------------------------------------ training

    def _batch_size(self, n):
        size = super()._batch_size(n)
        if self.batch_size != "auto" or self._is_lifted():
            return size
        return min(size, max(_MIN_BATCH, _BATCH_VALUES // self.n_features_in_))

    def _initialize(self, X, Z, sample_weight, random_state):
        d = Z.shape[1]
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = d
        config["grey"] = self._columns.grey
        config["layout"] = self._choose_layout(X, Z, sample_weight, random_state)
        if config["layout"] == "lifting":
            found, start = self._initialize_lifting(X, Z, sample_weight, random_state)
            return config | found, start
        shape = (d,) if self.image_shape is None else check_image_shape(self.image_shape)[:2]
        n_levels = n_levels_of(shape, self.kernel_size)
        if self.n_layers == "auto":
            first = _LAYERS if self.share_levels else _FIRST_LAYERS
            config["n_layers"] = [first, *[_LAYERS] * (n_levels - 1)]
        layers_by_level(config["n_layers"], n_levels, self.share_levels)
        pixels = topics = None
        if config["grey"]:
            pixels, Z = started_grey_levels(Z)
        drawn = Z[draw_rows(len(Z), sample_weight, random_state)]
        target = ColumnTarget(FACTORISED[self.prior](1, dtype=torch.float64))
        margins = choose_margins(drawn, target, self.image_shape is None)
        Z, _ = margins.apply(Z)
        n_predicting = self._n_predicting(X, sample_weight, n_levels)
        options = {name: config[name] for name in ("image_shape", "kernel_size", "boundary")}
        state = choose_predictions(Z, sample_weight, target, n_predicting, random_state, **options)
        if self.top_prior is not None:
            coarsest = latent_levels(shape, n_levels) == n_levels - 1
            rows = Z[draw_rows(len(Z), sample_weight, random_state)]
            top = rows[:, coarsest.repeat(d // coarsest.size)]
            topics = LastPriorStart(top, *kmeans_topics(top, self.n_topics, random_state))
        flow = FlowStart(margins, prior=topics, pixels=pixels)
        start = LatticeStart(flow, n_predicting if state else 0, state)
        return config | start.config, start

    def _n_predicting(self, X, weight, n_levels):
        """Number of levels whose blocks may begin at linear prediction."""
        if self.image_shape is None or self.share_levels:
            # Columns need not be alike; shared bijectors have no prediction of their own.
            return 0
        # Splines spread what many pixels share into noise, from which nothing is predicted.
        if self._columns.grey and share_of_common_levels(X, weight) > _MANY_COMMON:
            return 0
        # Topics keep their clusters.
        return n_levels - (self.top_prior is not None)

    def _build_module(self, config, generator):
        if config["layout"] == "lifting":
            return lifted_flow(config, generator)
        d = config["n_features"]
        steps = [grey_levels(d)] if config["grey"] else []
        steps += margin_steps(config["margins"], d)
        options = {name: config[name] for name in (*_LATTICE, "n_predicting")}
        lattice = Lattice(d, generator=generator, **options)
        factorised = FACTORISED[config["prior"]]
        if config["top_prior"] is None:
            prior = Product([factorised(d)], [range(d)])
        else:
            top = lattice.levels == lattice.n_levels - 1
            fine, coarse = np.flatnonzero(~top), np.flatnonzero(top)
            topic = Topic(len(coarse), config["n_topics"], [range(len(coarse))], nodes="one_hot")
            # Few columns make one level, with nothing below the topics.
            below = [(factorised(len(fine)), fine)] if len(fine) else []
            prior = Product(*zip(*below, (topic, coarse), strict=True))
        return Flow(Compose([*steps, lattice]), prior)
