"""Polynomial hierarchical variational autoencoder."""

from __future__ import annotations

import functools
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._image_shape import check_image_shape
from ..bijections import Compose
from ..bijections.registry import POSTERIOR_FLOWS, PRIOR_FLOWS, build_steps
from ..columns._moments import column_noise, name_columns
from ..columns._ties import own_noise
from ..exceptions import InvalidDataError, InvalidParameterError
from ..modules import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    LocationScaleLikelihood,
    PolynomialVAE,
)
from ..modules.vae import START_SIGNAL
from ..nets import ConvDecoder, ConvEncoder, GroupedMLP, Polynomials, ResidualMLP
from ..priors import HierarchicalNormal, Normal, StudentT
from ..starts._factor_start import MAX_ROWS, factor_scores, factor_start, order_starts
from ._base import BaseDensity
from ._images import ImageRows, whole

# Largest whole number of the likelihoods that are for whole numbers.
_VALUES = {"bernoulli": 1, "discretized_logistic": 255}
# Draws by which the mean of the prior is known well enough to be decoded.
_N_PRIOR_DRAWS = 1000
# Widest layers of the networks that steer flows.
_MAX_FLOW_UNITS = 64
# Standardised columns are seen by the polynomials within this many deviations.
_BOUND = 3.0
_SHAPE = (
    "n_components",
    "degree",
    "basis",
    "linear_path",
    "divergence",
    "divergence_weights",
    "free_bits",
    "likelihood",
    "decoder_scale",
    "posterior_flow",
    "prior_flow",
    "n_flow_steps",
    "hidden_units",
    "n_hidden_layers",
    "dropout",
    "image_shape",
    "compile",
)


