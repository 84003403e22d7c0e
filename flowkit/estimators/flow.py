"""Normalizing flows: any stack of bijections on any prior."""

from __future__ import annotations

import copy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from ..bijections import Bijection, Compose, LULinear
from ..bijections.registry import TRANSFORMS, build_steps
from ..columns._moments import refuse_outside_support
from ..exceptions import InvalidDataError, InvalidParameterError
from ..missing._incomplete_rows import IncompleteRows
from ..modules import Flow, KernelFlow
from ..priors import GaussianMixture, Kernel, Prior
from ..priors.registry import PRIORS, build_prior
from ..starts._margins import margin_steps
from ..starts._mixture_start import Start, choose_start, draw_rows, mixture_start
from ._base import BaseDensity

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
# Batches are of nearly equal size: below this, one could be left with a single row.
_MIN_KERNEL_BATCH = 3


class FlowDensity(IncompleteRows, BaseDensity):
    """Density estimation with a normalizing flow: an invertible map onto a simple prior.

    The log density of a row is that of its latent under the prior plus the log-determinant of the
    map: exact, in nats, in the units of X. Where `transforms` is a name, the flow begins as a
    classical model: marginals as they are, with heavy tails bent, or made normal, whichever has
    the lowest BIC, a whitening matrix, then the prior, by default a Gaussian mixture of least BIC.
    The weights before the first epoch take part in early stopping: on the hold-out, training can
    only gain.

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
    n_bins : int, default=8
        Number of bins of spline steps.
    tail_bound : float, default=4.0
        Half-width, in standard deviations, of the interval that spline steps bend.
    dropout : float or 'auto', default='auto'
        Share of hidden units dropped in training; 'auto' is ``10 / sqrt(n)`` for n training rows,
        at most 0.3.
    prior : {'normal', 'laplace', 'student_t', 'gaussian_mixture', 'kernel'} or Prior, \
            default='gaussian_mixture'
        Density of the latent. A Prior given is copied; a GaussianMixture that has not been
        started is started from data. 'kernel' puts a Gaussian of one trained bandwidth on the
        latent of each training row (of 5,000 drawn at random, if there are more): the flow begins
        as a kernel estimate and bends its space. The score of a row leaves a kernel on that very
        row out, so that scores of training rows compare with those of new ones. `partial_fit`
        keeps the kernels of its first chunk, ``warm_start`` those of the first fit.
    n_components : int or None, default=None
        Number of components of ``prior='gaussian_mixture'``; None chooses it by BIC.
    bandwidth_factor : float, default=1.0
        Factor on the trained bandwidth of ``prior='kernel'`` in scores and samples. Below one the
        density follows single rows more closely than the likeliest does, which finds anomalies
        better.
    standardize : bool, default=True
        Whether columns are centred and scaled to unit deviation before the flow, with the
        Jacobian counted. False hands X to given bijections as it is, for those with a domain of
        their own such as `Logit`.
    max_epochs : int, default=100
        Largest number of passes over the training rows.
    max_time : float or None, default=None
        Seconds that `fit`, or `partial_fit` of a chunk, may take. What comes before training is not
        cut short, and one step is made in any case; the learning rate falls in the time left. What
        is cut short by time is not repeatable.
    partial_fit_epochs : int, default=1
        Number of passes over each chunk of `partial_fit`.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 32 of the training rows, between 64 and 1024, with
        ``prior='kernel'`` one in 8, between 128 and 512.
    learning_rate : float, default=1e-3
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
        rows in each epoch; 'scott' is ``n ** (-1 / (d + 4))``.
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
        missing must not depend on the value itself.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit, keeping place and scale.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`. Global generators are never seeded.
    device : str or torch.device, default='auto'
        Where to train and score; 'auto' is CUDA where there is one, else the CPU.
    dtype : {'float32', 'float64'}, default='float32'
        Precision of training. Scores are computed in float64.
    compile : bool, default=False
        Whether spline kernels run through ``torch.compile``; pays for itself in long fits.
    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called in training; copied first. One ends training by raising `flowkit.StopTraining`.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
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
    sklearn.mixture.GaussianMixture : The classical model that the flow starts from.
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
        **BaseDensity._parameter_constraints,
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

    _shaping_parameters = (*BaseDensity._shaping_parameters, "missing", *_SHAPE)

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
        self.verbose = verbose

    def _configure(self, X, Z, weight, rng):
        config = {name: copy.deepcopy(getattr(self, name)) for name in _SHAPE}
        config["n_features"] = Z.shape[1]
        config["dropout"] = self._dropout_share(len(Z))
        n_components, covariance = self.n_components, None
        config["centres"] = None
        if isinstance(self.transforms, str) and not self.standardize:
            raise InvalidParameterError(
                f"standardize=False needs transforms that know the units of X, got "
                f"{self.transforms!r}, which expects columns of unit scale. Give bijections, "
                "or set standardize=True."
            )
        if self.prior == "kernel":
            # As they are, so that a row that is scored later is known for a centre.
            rows = self._standardise(X)
            kernels = rows, np.ones(len(X)) if weight is None else weight
            if len(X) > _MAX_CENTRES:
                chosen, counts = np.unique(
                    draw_rows(len(X), weight, rng, _MAX_CENTRES), return_counts=True
                )
                kernels = rows[chosen], counts.astype(np.float64)
            start = Start(kernels=kernels)
            config |= {"margins": (), "linear_bound": start.linear_bound}
            config |= {"covariance": None, "centres": len(kernels[0])}
            return config, start
        if isinstance(self.prior, Kernel):
            raise InvalidParameterError(
                "prior is a Kernel, which has no rows to put kernels on: give prior='kernel'."
            )
        with_mixture = self.prior == "gaussian_mixture"
        if isinstance(self.prior, GaussianMixture) and not self.prior.started:
            with_mixture = True
            n_components, covariance = self.prior.n_components, self.prior.covariance
        if isinstance(self.transforms, str):
            start = choose_start(Z, weight, with_mixture, n_components, covariance, rng)
        elif with_mixture:
            bijection = _given_bijection(config).double().eval()
            with torch.no_grad():
                latent, log_det = bijection(torch.from_numpy(Z))
            refuse_outside_support(log_det.numpy())
            least = self.prior.min_deviation if isinstance(self.prior, GaussianMixture) else 0.0
            start = mixture_start(latent.numpy(), weight, n_components, covariance, rng, least)
        else:
            start = Start()
        config["margins"] = start.margins.form
        config["linear_bound"] = start.linear_bound
        config["covariance"], config["min_deviation"] = start.covariance, start.min_deviation
        config["n_components"] = len(start.mixture[0]) if start.mixture else None
        return config, start

    def _own_kernels(self, X):
        if not self._config.get("centres"):
            return None
        own, whole = np.full(len(X), -1), ~np.isnan(X).any(1)
        if whole.any():
            own[whole] = self._map_rows(self.module_.own_kernel, self._standardise(X[whole]))
        return own

    def _may_lie_outside(self):
        return not isinstance(self.transforms, str)

    def _n_rows_needed(self):
        # Rows are judged by each other.
        return 2 if self.prior == "kernel" else super()._n_rows_needed()

    def _batch_size(self, n):
        if self.prior != "kernel":
            return super()._batch_size(n)
        if n < 2:
            raise InvalidDataError(
                "prior='kernel' judges the rows of a batch by each other, so that training needs "
                "at least two rows, got 1. Join it with another chunk."
            )
        if self.batch_size == "auto":
            # The rows of a batch are each other's kernels, so there must be many.
            return int(np.clip(n // 8, 128, 512))
        if self.batch_size < _MIN_KERNEL_BATCH:
            raise InvalidParameterError(
                f"batch_size must be at least {_MIN_KERNEL_BATCH} with prior='kernel', which "
                f"judges the rows of a batch by each other, got {self.batch_size}."
            )
        return self.batch_size

    def _build(self, config, generator):
        flow = KernelFlow if config.get("centres") else Flow
        return flow(_build_bijection(config, generator), _build_prior(config))

    def _start(self, module, start):
        start.margins.start(module.bijection.bijections)
        if start.linear is not None:
            module.bijection.bijections[-1].start(*_tensors(start.linear))
        if start.mixture is not None:
            module.prior.start(*_tensors(start.mixture))
        if start.kernels is not None:
            module.start(*_tensors(start.kernels))
        if not isinstance(self.transforms, str):
            _refuse_missed_latents(module.eval())


def _tensors(arrays):
    # Factors of narrow covariances need the digits; parameters take those that they hold.
    return [torch.from_numpy(array) for array in arrays]


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


def _refuse_missed_latents(module):
    """Refuse a map that does not reach all that the prior gives: its density would not be one."""
    with torch.no_grad():
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
