"""A fitted estimator and its rows, told on one page."""

from __future__ import annotations

import json
import math
import platform
import re
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from .._replacing import check_place, replacing
from .._seeds import check_random_state
from ..exceptions import InvalidDataError, InvalidFileError, InvalidParameterError
from ..nested import log_density_of
from ..validation import check_count, check_flag, container_of
from . import _sections
from ._blocks import Section
from ._evidence import Evidence
from ._numbers import counted, fixed
from ._page import framed, page
from ._text import markdown
from .checks import CHECKS, FOUND

_PACKAGES = ("numpy", "scikit-learn", "torch")
_MAX_SEED = 2**31 - 1
# Where an object lies in memory, which is another place each time.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def report(
    estimator,
    X,
    *,
    X_test=None,
    refit=True,
    detector=None,
    n_strange=5,
    title=None,
    random_state=0,
) -> Report:
    """Tell what a table holds, how well an estimator fits it, and what is unusual.

    The report has the numbered checks and what they found; the strangest rows with reasons; the
    columns as they were read; the log density of held-out rows beside that of a Gaussian, a
    Gaussian mixture and a kernel density that were fitted to the same rows; how training went;
    rows drawn, beside the data, by column and by pair; topics, where there are any; settings and
    versions.

    Parameters
    ----------
    estimator : estimator
        Fitted to X: a density, alone or in a `Pipeline`, or a detector. It is left as it is.
    X : array-like or DataFrame of shape (n_samples, n_features)
        The rows that it was fitted to.
    X_test : array-like or DataFrame of shape (n_test, n_features), default=None
        Rows that it was not fitted to, for the comparison with other densities.
    refit : bool, default=True
        Whether, without `X_test`, a copy of the estimator may be fitted to four fifths of X, so
        that the others can be held out. This takes about as long as the fit did. If not, nothing is
        compared.
    detector : DensityOutlierDetector, default=None
        Fitted to X; tells the strangest rows in place of the estimator. A density that is rich
        enough may have got used to a strange row of its training, which a detector with its
        default densities is less likely to.
    n_strange : int, default=5
        How many of the strangest rows are told.
    title : str, default=None
        Heading; by default it names the estimator.
    random_state : int, RandomState instance, Generator or None, default=0
        Which rows are held out, and the draws.

    Returns
    -------
    Report
        It shows itself in notebooks; ``save`` writes a file, ``to_dict`` gives the numbers.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    InvalidParameterError
        If it, or the detector, has no `score_samples`.
    InvalidDataError
        If X is not what it was fitted to, or another argument is not as above.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import flowkit
    >>> X = load_iris().data
    >>> density = flowkit.FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> told = flowkit.report(density, X, refit=False)
    >>> [check["number"] for check in told.to_dict()["checks"]]
    ['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9']
    """
    for one in (estimator, *(() if detector is None else (detector,))):
        check_is_fitted(one)
        if not hasattr(one, "score_samples"):
            raise InvalidParameterError(
                f"{_name(one)} has no score_samples: give a density or a detector."
            )
    refit = check_flag(refit, "refit")
    n_strange = check_count(n_strange, "n_strange")
    seed = random_state
    if not isinstance(seed, int | np.integer):
        seed = check_random_state(random_state).randint(_MAX_SEED)
    X, X_test = (x if x is None or hasattr(x, "shape") else np.asarray(x) for x in (X, X_test))
    for name, rows in (("X", X), ("X_test", X_test)):
        if rows is not None:
            if container_of(rows).shape[:1] in ((), (0,)):
                raise InvalidDataError(f"{name} holds no rows: give at least one.")
            # Other columns are refused by name here, and nowhere later.
            log_density_of(estimator, _safe_indexing(rows, [0]))
    n_strange = min(n_strange, container_of(X).shape[0])
    evidence = Evidence(estimator, X, X_test, refit, detector, n_strange, int(seed))
    return Report(evidence, title or f"{_name(estimator)}: a report")


