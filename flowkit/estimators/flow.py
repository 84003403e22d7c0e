"""Normalizing flows: any stack of bijections on any prior."""

from __future__ import annotations

import copy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from ..bijections import Bijection, Compose, LULinear
from ..bijections.registry import TRANSFORMS, build_steps
from ..columns import refuse_outside_support
from ..exceptions import InvalidDataError, InvalidParameterError
from ..missing import IncompleteRows
from ..modules import Flow, KernelFlow
from ..priors import GaussianMixture, Kernel, Prior
from ..priors.registry import PRIORS, build_prior
from ..starts import (
    FlowStart,
    KernelStart,
    choose_start,
    draw_rows,
    margin_steps,
    mixture_start,
)
from ..validation import has_missing
from ._base import BaseDensity
from ._conditions import Conditions
from ._parameters import documented

# What the module is built from.
_SHAPE = (
    "transforms",
    "n_transforms",
    "hidden_units",
    "n_hidden_layers",
    "n_bins",
    "tail_bound",
    "dropout",
    "prior",
    "n_components",
    "bandwidth_factor",
    "compile",
)
# Draws of the prior that a given map must reach.
_N_PROBES = 1000
# Rows on whose latents kernels are put; each costs a distance in every score.
_MAX_CENTRES = 5_000
# Rows of an epoch with kernels, so that training on many rows costs no more than on so many.
_MAX_KERNEL_EPOCH = 20_000
# Batches are of nearly equal size: below this, one could be left with a single row.
_MIN_KERNEL_BATCH = 3


