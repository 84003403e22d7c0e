"""Polynomial hierarchical variational autoencoder."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._image_shape import check_image_shape
from ..bijections.registry import POSTERIOR_FLOWS, PRIOR_FLOWS
from ..columns import UnitRange, WholeNumbers
from ..exceptions import InvalidParameterError
from ..modules.vae import START_SIGNAL
from ..nested import check_n_samples
from ..nets import Polynomials
from ..starts import FactorStart
from ..validation import check_flag
from ._base import BaseDensity
from ._images import ImageRows
from ._orders import OrderAnalysis
from ._parameters import documented
from ._temperature import check_temperature
from ._vae import build_vae, plain_weights

# Largest whole number of the likelihoods that are for whole numbers.
_VALUES = {"bernoulli": 1, "discretized_logistic": 255}
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
    "residual_radius",
    "posterior_flow",
    "prior_flow",
    "n_flow_steps",
    "hidden_units",
    "n_hidden_layers",
    "dropout",
    "image_shape",
    "compile",
)


@documented
class PHVAE(OrderAnalysis, ImageRows, BaseDensity):
    """Density estimation and reconstruction with a polynomial hierarchical autoencoder.

    A variational autoencoder with one encoder for each order of the polynomials of a row, and one
    decoder of them all. Each order of the latent has a prior that depends on the order below. The
    model is initialised as a factor analysis, which training can only improve on the hold-out. By
    default a flow bends the prior of the latent.

    Log densities are importance-weighted estimates, biased low, less so with more draws, which all
    rows share: scores are repeatable, and their errors (see `score_samples`) do not average out, so
    that a density integrates to one on the average over draws, at 64 to a tenth for two columns.

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
        Orders that also see a linear map of the row itself. 'all' deals the factors of the factor
        analysis to the orders, the strongest to the first; with 'first', higher orders see only
        their polynomials.
    divergence : {'hierarchical', 'log_ratio', 'kl'}, default='hierarchical'
        Penalty on the posterior in training. 'hierarchical' is the sum over orders of the
        Kullback-Leibler divergences from ``N(B_i z_(i-1), s_i^2 I)``. 'log_ratio' is a polynomial
        of degree `degree` in the moments of ``log q(z|x) - log p(z)``. 'kl' is the divergence from
        a standard normal prior, which the prior flow may bend.
    divergence_weights : float, array-like of shape (degree,) or None, default=None
        Weights of the divergences of the orders, or of the moments of 'log_ratio'. One number is
        the weight of all. With a flow, orders cannot have different weights. None is 1 for orders,
        which gives the evidence lower bound, and ``n_latent ** (1 - i) / i`` for moment i.
    kl_warmup : float, default=0.1
        Share of `max_epochs` over which the weight of the divergence rises from zero to one.
        `n_iter_no_change` counts from there.
    free_bits : float, default=0.0
        Nats of divergence that training does not penalise: of each order, or, with flows, of all
        orders together. 'log_ratio' has none.
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
    residual_radius : int, default=2
        With `image_shape`, how many pixels away the neighbours are whose residuals a pixel follows:
        those above it and to its left, as images are written. What the latent leaves of an image is
        smooth, and so is the noise that `sample` draws; it is learned beside the autoencoder, which
        is trained as if pixels were independent. 0 makes them independent, and draws grainy.
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
    image_shape : tuple of int or None, default=None
        Height, width and, if any, number of channels of rows that are images, which may also be
        given as arrays of that shape: encoders and decoder are then convolutional.
    n_importance_samples : int, default=64
        Draws of the latent by which a row is scored; may be set after `fit`. Time grows with it:
        take fewer to score many images, more to compare models by less than half a nat.
    early_stopping : bool, default=True
        Whether to hold rows out, stop when the importance-weighted bound of eight draws on them
        stops rising and keep the best weights. Where divergences are weighted, and for
        'log_ratio', the objective of training is used instead of the bound.
    tol : float, default=1e-4
        Gain of the mean hold-out bound, in nats, that counts.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`, and of the draws by which rows are scored. Global
        generators are never seeded.

    Attributes
    ----------
    module_ : flowkit.modules.PolynomialVAE
        The fitted model of standardised rows, float64.
    degree_, n_components_ : int
        Number of orders, and of latent columns of each.
    history_ : dict of ndarray of shape (n_iter_ + 1,)
        ``epoch``, ``train_log_density`` (minus the loss), ``valid_log_density`` (bound of eight
        draws, or minus the loss where divergences are weighted), ``reconstruction_log_density``
        (all mean nats, units of X), ``divergence_1``, ``divergence_2`` and so on (nats: of each
        order, or moments of 'log_ratio'; without sample weights), ``divergence_flow`` (with flows,
        which make only the sum of all these a divergence), ``learning_rate``, ``seconds``. Entry
        0 is the state before the first epoch.

    See Also
    --------
    FlowDensity : Exact log densities, without a latent of fewer columns.
    sklearn.decomposition.FactorAnalysis : The classical model that it is initialised as.
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

    _parameter_constraints: dict = {
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
        "residual_radius": [Interval(Integral, 0, None, closed="left")],
        "posterior_flow": [StrOptions(set(POSTERIOR_FLOWS)), None],
        "prior_flow": [StrOptions(set(PRIOR_FLOWS)), None],
        "n_flow_steps": [Interval(Integral, 1, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "image_shape": ["array-like", None],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
    }

    _shaping_parameters = _SHAPE

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
        residual_radius=2,
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
        checkpoint=None,
        on_interrupt="keep",
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
        self.residual_radius = residual_radius
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
        self.checkpoint = checkpoint
        self.on_interrupt = on_interrupt
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
            `n_importance_samples` draws, the same for all rows. It cannot exceed one by much. Near
            one, one draw dominates, and the estimate is a lower bound by an unknown amount.
        """
        check_is_fitted(self)
        if not check_flag(return_std, "return_std"):
            return self._log_density(self._validate_rows(X, reset=False))
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        estimate = self._evaluator.map(self.module_.estimate, Z)
        return self._columns.in_units(estimate[:, 0], Z), estimate[:, 1]

    def elbo(self, X):
        """Evidence lower bound of each row, in nats and in the units of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        bound : ndarray of shape (n_samples,)
            Float64. Mean over `n_importance_samples` draws of the posterior, the same at every
            call. On average over draws it lies below the log density that `score_samples`
            estimates.
        """
        check_is_fitted(self)
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        return self._columns.in_units(self._evaluator.map(self.module_.elbo, Z), Z)

    @property
    def _evaluator(self):
        # May have been set after the fit, which validated it then.
        n = self.n_importance_samples
        if not isinstance(n, Integral) or n < 1:
            raise InvalidParameterError(
                f"n_importance_samples must be an int of at least 1, got {n!r}."
            )
        self.module_.n_importance_samples = n
        return super()._evaluator

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
            Means of the likelihood, in the units of the training data, of the dtype of X; of
            images, those of pixels whose neighbours are as expected.
        """
        return super().inverse_transform(X)

    def sample(self, n_samples=1, random_state=None, *, noise=True, temperature=1.0):
        """Draw rows: a latent from the prior, order by order, then a row given it.

        With `noise`, the law of the rows is that of `score_samples`: what a row is given its latent
        is drawn from the likelihood, as detail that the latent does not tell. Without, rows are
        those that one expects of their latents, and smoother than real ones.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time, and the same latents with
            `noise` and without.
        noise : bool, default=True
            Whether rows are drawn from the likelihood; otherwise they are its means, as those of
            `inverse_transform` and `reconstruct`.
        temperature : float, default=1.0
            What standard deviations of the latents are multiplied by, before the prior flow. Below
            one, rows are tamer and less diverse; with zero all have the latent at the centre. The
            noise stays as it is. Only at one is the law of the rows that of `score_samples`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64. With `noise`, zeros and ones for ``likelihood='bernoulli'``, grey
            levels from 0 to 255 for 'discretized_logistic' and of uint8 images.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, or there is no such temperature.
        """
        check_is_fitted(self)
        factor = check_temperature(temperature)
        if check_flag(noise, "noise"):
            return self._sample(n_samples, random_state, factor)
        return self._decode(self._draw_latents(check_n_samples(n_samples), random_state, factor))

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

    @property
    def _n_features_out(self):
        return self.degree_ * self.n_components_

    # ------------------------------------------------------------------ building

    def _make_columns(self, X, sample_weight, grey):
        kind = self._likelihood(grey)
        if kind in _VALUES:
            return WholeNumbers.of(X.shape[1], _VALUES[kind], kind)
        if self.image_shape is not None:
            return UnitRange.of(X, self.dequantize, grey)
        return super()._make_columns(X, sample_weight, grey)

    def _likelihood(self, grey):
        if self.likelihood == "auto":
            return "discretized_logistic" if grey else "normal"
        return self.likelihood

    def _initialize(self, X, Z, sample_weight, random_state):
        config = {name: getattr(self, name) for name in _SHAPE}
        d, images = Z.shape[1], self.image_shape is not None
        if images:
            config["image_shape"] = check_image_shape(self.image_shape)
        if self.n_components is None:
            config["n_components"] = 16 if images else int(np.clip(d // 3, 2, 8))
        whole = not self._columns.continuous
        kind = self._columns.likelihood if whole else self._likelihood(grey=False)
        config["n_features"], config["likelihood"] = d, kind
        config["interval"] = (0.0, 1.0) if images or whole else (-_BOUND, _BOUND)
        config["dropout"] = self._dropout_share(len(Z))
        config["divergence_weights"] = plain_weights(self.divergence_weights, self.degree)
        config["seed"] = int(random_state.randint(2**31 - 1))
        self.degree_, self.n_components_ = self.degree, config["n_components"]
        k, n_latent = self.n_components_, self._n_features_out
        # More factors than a third of the columns leave the columns nothing of their own.
        n_factors = min(n_latent, max(k, d // 3)) if self.linear_path == "all" else k
        polynomials = Polynomials(self.degree, self.basis, *config["interval"])
        start = FactorStart.of(
            Z, sample_weight, n_factors, polynomials, k, START_SIGNAL, random_state
        )
        return config, start

    _build_module = staticmethod(build_vae)