class Report:
    """What `flowkit.report` found.

    Parameters
    ----------
    evidence : Evidence
        What was measured.
    title : str
        The heading.
    """

    def __init__(self, evidence: Evidence, title: str):
        self.title = title
        # In the order of the checks, so that draws and fits are made once and now.
        self._outcomes = [(check, check.look(evidence)) for check in CHECKS]
        self._data = _described(evidence, self._outcomes)
        self._sections = _sections_of(evidence, self._outcomes, self._data)
        self._lead = _lead(evidence, self._outcomes)

    def to_dict(self) -> dict:
        """All that was measured, as plain values.

        Returns
        -------
        dict
            Under `checks`, `columns`, `held_out`, `training`, `draws`, `strange_rows`, `topics`,
            `estimator` and `versions`; what was not measured is text that says why, or None.
        """
        return json.loads(self._json)

    def save(self, path) -> None:
        """Write the report to a file.

        Parameters
        ----------
        path : str or path-like
            The file: ``.html``, a page that needs no other file and no network; ``.md``, text; or
            ``.json``, the numbers. One that is there is replaced.

        Raises
        ------
        InvalidParameterError
            If its name has another ending.
        InvalidFileError
            If it cannot be written.
        """
        forms = {".html": self._html, ".htm": self._html, ".md": str(self), ".json": self._json}
        check_report_path(path)
        text = forms[Path(path).suffix.lower()]
        try:
            with replacing(str(path)) as file:
                file.write(text.encode("utf-8"))
        except OSError as error:
            raise InvalidFileError(f"{str(path)!r} cannot be written: {error.strerror}.") from error

    def __str__(self) -> str:
        return markdown(self.title, self._lead, self._sections)

    def __repr__(self) -> str:
        return f"<Report {self.title!r}: {self._lead}>"

    def _repr_html_(self) -> str:
        return framed(self._html)

    @cached_property
    def _html(self) -> str:
        return page(self.title, self._lead, self._sections)

    @cached_property
    def _json(self) -> str:
        return json.dumps({"title": self.title, **_plain(self._data)}, indent=1, allow_nan=False)


def check_report_path(path) -> None:
    """Refuse a file whose ending tells no form of a report, or that cannot be written.

    Raises
    ------
    InvalidParameterError
        If it has another ending.
    InvalidFileError
        If no file can be put there.
    """
    if Path(path).suffix.lower() not in (".html", ".htm", ".md", ".json"):
        raise InvalidParameterError(
            f"a report is written to .html, .md or .json, got {str(path)!r}: rename the file."
        )
    check_place(str(path))


def _sections_of(evidence, outcomes, data) -> list[Section]:
    sections = [
        _sections.checks(outcomes),
        _sections.strange(evidence),
        _sections.data(evidence),
        _sections.comparison(evidence),
        _sections.training(evidence),
        _sections.samples(evidence),
        _sections.topics(evidence),
        _sections.settings(data),
    ]
    return [section for section in sections if section is not None]


def _lead(evidence, outcomes) -> str:
    """The report in a few sentences."""
    n, d = evidence.shape
    told = [f"{_name(evidence.estimator)} of {counted(n, 'row')} and {counted(d, 'column')}."]
    found = [check.number for check, outcome in outcomes if outcome.status == FOUND]
    told.append(f"Look at {', '.join(found)}." if found else "No check found anything.")
    comparison = evidence.comparison
    if not isinstance(comparison, str) and comparison.best_other is not None:
        gain, error = comparison.gain(comparison.best_other)
        if np.isfinite(gain):
            verb = "gains" if gain >= 0 else "loses"
            told.append(
                f"On held-out rows it {verb} {fixed(abs(gain))} ± {fixed(error)} nats a row beside "
                f"the best of the classical densities ({comparison.best_other})."
            )
    if not isinstance(evidence.strange, str):
        first = evidence.strange
        told.append(f"The strangest row is {first.labels[0]}: {first.lines[0][0]}.")
    return " ".join(told)


def _described(evidence, outcomes) -> dict:
    return {
        "estimator": _ADDRESS.sub("", " ".join(repr(evidence.estimator).split())),
        "rows": evidence.shape[0],
        "checks": [
            {
                "number": check.number,
                "title": check.title,
                "severity": check.severity,
                "status": outcome.status,
                "text": outcome.text,
            }
            for check, outcome in outcomes
        ],
        "strange_rows": _or_text(evidence.strange),
        "columns": [column.described() for column in evidence.columns],
        "held_out": _or_text(evidence.comparison),
        "training": None if evidence.training is None else evidence.training.described(),
        "draws": _or_text(evidence.draws),
        "topics": evidence.topics,
        "random_state": evidence.seed,
        "versions": {"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
    }


def _or_text(found):
    return found if isinstance(found, str) else found.described()


def _name(estimator) -> str:
    return type(estimator).__name__


def _plain(value):
    """A value as JSON has it: numbers that are not finite as text, or nothing."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
