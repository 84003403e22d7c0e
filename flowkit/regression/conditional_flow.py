"""A regressor that gives the whole distribution of its targets."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from ..bijections import Compose, ElementwiseAffine, LULinear
from ..bijections.registry import TRANSFORMS, build_steps
from ..columns import StandardisedColumns
from ..estimators import (
    SHARED_CONSTRAINTS,
    Trainer,
    checkpoint_of,
    copied_callbacks,
    pass_interruption_on,
    resolve_device,
    split,
    usual_dropout,
    warn_of_interruption,
    warn_of_late_gains,
    with_parameters,
)
from ..exceptions import InvalidDataError
from ..modules import ResidualFlow
from ..priors import Normal
from ..starts import choose_start, margin_steps
from ..training import FitRun
from ..validation import labels_of, row_weights
from ._fitted import FittedRegressor
from ._inputs import (
    location_and_scale,
    names_of_targets,
    read_training,
)
from ._learners import LEARNERS
from ._start import regression_start

# What the module is built from.
_SHAPE = (
    "transforms",
    "n_transforms",
    "hidden_units",
    "n_hidden_layers",
    "n_bins",
    "tail_bound",
)
_FEWEST_TRAINING_ROWS = 2
_SHARED = (
    "max_epochs",
    "max_time",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "tol",
    "dequantize",
    "random_state",
    "device",
    "dtype",
    "callbacks",
    "checkpoint",
    "on_interrupt",
    "verbose",
)


@with_parameters
class ConditionalFlow(FittedRegressor):
    """Regression that gives the whole distribution of its targets, by a normalizing flow.

    A classical regression predicts location and scale of the targets from the features. What it
    leaves over goes through an invertible map onto a normal distribution; the map depends on the
    features, so that spread, skewness, tails and number of modes may differ from row to row. The
    density is exact. The map is initialised as one that is the same for all rows, and the initial
    weights take part in early stopping, so that training can only gain on the hold-out; with
    ``best_epoch_ == 0`` the model is the classical regression with the distribution of its
    residuals.

    Residuals are always those of regressions that have not seen the row: regressions are fitted in
    five folds, and new rows get the mean of the five.

    Parameters
    ----------
    start : {'auto', 'ridge', 'forest', 'boosting'}, default='auto'
        The classical regression. 'ridge' is linear, with one scale for all rows; 'forest' are
        extremely randomised trees, 'boosting' is gradient boosting, both with scales that another
        forest predicts, where that makes rows left out likelier. 'auto' weighs all three, by their
        squared error on rows left out.
    transforms : {'spline_coupling', 'affine_coupling', 'spline_autoregressive', \
            'affine_autoregressive'}, default='spline_coupling'
        The map of residuals, behind a shift and a scale that depend on the features too. A name
        stands for `n_transforms` such steps with linear maps between them.
    n_transforms : int, default=2
        Number of steps; 0 leaves shift, scale and a linear map.
    hidden_units : int, default=64
        Width of the hidden layers of each step's network.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    calibrate : bool, default=False
        Whether rows are held out of `fit` that widen or narrow `predict_interval` until it holds:
        if rows are exchangeable, an interval of coverage 0.9 then holds the target of a new row
        with a probability of at least 0.9, however wrong the model is (split conformal
        prediction on normal scores). The probability is that over rows, not at each X, and of each
        target by itself.
    calibration_fraction : float, default=0.25
        Share of the rows that ``calibrate=True`` holds out; otherwise without effect.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is one row in 16 of the training rows, between 64 and 1024.
    dequantize : 'auto' or None, default='auto'
        'auto' adds uniform noise to targets, in training only. Targets whose repeated values form a
        lattice, such as counts and rounded numbers, get noise of their spacing, and values that
        many rows share outside a lattice narrower noise of their own.

    Attributes
    ----------
    module_ : flowkit.modules.ResidualFlow
        The fitted flow on standardised targets, float64.
    start_weights_ : dict of ndarray of shape (n_outputs_,)
        Weight of each classical regression in the location of each target.
    calibration_scores_ : ndarray of shape (n_calibration, n_outputs_)
        Absolute normal scores of the calibration rows; only with `calibrate`. Where the model is
        right, they are those of standard normal numbers.
    history_ : dict of ndarray of shape (n_iter_ + 1,)
        ``epoch``, ``train_log_density`` and ``valid_log_density`` (mean nats, units of y),
        ``learning_rate``, ``seconds``. Entry 0 is the state before the first epoch.
    n_iter_ : int
        Number of epochs run.
    best_epoch_ : int
        Epoch whose weights were kept, 0 for the initial ones.
    n_outputs_ : int
        Number of targets.
    n_samples_seen_ : int
        Number of rows that `fit` had, of a positive weight.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    FlowDensity : Density of rows without a target.
    sklearn.linear_model.BayesianRidge : Normal distributions of one scale.
    sklearn.ensemble.HistGradientBoostingRegressor : Single quantiles, one a fit.

    Notes
    -----
    Of one target, quantiles, means and cumulative probabilities are exact, up to a quadrature of 65
    nodes for the mean. Of several, those of each by itself rest on 512 fixed draws of the latent;
    `log_prob` and `sample` are exact for all targets together.

    References
    ----------
    Winkler, Worrall, Hoogeboom, Welling, "Learning Likelihoods with Conditional Normalizing Flows",
    2019, arXiv 1912.00042.

    Chernozhukov, Wuthrich, Zhu, "Distributional conformal prediction", PNAS 118 (2021),
    arXiv 1909.07889.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from flowkit import ConditionalFlow
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConditionalFlow(start="ridge", max_epochs=5, random_state=0).fit(X, y)
    >>> mean, std = model.predict(X[:3], return_std=True)
    >>> mean.shape, std.shape
    ((3,), (3,))
    >>> model.predict_interval(X[:3], coverage=0.9).shape
    (3, 2)
    >>> model.log_prob(X[:3], y[:3]).shape
    (3,)
    """

    _parameter_constraints: dict = {
        "start": [StrOptions({"auto", *LEARNERS})],
        "transforms": [StrOptions(set(TRANSFORMS))],
        "n_transforms": [Interval(Integral, 0, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, 999, closed="both")],
        "tail_bound": [Interval(Real, 0, None, closed="neither")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "calibrate": ["boolean"],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        **{name: SHARED_CONSTRAINTS[name] for name in _SHARED},
    }

    # What training asks of any estimator, and is the same for all of these.
    missing = None
    noise = None
    kl_warmup = 0.0
    _max_epoch_rows = None
    _topic_keeper = None

    def __init__(
        self,
        start="auto",
        *,
        transforms="spline_coupling",
        n_transforms=2,
        hidden_units=64,
        n_hidden_layers=2,
        n_bins=8,
        tail_bound=4.0,
        dropout="auto",
        calibrate=False,
        calibration_fraction=0.25,
        max_epochs=100,
        max_time=None,
        batch_size="auto",
        learning_rate=3e-3,
        weight_decay=1e-4,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        dequantize="auto",
        random_state=None,
        device="auto",
        dtype="float32",
        callbacks=None,
        checkpoint=None,
        on_interrupt="keep",
        verbose=0,
    ):
        self.start = start
        self.transforms = transforms
        self.n_transforms = n_transforms
        self.hidden_units = hidden_units
        self.n_hidden_layers = n_hidden_layers
        self.n_bins = n_bins
        self.tail_bound = tail_bound
        self.dropout = dropout
        self.calibrate = calibrate
        self.calibration_fraction = calibration_fraction
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dequantize = dequantize
        self.random_state = random_state
        self.device = device
        self.dtype = dtype
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.on_interrupt = on_interrupt
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the distribution of the targets given the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; finite real numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; finite real numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidDataError
            If something is no finite number or overflows, or fewer than two rows are left to
            train on.
        FitDivergedError
            If the loss stays non-finite after two returns to the best weights.
        BatchMemoryError
            If not even the smallest part of a batch fits into memory.
        CheckpointError
            If `checkpoint` cannot be read or written, or holds another training.
        KeyboardInterrupt
            If Ctrl-C ended training and `on_interrupt` is 'raise'.

        Warns
        -----
        ConstantColumnWarning
            If a target holds one value only.
        HeavyValueWarning
            If many rows share a target that does not belong to a lattice.
        NoHoldOutWarning
            If there are too few rows for a hold-out.
        NotConvergedWarning
            If the density of the hold-out was still rising when `max_epochs` or `max_time` ended
            training.
        InterruptedFitWarning
            If Ctrl-C ended training after its first step; the best weights so far are kept.
        BatchInPartsWarning
            If batches did not fit into memory as a whole.
        """
        with self._unchanged_on_failure():
            copied_callbacks(self.callbacks)
            X, Y = read_training(self, X, y)
            names = names_of_targets(y, Y.shape)
            self._is_single, Y = Y.ndim == 1, Y.reshape(len(X), -1)
            self.n_outputs_ = Y.shape[1]
            weight = None
            if sample_weight is not None:
                weight = row_weights(sample_weight, len(X), _FEWEST_TRAINING_ROWS)
                X, Y, weight = (a[weight > 0] for a in (X, Y, weight))
                # A penalty of ridge regression would tell large weights from small ones.
                weight = weight / weight.max()
                weight = weight / weight.mean()
            self.n_samples_seen_ = len(X)
            run = FitRun(self.random_state)
            checkpoint = checkpoint_of(self, np.concatenate([X, Y], 1), weight, True)
            rest, held = self._hold_out_for_calibration(len(X), run.start)
            own = None if weight is None else weight[rest]
            record, n_hold_out = self._fit(X[rest], Y[rest], own, names, run, checkpoint)
            self._calibrate(X[held], Y[held], None if weight is None else weight[held])
            pass_interruption_on(record, self.on_interrupt)
            if checkpoint is not None and record.ended_by != "interrupt":
                checkpoint.discard()
            warn_of_interruption(record, self.n_iter_, self.best_epoch_)
            if n_hold_out:
                warn_of_late_gains(record, self, n_hold_out, self.n_outputs_)
        return self

    # ------------------------------------------------------------------ fitting

    def _hold_out_for_calibration(self, n, rng):
        """Indices of the rows to fit, and of those that calibrate intervals."""
        if not self.calibrate:
            return np.arange(n), np.arange(0)
        order = rng.permutation(n)
        n_held = math.ceil(self.calibration_fraction * n)
        if n - n_held < _FEWEST_TRAINING_ROWS:
            raise InvalidDataError(
                f"calibration_fraction={self.calibration_fraction} leaves {n - n_held} of {n} rows "
                f"to train on, but at least {_FEWEST_TRAINING_ROWS} are needed: give more rows, a "
                "smaller calibration_fraction, or set calibrate=False."
            )
        return np.sort(order[n_held:]), np.sort(order[:n_held])

    def _fit(self, X, Y, weight, names, run, checkpoint):
        """Everything but calibration; gives the record of the training and the hold-out's size."""
        self._device, self._dtype = str(resolve_device(self.device)), self.dtype
        self._location, self._scale = location_and_scale(X, weight, labels_of(self))
        self._targets = StandardisedColumns.of(
            Y,
            weight,
            names,
            dequantize=self.dequantize,
            standardize=True,
            warns_of_heavy_values=True,
        )
        training, hold_out = split(len(X), self.early_stopping, self.validation_fraction, run.start)
        rows = self._begin(X, Y, weight, training, run)
        self.n_iter_ = 0
        trainer = Trainer(self, run, checkpoint)
        self.module_, record = trainer.fit(self.module_, rows, weight, training, hold_out)
        shift = np.log(self._targets.scale).sum()
        self.history_ = {
            name: values - shift if name.endswith("log_density") else values
            for name, values in record.history.items()
        }
        self.n_iter_, self.best_epoch_ = record.n_epochs, record.best_epoch
        return record, 0 if hold_out is None else len(hold_out)

    def _begin(self, X, Y, weight, training, run):
        """Fit the classical regression, initialise the module as it; rows for the module."""
        rng, Z, U = run.start, self._standardised(X), self._targets.standardise(Y)
        own = None if weight is None else weight[training]
        spread = self._targets.spread_ties(U[training], rng)
        self._start, left_out = regression_start(self.start, Z[training], spread, own, rng)
        names = list(LEARNERS) if self.start == "auto" else [self.start]
        self.start_weights_ = dict(zip(names, self._start.locations.weights, strict=True))
        predicted = self._start.predict(Z)
        predicted[training] = left_out
        location, log_scale = np.split(left_out, 2, axis=1)
        residual = (spread - location) * np.exp(-log_scale)
        start = choose_start(residual, own, False, None, None, rng)
        self._config = {name: getattr(self, name) for name in _SHAPE} | start.config
        self._config |= {"n_targets": Y.shape[1], "n_features": X.shape[1]}
        dropout = usual_dropout(len(training)) if self.dropout == "auto" else self.dropout
        self._config["dropout"] = dropout
        module = self._build_module(self._config, run.weights)
        start.initialise(module)
        self.module_ = module.to(device=self._device).double().eval()
        return np.concatenate([U, predicted, np.arcsinh(Z)], 1)

    def _build_module(self, config, generator):
        d = config["n_targets"]
        names = ("hidden_units", "n_hidden_layers", "dropout", "n_bins", "tail_bound")
        options = {name: config[name] for name in names} | {"generator": generator}
        options["n_context"] = 2 * d + config["n_features"]
        steps = build_steps((ElementwiseAffine,), 1, d, **options)
        steps += build_steps(TRANSFORMS[config["transforms"]], config["n_transforms"], d, **options)
        last = LULinear(d, config["linear_bound"])
        return ResidualFlow(Compose([*margin_steps(config["margins"], d), *steps, last]), Normal(d))

    @property
    def _columns(self):
        """Columns of the rows of the module: targets, and a context without any noise."""
        n_context = self.module_.n_features - self.n_outputs_
        return replace(
            self._targets,
            location=np.append(self._targets.location, np.zeros(n_context)),
            scale=np.append(self._targets.scale, np.ones(n_context)),
            dequantization=np.append(self._targets.dequantization, np.zeros(n_context)),
        )

    def _batch_size(self, n):
        return int(np.clip(n // 16, 64, 1024)) if self.batch_size == "auto" else self.batch_size

    def _calibrate(self, X, Y, weight):
        """Keep what tells how far targets of rows that were not trained on go."""
        for name in ("calibration_scores_", "_calibration_weight"):
            self.__dict__.pop(name, None)
        if len(X):
            rows = np.concatenate([self._targets.standardise(Y), self._contexts_of(X)], 1)
            self.calibration_scores_ = np.abs(self._outcomes.normal_scores(rows))
            self._calibration_weight = weight
