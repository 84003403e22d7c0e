"""RG-Flow: a renormalization-group lattice onto a sparse prior."""

from __future__ import annotations

import copy
import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._image_shape import check_image_shape
from ..bijections import Compose, Lattice
from ..bijections._lattice_layout import latent_levels, n_levels_of
from ..bijections.lattice import layers_by_level
from ..exceptions import InvalidDataError
from ..missing._incomplete_rows import IncompleteRows
from ..modules import Flow
from ..modules.inpainting import fill
from ..nets.swish import without_weight_norm
from ..priors import Product, Topic
from ..priors.registry import FACTORISED
from ..starts._column_target import ColumnTarget
from ..starts._margins import choose_margins, margin_steps
from ..starts._mixture_start import draw_rows
from ..topics import kmeans_topics
from ._base import BaseDensity
from ._images import ImageRows, grey_levels, started_grey_levels

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
_SHAPE = (*_LATTICE, "prior", "top_prior", "n_topics")
# Pairs of couplings of each level with n_layers='auto': above the finest level they cost little.
_FIRST_LAYERS, _LAYERS = 2, 4
# Training keeps some kilobytes for each value of a batch.
_BATCH_VALUES, _MIN_BATCH = 2**19, 64
# Values of latents that derivatives are taken of at once.
_MAX_FIELD_VALUES = 2**18


def _has_topics(estimator) -> bool:
    # What was fitted counts, whatever the parameter has become since.
    return getattr(estimator, "_config", {}).get("top_prior", estimator.top_prior) is not None


def _needs_topics(estimator) -> bool:
    if _has_topics(estimator):
        return True
    raise AttributeError("there are no topics to predict: set top_prior='topic' before fit.")