@documented
class FlowDensity(Conditions, IncompleteRows, BaseDensity):
    """Density estimation with a normalizing flow: an invertible map onto a simple prior.

    The log density of a row is that of its latent under the prior plus the log-determinant of the
    map: exact, in nats, in the units of X. Where `transforms` is a name, the flow is initialised as
    a classical model: first maps of single columns (none, a bend of heavy tails, or a spline onto
    a normal distribution), then a whitening matrix, then the prior, by default a Gaussian mixture
    of up to 130 components. Maps and mixture are those under which training rows left out are
    likeliest. The initial weights take part in early stopping, so that training can only gain on
    the hold-out; with ``best_epoch_ == 0`` the density is that mixture.

    Parameters
    ----------
    transforms : {'spline_coupling', 'affine_coupling', 'spline_autoregressive', \
            'affine_autoregressive'}, Bijection or list of Bijection, default='spline_coupling'
        The map from standardised rows to latent. A name stands for `n_transforms` such steps with
        LU-factorised linear maps between them. Couplings score and sample in one pass;
        autoregressive steps sample in as many passes as there are columns. Bijections given are
        copied, and used as they are.
    n_transforms : int, default=4
        Number of steps; 0 leaves a linear map alone.
    hidden_units : int, default=64
        Width of the hidden layers of each step's network.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    prior : {'normal', 'laplace', 'student_t', 'gaussian_mixture', 'kernel'} or Prior, \
            default='gaussian_mixture'
        Density of the latent. A Prior given is copied; a GaussianMixture that has not been
        initialised is initialised from data. 'kernel' puts a Gaussian of one trained bandwidth on
        the latent of each training row (of 5,000 drawn at random, if there are more): a kernel
        density estimate in a space that the flow bends. The score of a training row leaves its own
        kernel out, so that it can be compared with the scores of new rows. An epoch of `fit` visits
        at most 20,000 rows, drawn anew for each. `partial_fit` keeps the kernels of its first
        chunk, ``warm_start`` those of the first fit.
    n_components : int or None, default=None
        Number of components of ``prior='gaussian_mixture'``; None chooses it by the density of
        training rows left out.
    bandwidth_factor : float, default=1.0
        Factor on the trained bandwidth of ``prior='kernel'`` in scores and samples. Below one the
        density follows single rows more closely than the likeliest does, which finds anomalies
        better.
    standardize : bool, default=True
        Whether columns are centred and scaled to unit standard deviation before the flow, with
        the Jacobian counted. False hands X to given bijections as it is, for those with a domain
        of their own such as `Logit`.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 16 of the training rows, between 64 and 1024, with
        ``prior='kernel'`` one in 8, between 128 and 512.

    Attributes
    ----------
    module_ : flowkit.modules.Flow
        The fitted flow on standardised rows, float64.

    See Also
    --------
    sklearn.mixture.GaussianMixture : The classical model that the flow is initialised as.
    sklearn.neighbors.KernelDensity : Density without depth.

    Notes
    -----
    The parameter is called `transforms`, not ``transform``: an attribute of that name would hide
    the method.

    References
    ----------
    Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan, "Normalizing Flows for
    Probabilistic Modeling and Inference", JMLR 22 (2021), arXiv 1912.02762.

    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv 1906.04032.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity
    >>> X = load_iris().data
    >>> density = FlowDensity(max_epochs=5, random_state=0).fit(X)
    >>> density.score_samples(X).shape
    (150,)
    >>> density.sample(2, random_state=0).shape
    (2, 4)
    >>> density.transform(X[:3]).shape
    (3, 4)
    """

    _parameter_constraints: dict = {
        "transforms": [StrOptions(set(TRANSFORMS)), Bijection, list, tuple],
        "n_transforms": [Interval(Integral, 0, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, 999, closed="both")],
        "tail_bound": [Interval(Real, 0, None, closed="neither")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "prior": [StrOptions(set(PRIORS)), Prior],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "bandwidth_factor": [Interval(Real, 0, None, closed="neither")],
        "missing": [StrOptions({"marginalize"}), None],
    }

    _shaping_parameters = ("missing", *_SHAPE)

    def __init__(
        self,
        transforms="spline_coupling",
        *,
        n_transforms=4,
        hidden_units=64,
        n_hidden_layers=2,
        n_bins=8,
        tail_bound=4.0,
        dropout="auto",
        prior="gaussian_mixture",
        n_components=None,
        bandwidth_factor=1.0,
        standardize=True,
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
        self.transforms = transforms
        self.n_transforms = n_transforms
        self.hidden_units = hidden_units
        self.n_hidden_layers = n_hidden_layers
        self.n_bins = n_bins
        self.tail_bound = tail_bound
        self.dropout = dropout
        self.prior = prior
        self.n_components = n_components
        self.bandwidth_factor = bandwidth_factor
        self.standardize = standardize
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

    def _initialize(self, X, Z, sample_weight, random_state):
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = Z.shape[1]
        config["dropout"] = self._dropout_share(len(Z))
        config["given"] = not isinstance(self.transforms, str)
        if not config["given"] and not self.standardize:
            raise InvalidParameterError(
                f"standardize=False needs transforms that know the units of X, got "
                f"{self.transforms!r}, which expects columns of unit scale. Give bijections, "
                "or set standardize=True."
            )
        start = self._choose_start(config, X, Z, sample_weight, random_state)
        config |= {"covariance": None, "centres": None, "n_components": None, **start.config}
        if config["given"]:
            _refuse_missed_latents(self._build_module(config, torch.Generator()), start)
        return config, start

    def _choose_start(self, config, X, Z, weight, rng):
        if self.prior == "kernel":
            # As they are, so that a row that is scored later is known for a centre.
            rows = self._columns.standardise(X)
            kernels = rows, np.ones(len(X)) if weight is None else weight
            if len(X) > _MAX_CENTRES:
                chosen, counts = np.unique(
                    draw_rows(len(X), weight, rng, _MAX_CENTRES), return_counts=True
                )
                kernels = rows[chosen], counts.astype(np.float64)
            return FlowStart(prior=KernelStart(*kernels))
        if isinstance(self.prior, Kernel):
            raise InvalidParameterError(
                "prior is a Kernel, which has no rows to put kernels on: give prior='kernel'."
            )
        n_components, covariance, least = self.n_components, None, 0.0
        with_mixture = self.prior == "gaussian_mixture"
        if isinstance(self.prior, GaussianMixture) and not self.prior.started:
            with_mixture, least = True, self.prior.min_deviation
            n_components, covariance = self.prior.n_components, self.prior.covariance
        if not config["given"]:
            return choose_start(Z, weight, with_mixture, n_components, covariance, rng)
        if not with_mixture:
            return FlowStart()
        bijection = _given_bijection(config).double().eval()
        with torch.no_grad():
            latent, log_det = bijection(torch.from_numpy(Z))
        refuse_outside_support(log_det.numpy())
        return mixture_start(latent.numpy(), weight, n_components, covariance, rng, least)

    def _validate_training(self, X, sample_weight, begins):
        X, weight = super()._validate_training(X, sample_weight, begins)
        if self.prior == "kernel" and self.missing is not None and has_missing(X):
            raise InvalidDataError(
                "prior='kernel' puts kernels on training rows, which must be complete, but X holds "
                "NaN: use another prior, or train on complete rows; rows to be scored may have NaN."
            )
        return X, weight

    @property
    def _max_epoch_rows(self):
        return _MAX_KERNEL_EPOCH if self.prior == "kernel" else None

    def _batch_size(self, n):
        if self.prior != "kernel":
            return super()._batch_size(n)
        if n < 2:
            raise InvalidDataError(
                "prior='kernel' scores the rows of a batch by each other, so that training needs "
                "at least two rows, got 1. Join it with another chunk."
            )
        if self.batch_size == "auto":
            # The rows of a batch are each other's kernels, so there must be many.
            return int(np.clip(n // 8, 128, 512))
        if self.batch_size < _MIN_KERNEL_BATCH:
            raise InvalidParameterError(
                f"batch_size must be at least {_MIN_KERNEL_BATCH} with prior='kernel', which "
                f"scores the rows of a batch by each other, got {self.batch_size}."
            )
        return self.batch_size

    def _build_module(self, config, generator):
        flow = KernelFlow if config["centres"] else Flow
        return flow(_build_bijection(config, generator), _build_prior(config))


def _build_bijection(config, generator):
    transforms, d = config["transforms"], config["n_features"]
    if not isinstance(transforms, str):
        return _given_bijection(config)
    names = ("hidden_units", "n_hidden_layers", "dropout", "n_bins", "tail_bound", "compile")
    options = {name: config[name] for name in names} | {"generator": generator}
    steps = build_steps(TRANSFORMS[transforms], config["n_transforms"], d, **options)
    last = LULinear(d, config["linear_bound"])
    return Compose([*margin_steps(config["margins"], d), *steps, last])


def _build_prior(config):
    prior, d = config["prior"], config["n_features"]
    if isinstance(prior, Prior):
        _check_width("prior", prior, d)
        return copy.deepcopy(prior)
    names = ("n_components", "covariance", "min_deviation", "bandwidth_factor")
    options = {name: config.get(name) for name in names} | {"n_centres": config["centres"]}
    return build_prior(prior, d, **options)


def _given_bijection(config):
    given = config["transforms"]
    steps = [given] if isinstance(given, Bijection) else list(given)
    for step in steps:
        if not isinstance(step, Bijection):
            raise InvalidParameterError(
                f"transforms holds {step!r}, which is not a Bijection: a list holds bijections "
                "alone, a name stands by itself."
            )
        _check_width("transforms", step, config["n_features"])
        if step.n_context:
            raise InvalidParameterError(
                f"transforms expects a context of {step.n_context} columns, which an estimator "
                "does not have: build it with n_context=0."
            )
    return copy.deepcopy(Compose(steps))


def _refuse_missed_latents(module, start):
    """Refuse a map that does not reach all that the prior gives: its density would not be one."""
    start.initialise(module)
    with torch.no_grad():
        module.eval()
        latent = module.prior.sample(_N_PROBES, torch.Generator().manual_seed(0))
        _, log_det = module.bijection.inverse(latent)
    missed = int((~torch.isfinite(log_det)).sum())
    if missed:
        raise InvalidParameterError(
            f"transforms does not reach {missed} of {_N_PROBES} latents drawn from the prior, so "
            "the density would not integrate to one. Its last step must map onto all real "
            "numbers: follow Exp by Log and Sigmoid by Logit, or leave them out."
        )


def _check_width(name, module, n_features):
    if module.n_features != n_features:
        raise InvalidParameterError(
            f"{name} expects {module.n_features} features, X has {n_features}: build it with "
            f"n_features={n_features}."
        )