class PHVAE(ImageRows, BaseDensity):
    """Density estimation and reconstruction with a polynomial hierarchical autoencoder.

    A variational autoencoder with one encoder for each order of the polynomials of a row, and one
    decoder of them all. Each order of the latent has a prior that depends on the order below. The
    model starts as a factor analysis, which training can only improve on the hold-out. By default
    a flow bends the prior of the latent.

    Log densities are importance-weighted estimates: with the same draws for every row, hence
    repeatable, on average too low, by less the more draws, and with an error that `score_samples`
    tells. The unlikelier a row, the worse its posterior and its estimate.

    Parameters
    ----------
    n_components : int or None, default=None
        Latent columns of each order; there are ``degree * n_components`` in all. None takes a
        third of the columns, between 2 and 8, or 16 for images.
    degree : int, default=3
        Number of orders. With 1, ``divergence='kl'`` and ``prior_flow=None``, the model is a plain
        VAE.
    basis : {'legendre', 'power'}, default='legendre'
        Polynomials that the encoders see, of columns clipped to three standard deviations, or of
        images scaled to [0, 1].
    linear_path : {'all', 'first'}, default='all'
        Orders that also see a linear map of the row itself. 'all' deals the factors of the start
        to the orders, the strongest to the first; with 'first', higher orders see nothing but
        their polynomials.
    divergence : {'hierarchical', 'log_ratio', 'kl'}, default='hierarchical'
        What training holds against the posterior. 'hierarchical' is the sum over orders of the
        Kullback-Leibler divergences from ``N(B_i z_(i-1), s_i^2 I)``; 'log_ratio' a polynomial of
        degree `degree` of the moments of ``log q(z|x) - log p(z)``; 'kl' the divergence from a
        standard normal prior, which the prior flow may bend.
    divergence_weights : float, array-like of shape (degree,) or None, default=None
        Weights of the orders, or of the moments of 'log_ratio'; one number stands for all, and is
        all there may be for orders where there is a flow. None
        is 1 for orders, the evidence lower bound, and ``n_latent ** (1 - i) / i`` for moment i.
    kl_warmup : float, default=0.1
        Share of `max_epochs` over which the weight of the divergence rises from zero; patience
        begins when it is there.
    free_bits : float, default=0.0
        Nats of divergence of each order, with flows of all orders together, that training does not
        hold against the posterior. 'log_ratio' has none.
    likelihood : {'auto', 'normal', 'student_t', 'discretized_logistic', 'bernoulli'}, \
            default='auto'
        Density of a row given its latent. 'discretized_logistic' is for the grey levels 0 to 255,
        constant on cells of width one around them; 'bernoulli' is for zeros and ones, whose log
        probabilities the scores are then. 'auto' is 'discretized_logistic' for images of dtype
        uint8, else 'normal'.
    decoder_scale : {'predicted', 'learned'} or float, default='predicted'
        Scale of the likelihood around what is decoded: one for each row and column, said by the
        decoder; one for each column; or a number, in standard deviations of the columns, for
        images in ranges of grey. 'bernoulli' has none.
    posterior_flow : {'planar', 'sylvester', 'iaf', 'coupling'} or None, default=None
        Flow that bends the posterior, steered by the encoders.
    prior_flow : {'coupling', 'autoregressive', 'fractal'} or None, default='coupling'
        Flow that bends the prior. With a flow, divergences are estimated by one draw a row.
    n_flow_steps : int, default=4
        Number of steps of each flow.
    hidden_units : int, default=128
        Width of the hidden layers of encoders and decoder; with `image_shape`, channels at the
        coarsest resolution.
    n_hidden_layers : int, default=2
        Number of hidden layers; with `image_shape`, how often the resolution is halved.
    dropout : float or 'auto', default='auto'
        Share of hidden units dropped in training; 'auto' is ``10 / sqrt(n)`` for n training rows,
        at most 0.3.
    image_shape : tuple of int or None, default=None
        Height, width and, if any, number of channels of rows that are images, which may also be
        given as arrays of that shape: encoders and decoder are then convolutional.
    n_importance_samples : int, default=64
        Draws of the latent by which a row is scored; may be set after `fit`. Time grows with it:
        take fewer to score many images, more to compare models by less than half a nat.
    max_epochs : int, default=200
        Largest number of passes over the training rows.
    max_time : float or None, default=None
        Seconds that `fit`, or `partial_fit` of a chunk, may take. What comes before training is not
        cut short, and one step is made in any case; the learning rate falls in the time left. What
        is cut short by time is not repeatable.
    partial_fit_epochs : int, default=1
        Number of passes over each chunk of `partial_fit`.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 32 of the training rows, between 64 and 1024.
    learning_rate : float, default=3e-3
        Largest learning rate of AdamW; it rises over the first 5 % of the steps and falls along a
        cosine to zero.
    weight_decay : float, default=1e-4
        Weight decay of AdamW.
    early_stopping : bool, default=True
        Whether to hold rows out, stop when the importance-weighted bound of eight draws on them
        stops rising and keep the best weights. Where divergences are weighted, and for
        'log_ratio', what is trained judges.
    validation_fraction : float, default=0.1
        Share of the rows held out, drawn at random.
    n_iter_no_change : int, default=20
        Number of epochs without a gain after which training stops. Where it falls below its start
        at first, gains count from there.
    tol : float, default=1e-4
        Gain of the mean hold-out bound, in nats, that counts.
    noise : 'scott', float or None, default=None
        Deviation, in standard deviations of the columns, of normal noise added to the training
        rows in each epoch; 'scott' is ``n ** (-1 / (d + 4))``. Refused where values are discrete.
    dequantize : 'auto' or None, default='auto'
        'auto' adds, in training only, uniform noise: of their spacing to columns whose repeated
        values form a lattice, such as counts, roundings, or zeros and ones; see `dequantization_`.
        A value that many rows share in a column without a lattice, such as a code for missing or
        a pile of zeros, gets narrower noise of its own, with a warning; see `heavy_values_`.
        Discrete likelihoods need none.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit, keeping place and scale.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`, and of the draws by which rows are scored. Global
        generators are never seeded.
    device : str or torch.device, default='auto'
        Where to train and score; 'auto' is CUDA where there is one, else the CPU.
    dtype : {'float32', 'float64'}, default='float32'
        Precision of training. Scores are computed in float64.
    compile : bool, default=False
        Whether spline kernels of flows run through ``torch.compile``.
    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called in training; copied first. One ends training by raising `flowkit.StopTraining`.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    module_ : flowkit.modules.PolynomialVAE
        The fitted model of standardised rows, float64.
    degree_, n_components_ : int
        Number of orders, and of latent columns of each.
    location_, scale_ : ndarray of shape (n_features,)
        What columns are centred and divided by.
    dequantization_ : ndarray of shape (n_features,)
        Width, in units of X, of the uniform noise of each column in training; 0 for none.
    heavy_values_ : list of tuple (column, value, width)
        Values that get noise of their own in training, and the width of that, in units of X.
    history_ : dict of ndarray of shape (n_iter_ + 1,)
        ``epoch``, ``train_log_density`` (minus the loss), ``valid_log_density`` (bound of eight
        draws, or minus the loss where divergences are weighted), ``reconstruction_log_density``
        (all mean nats, units of X), ``divergence_1``, ``divergence_2`` and so on (nats: of each
        order, or moments of 'log_ratio'; without sample weights), ``divergence_flow`` (with flows,
        which make only the sum of all these a divergence), ``learning_rate``, ``seconds``. Entry
        0 is the start.
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
    FlowDensity : Exact log densities, without a latent of fewer columns.
    sklearn.decomposition.FactorAnalysis : The classical model that training starts from.
    flowkit.inspection.ReconstructionDisplay : What each order adds to a reconstruction.

    Notes
    -----
    A reconstruction of the method of Chen and Li from its description: no code was published, and
    the paper leaves the divergence, the matrix that mixes the orders' noise and all sizes open.
    ``PHVAE(basis='power', linear_path='first', prior_flow=None)`` is closer to it.

    Rows must be complete, as the encoders see all columns: there is no parameter `missing`, which
    densities without encoders have.

    References
    ----------
    Chen, Li, "Polynomial Hierarchical Variational Autoencoder", arXiv 2502.02856.

    Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, arXiv 1312.6114.

    Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016, arXiv 1509.00519.

    Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow", NeurIPS 2016,
    arXiv 1606.04934.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import PHVAE
    >>> X = load_iris().data
    >>> density = PHVAE(n_components=1, max_epochs=5, random_state=0).fit(X)
    >>> scores, error = density.score_samples(X, return_std=True)
    >>> scores.shape
    (150,)
    >>> density.transform(X[:2]).shape
    (2, 3)
    >>> density.reconstruct(X[:2]).shape
    (2, 4)
    >>> density.get_feature_names_out()
    array(['phvae_order1_0', 'phvae_order2_0', 'phvae_order3_0'], dtype=object)
    """

    # Encoders and decoder expect columns of unit scale.
    standardize = True

    _parameter_constraints: dict = {
        **{k: v for k, v in BaseDensity._parameter_constraints.items() if k != "standardize"},
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "degree": [Interval(Integral, 1, None, closed="left")],
        "basis": [StrOptions({"legendre", "power"})],
        "linear_path": [StrOptions({"all", "first"})],
        "divergence": [StrOptions({"hierarchical", "log_ratio", "kl"})],
        "divergence_weights": ["array-like", Interval(Real, 0, None, closed="left"), None],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "likelihood": [
            StrOptions({"auto", "normal", "bernoulli", "discretized_logistic", "student_t"})
        ],
        "decoder_scale": [
            StrOptions({"learned", "predicted"}),
            Interval(Real, 0.01, 100, closed="both"),
        ],
        "posterior_flow": [StrOptions(set(POSTERIOR_FLOWS)), None],
        "prior_flow": [StrOptions(set(PRIOR_FLOWS)), None],
        "n_flow_steps": [Interval(Integral, 1, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "image_shape": ["array-like", None],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
    }

    _shaping_parameters = (
        *(name for name in BaseDensity._shaping_parameters if name != "standardize"),
        *_SHAPE,
    )

    def __init__(
        self,
        n_components=None,
        *,
        degree=3,
        basis="legendre",
        linear_path="all",
        divergence="hierarchical",
        divergence_weights=None,
        kl_warmup=0.1,
        free_bits=0.0,
        likelihood="auto",
        decoder_scale="predicted",
        posterior_flow=None,
        prior_flow="coupling",
        n_flow_steps=4,
        hidden_units=128,
        n_hidden_layers=2,
        dropout="auto",
        image_shape=None,
        n_importance_samples=64,
        max_epochs=200,
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
        warm_start=False,
        random_state=None,
        device="auto",
        dtype="float32",
        compile=False,
        callbacks=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.degree = degree
        self.basis = basis
        self.linear_path = linear_path
        self.divergence = divergence
        self.divergence_weights = divergence_weights
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.likelihood = likelihood
        self.decoder_scale = decoder_scale
        self.posterior_flow = posterior_flow
        self.prior_flow = prior_flow
        self.n_flow_steps = n_flow_steps
        self.hidden_units = hidden_units
        self.n_hidden_layers = n_hidden_layers
        self.dropout = dropout
        self.image_shape = image_shape
        self.n_importance_samples = n_importance_samples
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.dtype = dtype
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose

    # ------------------------------------------------------------------ scoring

    def score_samples(self, X, return_std=False):
        """Importance-weighted estimate of the log density of each row, in the units of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the Monte Carlo error too.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Nats, float64; ``-inf`` outside the support. The same at every call, whatever rows
            stand beside it. For ``likelihood='bernoulli'`` the log probability.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats, from the spread of the weights of
            `n_importance_samples` draws. It cannot exceed one by much: where it comes near, one
            draw rules, and the estimate is a lower bound whose distance is unknown.
        """
        check_is_fitted(self)
        log_density, error = self._estimate(self._validate_rows(X, reset=False))
        return (log_density, error) if return_std else log_density

    def elbo(self, X):
        """Evidence lower bound of each row, in nats and in the units of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        bound : ndarray of shape (n_samples,)
            Mean over `n_importance_samples` draws of the posterior, the same at every call. On
            average over draws below the log density that `score_samples` estimates.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        Z = self._standardise(X)
        return self._in_units(self._map_noisily(self.module_.elbo, Z), Z)

    def _log_density(self, X):
        return self._estimate(X)[0]

    def _estimate(self, X):
        """Log density of rows, and its error."""
        Z = self._standardise(X)
        estimate = self._map_noisily(self.module_.estimate, Z)
        return self._in_units(estimate[:, 0], Z), estimate[:, 1]

    def _map_noisily(self, function, Z):
        """Apply a function of rows and draws to rows."""
        noise = self.module_.fixed_noise(self._n_draws(), self._config["seed"])
        return self._map_rows(functools.partial(function, noise=noise), Z)

    def _n_draws(self):
        # May have been set after the fit, which checked it then.
        n = self.n_importance_samples
        if not isinstance(n, Integral) or n < 1:
            raise InvalidParameterError(
                f"n_importance_samples must be an int of at least 1, got {n!r}."
            )
        return n

    # ------------------------------------------------------------------ latents

    def transform(self, X):
        """Posterior mean of the latent of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : ndarray of shape (n_samples, degree_ * n_components_)
            Latent rows, order by order, of the dtype of X.
        """
        return super().transform(X)

    def inverse_transform(self, X):
        """Expected row of each latent.

        Parameters
        ----------
        X : array-like of shape (n_samples, degree_ * n_components_)
            Latent rows, as `transform` returns them.

        Returns
        -------
        X_decoded : ndarray of shape (n_samples, n_features)
            Means of the likelihood, in the units of the training data, of the dtype of X.
        """
        return super().inverse_transform(X)

    def latent_by_order(self, X):
        """Posterior mean of each order of the latent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        latents : ndarray of shape (degree_, n_samples, n_components_)
            One table an order, the first order first.
        """
        Z = self._encode(X)
        return Z.reshape(len(Z), self.degree_, self.n_components_).swapaxes(0, 1)

    def reconstruct(self, X, orders=None):
        """Rows decoded from their own latent, or from some orders of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        orders : sequence of int or None, default=None
            Orders, from 1, that are taken from the rows; others stand at the mean of the prior.
            None takes all.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            Expected rows, in the units of X, float64.

        Raises
        ------
        InvalidParameterError
            If there is no such order.
        """
        Z = self._encode(X)
        if orders is not None:
            kept = np.unique(orders)
            known = np.arange(1, self.degree_ + 1)
            if not np.isin(kept, known).all():
                raise InvalidParameterError(
                    f"orders must be taken from 1 to {self.degree_}, got {orders!r}."
                )
            columns = np.repeat(np.isin(known, kept), self.n_components_)
            mean = 0.0
            if self.module_.prior_flow is not None:
                seed, draw = self._config["seed"], self.module_.prior.sample
                mean = self._draw(_N_PRIOR_DRAWS, seed, draw).mean(0)
            Z = np.where(columns, Z, mean)
        return self._decode(Z)

    def reconstruction_error(self, X):
        """Mean squared error of the reconstruction of each row.

        To find rows that do not belong, `score_samples` is better: it also knows how unlikely the
        latent is, and how far each column may stray.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        error : ndarray of shape (n_samples,)
            Mean over the columns, each divided by its `scale_` first, so that all count alike.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        decoded = self._map_rows(self.module_.decode, self._latents(X))
        return ((self._standardise(X) - decoded) ** 2).mean(1)

    def sample(self, n_samples=1, random_state=None):
        """Draw rows: a latent from the prior, order by order, then a row given it.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64: zeros and ones with ``likelihood='bernoulli'``, grey levels from 0 to
            255 with 'discretized_logistic' and of uint8 images.

        Raises
        ------
        ValueError
            If `n_samples` is less than one.
        """
        check_is_fitted(self)
        X = self._unstandardise(self._draw(n_samples, random_state, self.module_.sample))
        return self._to_domain(X)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X, which are checked and not used.

        Returns
        -------
        names : ndarray of str
            Such as ``phvae_order1_0``: the order, from 1, and the number within it, from 0.
        """
        super().get_feature_names_out(input_features)
        orders, numbers = range(1, self.degree_ + 1), range(self.n_components_)
        names = [f"phvae_order{order}_{number}" for order in orders for number in numbers]
        return np.array(names, dtype=object)

    def _latents(self, X):
        if self.module_.posterior_flow is None:
            return super()._latents(X)
        return self._map_noisily(self.module_.encode, self._standardise(X))

    @property
    def _n_features_out(self):
        return self.degree_ * self.n_components_

    # ------------------------------------------------------------------ building

    def _kind(self):
        if self.likelihood == "auto":
            return "discretized_logistic" if self._grey else "normal"
        return self.likelihood

    def _validate_training(self, X, sample_weight, reset):
        X, weight = super()._validate_training(X, sample_weight, reset)
        kind = self._kind()
        if kind in _VALUES:
            highest = _VALUES[kind]
            wrong = np.flatnonzero(((np.round(X) != X) | (X < 0) | (highest < X)).any(0))
            if wrong.size:
                raise InvalidDataError(
                    f"likelihood={kind!r} is for whole numbers from 0 to {highest}, but column(s) "
                    f"{name_columns(wrong, self._names())} hold others. Give such values, or set "
                    "likelihood='normal'."
                )
            if self.noise:
                raise InvalidParameterError(
                    f"noise={self.noise!r} would leave values that likelihood={kind!r} does not "
                    "have: set noise=None, or likelihood='normal'."
                )
        return X, weight

    def _settle_columns(self, X, weight):
        d, kind = X.shape[1], self._kind()
        if kind in _VALUES:
            self.location_, self.scale_ = np.zeros(d), np.full(d, float(_VALUES[kind]))
            self.dequantization_, self.heavy_values_ = np.zeros(d), []
            self._gaps = []
        elif self.image_shape is not None:
            low, width = X.min(), X.max() / 2 - X.min() / 2
            if not np.isfinite(2 * width):
                raise InvalidDataError(
                    "the values of X are too far apart: their range overflows float64. Rescale "
                    "the images."
                )
            width = 2 * width or 1.0
            self.location_, self.scale_ = np.full(d, low), np.full(d, width)
            self._gaps = []
            self.dequantization_, heavy, _ = column_noise(
                X, np.zeros(d, dtype=bool), self.dequantize
            )
            # Pixels that never change have the spacing of the others.
            spread = self.dequantization_ > 0
            if spread.any():
                self.dequantization_[~spread] = np.median(self.dequantization_[spread])
                heavy = []
            self.heavy_values_ = own_noise(heavy) if self.dequantize else []
        else:
            BaseDensity._settle_columns(self, X, weight)

    def _configure(self, X, Z, weight, rng):
        config = {name: getattr(self, name) for name in _SHAPE}
        n, d = Z.shape
        images, kind = self.image_shape is not None, self._kind()
        if images:
            config["image_shape"] = check_image_shape(self.image_shape)
        if self.n_components is None:
            config["n_components"] = 16 if images else int(np.clip(d // 3, 2, 8))
        config["n_features"], config["likelihood"] = d, kind
        config["interval"] = (0.0, 1.0) if images or kind in _VALUES else (-_BOUND, _BOUND)
        config["dropout"] = self._dropout_share(n)
        config["divergence_weights"] = self._weights()
        config["seed"] = int(rng.randint(2**31 - 1))
        self.degree_, self.n_components_ = self.degree, config["n_components"]
        if n > MAX_ROWS:
            rows = rng.permutation(n)[:MAX_ROWS]
            Z, weight = Z[rows], None if weight is None else weight[rows]
        return config, (Z, weight, rng)

    def _weights(self):
        """Weights of orders or moments as plain numbers."""
        if self.divergence_weights is None:
            return None
        try:
            given = np.broadcast_to(np.asarray(self.divergence_weights, dtype=float), self.degree)
        except ValueError:
            given = np.array([np.nan])
        if not (np.isfinite(given) & (given >= 0)).all():
            raise InvalidParameterError(
                f"divergence_weights must be a number, or one for each of the {self.degree} "
                f"orders or moments, none of them negative, got {self.divergence_weights!r}."
            )
        return given.tolist()

    def _build(self, config, generator):
        k, degree, d = config["n_components"], config["degree"], config["n_features"]
        n_latent = k * degree
        likelihood = _likelihood(config)
        n_context = k if config["posterior_flow"] else 0
        options = {name: config[name] for name in ("hidden_units", "n_hidden_layers", "dropout")}
        options["generator"] = generator
        shape, out = config["image_shape"], 2 * k + n_context
        if shape is None:
            encoder = GroupedMLP(d, out, degree, **options)
            decoder = ResidualMLP(n_latent, likelihood.n_outputs * d, **options)
        else:
            encoder = ConvEncoder(shape, out, degree, **options)
            decoder = ConvDecoder(n_latent, shape, likelihood.n_outputs, **options)
        return PolynomialVAE(
            Polynomials(degree, config["basis"], *config["interval"]),
            encoder,
            decoder,
            likelihood,
            HierarchicalNormal(k, degree, learnable=config["divergence"] != "kl"),
            divergence=config["divergence"],
            weights=config["divergence_weights"],
            free_bits=config["free_bits"],
            linear_path=config["linear_path"],
            posterior_flow=_flow(
                POSTERIOR_FLOWS, "posterior_flow", config, generator, n_context=n_context * degree
            ),
            prior_flow=_flow(PRIOR_FLOWS, "prior_flow", config, generator),
        )

    def _start(self, module, start):
        Z, weight, rng = start
        k, n_latent = self.n_components_, self._n_features_out
        # More factors than a third of the columns leave the columns nothing of their own.
        n_factors = min(n_latent, max(k, Z.shape[1] // 3)) if self.linear_path == "all" else k
        factors = factor_start(Z, weight, n_factors, rng)
        module.start(*(torch.from_numpy(array).to(module.mixing) for array in factors))
        orders = module.features(torch.from_numpy(Z)).numpy().swapaxes(1, 2)
        scores = factor_scores(Z, *factors)
        for first, *arrays in order_starts(orders, scores, k, START_SIGNAL, rng):
            module.start_order(first, *(torch.from_numpy(a).to(module.mixing) for a in arrays))

    def _options(self, n, max_epochs, has_holdout, **changes):
        # What has been trained before is warm.
        if changes.get("schedule", True) and not self.n_iter_:
            changes["divergence_warmup"] = self.kl_warmup
        return super()._options(n, max_epochs, has_holdout, **changes)

    def _to_domain(self, X):
        highest = _VALUES.get(self._config["likelihood"])
        return super()._to_domain(X) if highest is None else whole(X, 0, highest)

    def _continuous(self):
        return self._config["likelihood"] not in _VALUES

    def _may_lie_outside(self):
        return False

    def _refuse_outside(self, Z):
        """Training rows have been checked as numbers already."""


def _likelihood(config):
    kind, d, scale = config["likelihood"], config["n_features"], config["decoder_scale"]
    if kind == "bernoulli":
        return BernoulliLikelihood(d)
    if kind == "discretized_logistic":
        return DiscretizedLogisticLikelihood(d, scale)
    return LocationScaleLikelihood(Normal(d) if kind == "normal" else StudentT(d), scale)


def _flow(kinds, name, config, generator, **options):
    """Flow of the kind that a parameter names, None for none."""
    kind, n_latent = config[name], config["n_components"] * config["degree"]
    if kind is None:
        return None
    options |= {"compile": config["compile"], "generator": generator}
    options["hidden_units"] = min(config["hidden_units"], _MAX_FLOW_UNITS)
    return Compose(build_steps(kinds[kind], config["n_flow_steps"], n_latent, **options))
