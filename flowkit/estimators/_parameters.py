"""Parameters and attributes that estimators share: constraints and documentation, each once."""

from __future__ import annotations

import inspect
import os
import re
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from ._training import DTYPES

SHARED_CONSTRAINTS = {
    "standardize": ["boolean"],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "partial_fit_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "noise": [StrOptions({"scott"}), Interval(Real, 0, None, closed="left"), None],
    "dequantize": [StrOptions({"auto"}), None],
    "warm_start": ["boolean"],
    "random_state": ["random_state", np.random.Generator],
    "device": [str, torch.device],
    "dtype": [StrOptions(set(DTYPES))],
    "compile": ["boolean"],
    "callbacks": [list, tuple, None],
    "checkpoint": [str, os.PathLike, None],
    "on_interrupt": [StrOptions({"keep", "raise"})],
    "verbose": ["verbose"],
}

# Name, type, text; defaults are those of each constructor.
_PARAMETERS = """
n_bins : int
    Number of bins of splines.
tail_bound : float
    Half-width, in standard deviations, of the interval that splines bend.
dropout : float or 'auto'
    Share of hidden units dropped in training; 'auto' is ``10 / sqrt(n)`` for n training rows, at
    most 0.3.
max_epochs : int
    Largest number of passes over the training rows.
max_time : float or None
    Seconds that `fit`, or `partial_fit` of a chunk, may take. Initialisation is never cut short,
    and at least one step is made; the learning rate falls in the time left. A fit that is cut
    short by time is not repeatable.
partial_fit_epochs : int
    Number of passes over each chunk of `partial_fit`.
batch_size : int or 'auto'
    Rows in a batch; 'auto' is one row in 16 of the training rows, between 64 and 1024.
learning_rate : float
    Largest learning rate of AdamW for networks; priors and linear maps learn 12 times faster. It
    rises over the first 5 % of the steps and falls along a cosine to zero. Validated and kept are
    averages of the weights over about 50 steps.
weight_decay : float
    Weight decay of AdamW.
early_stopping : bool
    Whether to hold rows out, stop when their density stops rising and keep the best weights.
validation_fraction : float
    Share of the rows held out, drawn at random.
n_iter_no_change : int
    Number of epochs without a gain after which training stops; where few rows make few steps, as
    many as have 100 steps. If the density of the hold-out first falls below that of the initial
    weights, training goes on while the lowest of so many epochs is above the lowest of as many
    before.
tol : float
    Gain of the mean hold-out log density, in nats, that counts.
noise : 'scott', float or None
    Standard deviation of normal noise added to the training rows in each epoch, in standard
    deviations of the columns; 'scott' is ``n ** (-1 / (d + 4))``. Refused where values are
    discrete: images of uint8, and likelihoods of whole numbers.
dequantize : 'auto' or None
    'auto' adds uniform noise in training only. Columns whose repeated values form a lattice, such
    as counts, rounded numbers, or zeros and ones, get noise of their spacing; see
    `dequantization_`. A value that many rows share outside a lattice, such as a code for missing
    or a pile of zeros, gets narrower noise of its own, with a warning; see `heavy_values_`.
missing : 'marginalize' or None
    What happens to NaN. None refuses it, except in `score_marginal` and `impute`, which always
    take it. With 'marginalize', `score_samples` gives the density of the known values of a row,
    with the others integrated out. `fit` completes rows by draws: first from a Gaussian mixture
    fitted to the known values, then, if early stopping leaves epochs, from the density itself.
    Whether a value is missing must not depend on the value. Not for images.
warm_start : bool
    Whether `fit` goes on from the weights of the last fit, keeping location and scale.
random_state : int, RandomState instance, Generator or None
    Source of all randomness of `fit`. Global generators are never seeded.
device : str or torch.device
    Where to train and score; 'auto' is CUDA where there is one, else the CPU.
dtype : {'float32', 'float64'}
    Precision of training. Scores are computed in float64.
compile : bool
    Whether splines run through ``torch.compile`` where numba's kernels cannot: on a GPU. Pays for
    itself in long fits.
callbacks : list of skorch.callbacks.Callback or None
    Called in training; copied first. One ends training by raising `flowkit.StopTraining`.
checkpoint : str, PathLike or None
    File where `fit` keeps its training after each epoch, or less often where writing would take
    more than 5 % of the time. Where there is one of the same rows, parameters and `random_state`,
    which must be an int, training goes on from it: after a crash `fit` ends at the same weights as
    if there had been none. It is removed when `fit` has come to its end, and stays after Ctrl-C.
    What callbacks of yours remember is not kept. One file is of one fit: densities that are fitted
    side by side need a file each. Not with `missing`, nor in `partial_fit`; models that
    `flowkit.load` reads have none.
on_interrupt : {'keep', 'raise'}
    What Ctrl-C in training does: 'keep' ends it with the best weights so far and a warning,
    'raise' raises `KeyboardInterrupt` and leaves the estimator as it was.
verbose : int
    1 shows a progress bar, with what training maximises of the last epoch, on the training rows
    and on the hold-out: mostly log densities of rows in standard deviations, not in units of X.
"""