class RGFlowDensity(ImageRows, IncompleteRows, BaseDensity):
    """Density estimation by renormalization: every latent has a scale and a place.

    Level by level, local bijections separate what varies between neighbours, which stays behind
    as latents, from what goes on to the next, coarser level. The log density is a sum over levels
    and places, and a change in the data reaches few latents, which is what `inpaint` makes use
    of. The prior is sparse, so that each latent may stand for a factor of its own. Images are
    what it is made for; rows without `image_shape` are chains of columns, neighbours first.

    Images need no scaler. Methods take them as rows or as arrays of shape ``(n, *image_shape)`` and
    give rows back, for ``rows.reshape(-1, *image_shape)``.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        ``(height, width)`` or ``(height, width, channels)`` if rows are images of any size. X then
        may be of shape ``(n, *image_shape)`` too. Images of dtype uint8 get uniform noise of width
        one in training and a logit of their grey levels squeezed into [0.05, 0.95]; those of other
        dtypes are columns of numbers like all others. None makes the columns a chain.
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
    n_bins : int, default=8
        Number of bins of splines.
    tail_bound : float, default=4.0
        Half-width, in standard deviations, of the interval that splines bend.
    prior : {'laplace', 'normal', 'student_t'}, default='laplace'
        Density of the latents: Laplace and normal of unit variance, or Student's t with learned
        degrees of freedom.
    top_prior : {'topic'} or None, default=None
        Density of the latents of the coarsest level: 'topic' is a mixture of `n_topics` normal
        ones, so that rows have clusters; None is `prior`.
    n_topics : int, default=8
        Number of topics with ``top_prior='topic'``.
    gradient_checkpointing : bool, default=False
        Whether training computes hidden layers a second time instead of storing them, which takes
        less memory and more time.
    max_epochs : int, default=100
        Largest number of passes over the training rows.
    max_time : float or None, default=None
        Seconds that `fit`, or `partial_fit` of a chunk, may take. What comes before training is not
        cut short, and one step is made in any case; the learning rate falls in the time left. What
        is cut short by time is not repeatable.
    partial_fit_epochs : int, default=1
        Number of passes over each chunk of `partial_fit`.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 32 of the training rows, between 64 and 1024, and
        where images are large as many as hold 2 ** 19 values, at least 64.
    learning_rate : float, default=3e-3
        Largest learning rate of AdamW; it rises over the first 5 % of the steps and falls along a
        cosine to zero.
    weight_decay : float, default=1e-4
        Weight decay of AdamW.
    early_stopping : bool, default=True
        Whether to hold rows out, stop when their density stops rising and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows held out, drawn at random.
    n_iter_no_change : int, default=20
        Number of epochs without a gain after which training stops. Where it falls below its start
        at first, gains count from there.
    tol : float, default=1e-4
        Gain of the mean hold-out log density, in nats, that counts.
    noise : 'scott', float or None, default=None
        Deviation, in standard deviations of the columns, of normal noise added to the training
        rows in each epoch; 'scott' is ``n ** (-1 / (d + 4))``. None alone for uint8 images.
    dequantize : 'auto' or None, default='auto'
        'auto' adds, in training only, uniform noise: of their spacing to columns whose repeated
        values form a lattice, such as counts, roundings, or zeros and ones; see `dequantization_`.
        A value that many rows share in a column without a lattice, such as a code for missing or
        a pile of zeros, gets narrower noise of its own, with a warning; see `heavy_values_`.
    missing : 'marginalize' or None, default=None
        What becomes of NaN: None refuses it, but in `score_marginal` and `impute`, which take it in
        any case. With 'marginalize', `score_samples` scores what is known of a row, with the rest
        integrated out, and `fit` completes rows by draws, from a Gaussian mixture fitted to what is
        known and, where early stopping leaves epochs, then from the density itself. That a value is
        missing must not depend on the value itself. Not for images.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit, keeping place and scale.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`. Global generators are never seeded.
    device : str or torch.device, default='auto'
        Where to train and score; 'auto' is CUDA where there is one, else the CPU.
    dtype : {'float32', 'float64'}, default='float32'
        Precision of training. Scores are computed in float64.
    compile : bool, default=False
        Whether spline kernels run through ``torch.compile``.
    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called in training; copied first. One ends training by raising `flowkit.StopTraining`.
    verbose : int, default=0
        1 shows a progress bar.

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
    location_, scale_ : ndarray of shape (n_features,)
        What columns are centred and divided by.
    dequantization_ : ndarray of shape (n_features,)
        Width, in units of X, of the uniform noise of each column in training; 0 for none.
    heavy_values_ : list of tuple (column, value, width)
        Values that get noise of their own in training, and the width of that, in units of X.
    history_ : dict of ndarray of shape (n_iter_ + 1,)
        ``epoch``, ``train_log_density`` and ``valid_log_density`` (mean nats, units of X),
        ``learning_rate``, ``seconds``. Entry 0 is the start, before the first epoch.
    n_iter_ : int
        Number of epochs run.
    best_epoch_ : int
        Epoch whose weights were kept, 0 for the start.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

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

    # Couplings expect columns of unit scale.
    standardize = True

    _parameter_constraints: dict = {
        **{k: v for k, v in BaseDensity._parameter_constraints.items() if k != "standardize"},
        "image_shape": [tuple, list, None],
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

    _shaping_parameters = (
        *(name for name in BaseDensity._shaping_parameters if name != "standardize"),
        "missing",
        *_SHAPE,
    )

    def __init__(
        self,
        image_shape=None,
        *,
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
        verbose=0,
    ):
        self.image_shape = image_shape
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
        self.verbose = verbose

    # ------------------------------------------------------------------ scales

    def latent_pyramid(self, X):
        """Latents of each row, level by level.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        pyramid : list of ndarray of shape (n_samples, n_latents_of_the_level)
            The columns of `transform`, finest level first. `latent_levels_` tells where they sit:
            those of level h are at ``np.flatnonzero(latent_levels_ == h)``.
        """
        Z = self._encode(X)
        return [Z[:, self.latent_levels_ == level] for level in range(self.n_levels_)]

    def inverse_latent_pyramid(self, pyramid):
        """Rows of a pyramid of latents.

        Parameters
        ----------
        pyramid : list of array-like of shape (n_samples, n_latents_of_the_level)
            As `latent_pyramid` returns it.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows, float64; continuous ones, so that the way back is exact.

        Raises
        ------
        ValueError
            If levels are missing, of another size, or not finite.
        """
        check_is_fitted(self)
        wanted = np.bincount(self.latent_levels_).tolist()
        levels = [check_array(level, dtype=np.float64) for level in pyramid]
        shapes = [level.shape for level in levels]
        n = len(levels[0]) if levels else 0
        if shapes != [(n, size) for size in wanted]:
            raise InvalidDataError(
                f"expected {self.n_levels_} levels of shapes "
                f"{', '.join(f'(n, {size})' for size in wanted)}, got {shapes}."
            )
        Z = np.empty((n, self.n_features_in_))
        for level, values in enumerate(levels):
            Z[:, self.latent_levels_ == level] = values
        return self._decode(Z)

    def score_levels(self, X):
        """Which scale and which place make a row likely or surprising.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        shares : Bunch
            In nats: ``scores`` (n_samples, n_levels), which sum to `score_samples`; ``prior`` and
            ``log_det`` of the same shape, which sum to ``scores``: what the latents of a level
            have in the prior, and what its bijections have in the log-determinant, the scale of
            the columns counting as the finest level; and ``maps``
            (n_samples, n_levels, height, width), or (n_samples, n_levels, n_features) for chains:
            ``scores`` by place. Latents with a topic prior share its density evenly.
        """
        check_is_fitted(self)
        Z = self._standardise(self._validate_rows(X, reset=False))
        n_levels = self.n_levels_
        shares = self._map_rows(self._shares, Z).reshape(len(Z), n_levels, -1)
        # As in score_samples: rows so far away that squares overflow have no density left.
        shares[np.isnan(shares)] = -np.inf
        prior, log_det, maps = shares[..., 0], shares[..., 1], shares[..., 2:]
        return Bunch(
            scores=prior + log_det,
            prior=prior,
            log_det=log_det,
            maps=maps.reshape(len(Z), n_levels, *self._grid()),
        )

    def receptive_fields(self, level, latents=None, *, n_samples=32, random_state=0):
        """How strongly latents move each pixel, on average over draws from the density.

        Parameters
        ----------
        level : int
            Level of the latents, 0 for the finest.
        latents : array-like of int or None, default=None
            Which latents of the level, numbered as in `latent_pyramid`; None takes all, of which
            fine levels have many.
        n_samples : int, default=32
            Number of draws.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of the draws.

        Returns
        -------
        fields : ndarray of shape (n_latents, height, width) or (n_latents, n_features)
            Mean absolute derivative of each pixel by each latent, in units of X, summed over
            channels; for chains, of each column. Exactly zero where the lattice has no path.

        Raises
        ------
        ValueError
            If there is no such level or latent.

        References
        ----------
        Hu et al., arXiv 2010.00029, section on receptive fields.
        """
        check_is_fitted(self)
        columns = self._columns_of(level, latents)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise InvalidDataError(f"n_samples must be an int of at least 1, got {n_samples!r}.")
        d, device = self.n_features_in_, self._torch_device()
        with torch.no_grad():
            draws = self.module_.prior.sample(int(n_samples), self._generator(random_state))
            log_volumes = self._log_volumes(self.module_.decode(draws).cpu().numpy())
            lengths = torch.from_numpy(np.exp(log_volumes)).to(draws)

            def strength(column):
                direction = torch.zeros(d, dtype=draws.dtype, device=device)
                direction = direction.scatter(0, column, 1.0).expand_as(draws)
                slope = _derivative(self.module_.decode, draws, direction)
                return (lengths * slope).abs().mean(0)

            at_once = max(1, _MAX_FIELD_VALUES // draws.numel())
            columns = torch.from_numpy(columns).to(device)
            fields = torch.func.vmap(strength, chunk_size=at_once)(columns[:, None])
        return fields.cpu().numpy().reshape(len(columns), *self._grid(), -1).sum(-1)

    # ------------------------------------------------------------------ generation

    def sample(self, n_samples=1, random_state=None, *, temperature=1.0):
        """Draw rows from the density, or from one whose latents vary less or more.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        temperature : float or array-like of shape (n_levels_,), default=1.0
            What the latents are multiplied by, of all levels or of each, finest first. Latents
            with a topic prior are drawn towards the mean of their topic instead.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64; of uint8 images, grey levels from 0 to 255.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, or there is no such temperature.
        """
        check_is_fitted(self)
        factor = self._check_temperature(temperature)[self.latent_levels_]
        factor = torch.from_numpy(factor).to(self._torch_device())

        def draw_latents(n, generator):
            z = self.module_.prior.sample(n, generator)
            if (factor == 1).all():
                return z
            centre = torch.zeros_like(z)
            if _has_topics(self):
                prior = self.module_.prior
                *_, top = prior.parts(z)
                topic = prior.priors[-1].responsibilities(top)[:, 0].argmax(1)
                parts = prior.parts(centre)
                centre = prior.join([*parts[:-1], prior.priors[-1].means[0, topic]])
            return centre + factor * (z - centre)

        return self._sample(n_samples, random_state, draw_latents)

    def mix_styles(self, content, style, level):
        """Rows with the coarse latents of some rows and the fine ones of others.

        Parameters
        ----------
        content : array-like of shape (n_samples, n_features)
            Rows that give the latents of `level` and of those above.
        style : array-like of shape (n_samples, n_features)
            Rows that give the latents of the finer levels.
        level : int
            Where to cut: 0 gives `content` back, `n_levels_` gives `style`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Mixed rows, float64; of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If there is no such level, or the rows are not pairs.
        """
        check_is_fitted(self)
        cut = self._check_level(level, self.n_levels_)
        first, second = self._encode_pairs(content, style)
        return self._to_domain(self._decode(np.where(self.latent_levels_ >= cut, first, second)))

    def walk(self, X, level, latent=0, *, steps=(-3, -2, -1, 0, 1, 2, 3)):
        """Rows moved along a latent of one level, all other latents as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Where to start.
        level : int
            Level of the latent.
        latent : int or array-like of shape (n_latents_of_the_level,), default=0
            Which latent of the level, numbered as in `latent_pyramid`, or a direction.
        steps : float or array-like of shape (n_steps,), default=(-3, -2, -1, 0, 1, 2, 3)
            What is added to the latent; a step of 0 gives the rows themselves.

        Returns
        -------
        rows : ndarray of shape (n_steps, n_samples, n_features)
            Float64; of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If there is no such level, latent or direction.
        """
        check_is_fitted(self)
        move = np.zeros(self.n_features_in_)
        if isinstance(latent, Integral):
            move[self._columns_of(level, [latent])] = 1.0
        else:
            own, direction = self._columns_of(level), np.asarray(latent, dtype=np.float64)
            if direction.shape != own.shape:
                raise InvalidDataError(
                    f"latent must be an int or a direction of shape {own.shape} on level {level}, "
                    f"got an array of shape {direction.shape}."
                )
            move[own] = direction
        steps = np.atleast_1d(steps)
        if not steps.size:
            raise InvalidDataError("steps must hold at least one number, got none.")
        Z = self._encode(X)
        return self._to_domain(np.stack([self._decode(Z + float(step) * move) for step in steps]))

    def inpaint(
        self,
        X,
        mask,
        *,
        n_samples=None,
        n_steps=100,
        learning_rate=0.05,
        n_langevin_steps=200,
        random_state=0,
    ):
        """Fill what is missing in rows with what is likely, or with draws of what may be there.

        Only the latents in the inference cone of the hole are changed, and only its blocks are
        computed in each step: their number grows with the logarithm of the size of an image. Rows
        with the same hole are filled together, those with holes of their own one after the other.
        The search is for the largest density where the lattice works, behind the logit of grey
        levels and the splines of single columns, so `score_samples` need not be largest there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; what they hold where the mask is True is ignored and may be NaN.
        mask : array-like of bool of shape (n_features,), (height, width) or the shape of X
            True where values are missing, in all rows or in each; in all channels of a pixel,
            unless they are told apart.
        n_samples : int or None, default=None
            None gives the most likely values found. An int gives so many draws of each row from the
            density given what is known, each by a Langevin chain of its own.
        n_steps : int, default=100
            Number of steps of the search.
        learning_rate : float, default=0.05
            Length of its first steps, in units of the latents.
        n_langevin_steps : int, default=200
            Length of the chains, of which the first half adapts the length of the steps.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of randomness of the draws.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or (n_draws, n_samples, n_features)
            Float64; what was known is untouched. Of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If the mask does not fit X, or a number of steps or draws is less than one.
        """
        check_is_fitted(self)
        for name, value in (
            ("n_steps", n_steps),
            ("n_langevin_steps", n_langevin_steps),
            ("n_samples", 1 if n_samples is None else n_samples),
        ):
            if not isinstance(value, Integral) or value < 1:
                raise InvalidDataError(f"{name} must be an int of at least 1, got {value!r}.")
        if not isinstance(learning_rate, Real) or not learning_rate > 0:
            raise InvalidDataError(f"learning_rate must be positive, got {learning_rate!r}.")
        mask = self._check_mask(mask, _num_samples(X))
        X = self._validate_rows(X, reset=False, missing=mask).astype(np.float64)
        generator = self._generator(random_state)
        centred = self._standardise(np.where(mask, self.location_, X))
        # The middle of each column, whatever the middle of the grey levels is.
        start = np.where(mask, 0.0, self._map_rows(self._enter, centred))
        filled = fill(
            without_weight_norm(self._lattice()),
            self.module_.prior,
            start,
            mask,
            n_draws=n_samples,
            n_steps=int(n_steps),
            learning_rate=float(learning_rate),
            n_langevin_steps=int(n_langevin_steps),
            generator=generator,
        )
        out = np.stack([self._unstandardise(self._map_rows(self._leave, rows)) for rows in filled])
        out = np.where(mask, self._to_domain(out), X)
        return out[0] if n_samples is None else out

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
        return self.module_.bijection.bijections[-1]

    def _entrance(self):
        """What comes before the lattice, column by column; None for nothing."""
        *entrance, _ = self.module_.bijection.bijections
        return Compose(entrance) if entrance else None

    def _enter(self, x):
        entrance = self._entrance()
        return x if entrance is None else entrance(x)[0]

    def _leave(self, y):
        entrance = self._entrance()
        return y if entrance is None else entrance.inverse(y)[0]

    def _shares(self, x):
        """By level: the prior, the log-determinant, and their sum at each site, flattened."""
        lattice = self._lattice()
        z, log_det = lattice.log_det_map(self._enter(x))
        # Each column depends on itself alone, so one direction gives all the slopes.
        slope = _derivative(self._enter, x, torch.ones_like(x)).abs()
        log_volumes = self._log_volumes(x.cpu().numpy())
        log_det[:, 0] += slope.log() - torch.from_numpy(log_volumes).to(x)
        own = np.arange(lattice.n_levels)[:, None] == lattice.levels
        by_column = self.module_.prior.log_prob_by_column(z)
        prior = by_column[:, None] * torch.from_numpy(own).to(x)
        maps = (prior + log_det).view(*prior.shape[:2], -1, lattice.n_channels).sum(-1)
        sums = torch.stack((prior.sum(2), log_det.sum(2)), 2)
        return torch.cat((sums, maps), 2).flatten(1)

    def _grid(self):
        # What was fitted counts, whatever the parameter has become since.
        return self._lattice().layout.shape

    # ------------------------------------------------------------------ checks

    def _check_level(self, level, highest):
        if not isinstance(level, Integral) or not 0 <= level <= highest:
            raise InvalidDataError(f"level must be an int from 0 to {highest}, got {level!r}.")
        return int(level)

    def _columns_of(self, level, latents=None):
        """Columns of latents of a level, of all by default."""
        level = self._check_level(level, self.n_levels_ - 1)
        own = np.flatnonzero(self.latent_levels_ == level)
        if latents is None:
            return own
        latents = np.atleast_1d(latents)
        whole = latents.ndim == 1 and np.issubdtype(latents.dtype, np.integer)
        if not whole or not np.isin(latents, range(len(own))).all():
            raise InvalidDataError(
                f"latents of level {level} are ints from 0 to {len(own) - 1}, got "
                f"{latents.tolist()}."
            )
        return own[latents]

    def _check_temperature(self, temperature):
        try:
            values = np.asarray(temperature, dtype=np.float64)
        except (TypeError, ValueError):
            values = np.array(np.nan)
        fits = values.shape in ((), (self.n_levels_,))
        if not fits or not (np.isfinite(values) & (values >= 0)).all():
            raise InvalidDataError(
                f"temperature must be a non-negative number, or {self.n_levels_} of them, one for "
                f"each level; got {temperature!r}."
            )
        return np.broadcast_to(values, (self.n_levels_,))

    def _check_mask(self, mask, n):
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise InvalidDataError(
                f"mask must be of dtype bool, True where values are missing, got {mask.dtype}: use "
                "mask.astype(bool) if 1 stands for missing."
            )
        d, shape = self.n_features_in_, self._grid()
        n_channels = d // math.prod(shape)
        if mask.shape in (shape, (n, *shape)) and n_channels > 1:
            mask = mask[..., None].repeat(n_channels, -1)
        images = (*shape, n_channels)
        shapes = dict.fromkeys([(d,), shape, images, (n, d), (n, *shape), (n, *images)])
        if mask.shape not in shapes:
            raise InvalidDataError(
                f"mask must have one of the shapes {', '.join(map(str, shapes))}, got {mask.shape}."
            )
        return np.broadcast_to(mask.reshape(-1, d), (n, d))

    # ------------------------------------------------------------------ training

    def _batch_size(self, n):
        size = super()._batch_size(n)
        if self.batch_size != "auto":
            return size
        return min(size, max(_MIN_BATCH, _BATCH_VALUES // self.n_features_in_))

    def _configure(self, X, Z, weight, rng):
        self._refuse_noise()
        d = Z.shape[1]
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = d
        config["grey"] = self._grey
        shape = (d,) if self.image_shape is None else check_image_shape(self.image_shape)[:2]
        n_levels = n_levels_of(shape, self.kernel_size)
        if self.n_layers == "auto":
            first = _LAYERS if self.share_levels else _FIRST_LAYERS
            config["n_layers"] = [first, *[_LAYERS] * (n_levels - 1)]
        layers_by_level(config["n_layers"], n_levels, self.share_levels)
        pixels = topics = None
        if self._grey:
            pixels, Z = started_grey_levels(Z)
        drawn = Z[draw_rows(len(Z), weight, rng)]
        target = ColumnTarget(FACTORISED[self.prior](1, dtype=torch.float64))
        margins = choose_margins(drawn, target, self.image_shape is None)
        Z, _ = margins.apply(Z)
        config["margins"] = margins.form
        if self.top_prior is not None:
            coarsest = latent_levels(shape, n_levels) == n_levels - 1
            top = Z[draw_rows(len(Z), weight, rng)][:, coarsest.repeat(d // coarsest.size)]
            alpha, proportions = kmeans_topics(top, self.n_topics, rng)
            config["n_topics"] = len(alpha)
            topics = top, alpha, proportions
        return config, (pixels, margins, topics)

    def _build(self, config, generator):
        d = config["n_features"]
        steps = [grey_levels(d)] if config["grey"] else []
        steps += margin_steps(config["margins"], d)
        lattice = Lattice(d, generator=generator, **{name: config[name] for name in _LATTICE})
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

    def _start(self, module, start):
        pixels, margins, topics = start
        steps = list(module.bijection.bijections)
        if pixels is not None:
            steps.pop(0).load_state_dict(pixels.state_dict())
        margins.start(steps)
        if topics is not None:
            top, alpha, proportions = topics
            module.prior.priors[-1].start_from(
                torch.from_numpy(top).float(),
                torch.from_numpy(proportions[:, None]).float(),
                torch.from_numpy(alpha),
            )


def _derivative(function, x, direction):
    """Derivative of a function of rows along one direction for each row."""
    with torch.no_grad():
        return torch.func.jvp(function, (x,), (direction,))[1]