_ATTRIBUTES = """
location_, scale_ : ndarray of shape (n_features,)
    What columns are centred by and divided by.
dequantization_ : ndarray of shape (n_features,)
    Width, in units of X, of the uniform noise of each column in training; 0 for none.
heavy_values_ : list of tuple (column, value, width)
    Values that get noise of their own in training, and its width, in units of X.
history_ : dict of ndarray of shape (n_iter_ + 1,)
    ``epoch``, ``train_log_density`` and ``valid_log_density`` (mean nats, units of X),
    ``learning_rate``, ``seconds``. Entry 0 is the state before the first epoch.
n_iter_ : int
    Number of epochs run.
best_epoch_ : int
    Epoch whose weights were kept, 0 for the initial ones.
n_samples_seen_ : int
    Number of rows that `fit` had, with those of all calls of `partial_fit` since.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the columns, where X has names.
"""

_HEADING = re.compile(r"(?m)^(?P<name>[A-Z][\w ]+)\n-{3,}\n")
# A line that begins at the margin begins an entry, up to the next one.
_ENTRY = re.compile(r"(?ms)^(?P<name>\w[^:\n]*?) : .*?(?=^\S|\Z)")


def documented(cls):
    """Class decorator: adds the documentation of shared parameters and attributes.

    Parameters stand in the order of the constructor; an entry in the class's own docstring takes
    precedence over the shared one.
    """
    if not cls.__doc__:
        return cls
    text = with_parameters(cls).__doc__
    own, shared = _entries(_section(text, "Attributes")), _entries(_ATTRIBUTES)
    cls.__doc__ = _replaced(text, "Attributes", [*own.values(), *_others(shared, own)])
    return cls


def with_parameters(cls):
    """Class decorator: adds the documentation of shared parameters alone, as `documented` does."""
    if not cls.__doc__:
        return cls
    text = inspect.cleandoc(cls.__doc__)
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()
    }
    own, shared = _entries(_section(text, "Parameters")), _entries(_PARAMETERS)
    entries = [
        own[name] if name in own else _with_default(shared[name], default)
        for name, default in defaults.items()
        if name in own or name in shared
    ]
    cls.__doc__ = _replaced(text, "Parameters", entries)
    return cls


def _section(text: str, name: str) -> str:
    start, end = _span(text, name)
    return text[start:end]


def _span(text, name):
    """Where the body of a section of a docstring begins and ends."""
    headings = list(_HEADING.finditer(text))
    index = next(i for i, heading in enumerate(headings) if heading["name"] == name)
    following = headings[index + 1 : index + 2]
    return headings[index].end(), following[0].start() if following else len(text)


def _entries(body: str) -> dict[str, str]:
    """Entries of a section by name."""
    return {match["name"]: _one_line_head(match[0].rstrip()) for match in _ENTRY.finditer(body)}


def _one_line_head(entry):
    # Lines of code that go on leave their indentation behind.
    head, _, text = entry.partition("\n")
    return f"{' '.join(head.split())}\n{text}"


def _others(shared, own):
    return [entry for name, entry in shared.items() if name not in own]


def _replaced(text, name, entries):
    start, end = _span(text, name)
    return text[:start] + "\n".join(entries) + "\n\n" + text[end:]


def _with_default(entry, default):
    head, body = entry.split("\n", 1)
    return f"{head}, default={default!r}\n{body}"
