"""Topics of a density within others, in names and units of the rows outside."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ..nested import find
from ..topics import Documents, table_documents
from ..validation import container_of, missing_in


def describe_topics(estimator, X=None, *, n_words=5, as_frame=False):
    """Topics of a density, maybe within a pipeline, in names and units of the rows outside.

    Parameters
    ----------
    estimator : estimator instance
        Fitted, with a method `describe_topics`, such as `FractalFlowDensity`, or holds such an
        estimator: a `Pipeline`, a search such as `GridSearchCV`, a `TransformedDensity`, a
        `TableDensity` or an outlier detector.
    X : array-like or DataFrame of shape (n_samples, n_features), default=None
        Rows as `estimator` sees them, whose mean proportions are the weights of the topics, and in
        which words are counted for their coherence. Behind transformers, such as those of a
        pipeline, the words are told of the columns of a DataFrame, in their own names, units and
        categories. Without one, columns get the names that transformers give them, in the units
        behind these.
    n_words : int, default=5
        Number of words of a topic.
    as_frame : bool, default=False
        Whether to return a pandas DataFrame, with a row for each word.

    Returns
    -------
    topics : list of dict, or DataFrame
        As of `FractalFlowDensity.describe_topics`.

    Raises
    ------
    InvalidParameterError
        If the estimator has no topics.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from flowkit import FractalFlowDensity
    >>> from flowkit.inspection import describe_topics
    >>> X = load_iris(as_frame=True).data
    >>> density = FractalFlowDensity(n_topics=3, max_epochs=3, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), density).fit(X)
    >>> topics = describe_topics(pipeline, X)
    >>> all("(cm)" in word for topic in topics for word, _ in topic["words"])
    True
    """
    inside = find(estimator, "describe_topics")
    fitted = inside.estimator
    if not hasattr(fitted, "describe_topics"):
        raise InvalidParameterError(
            f"{type(fitted).__name__} has no method 'describe_topics': only FractalFlowDensity has "
            "it, unless prior='normal'."
        )
    rows = None if X is None else inside.transform(X)
    if not inside.transformers or not hasattr(fitted, "_tell_outside"):
        return fitted.describe_topics(n_words, X=rows, as_frame=as_frame)
    labels = [] if X is None else container_of(X).labels or []
    names = inside.get_feature_names(labels)
    if not labels or not fitted._tells_bins:
        return fitted._tell_outside(rows, n_words, as_frame, names=names)
    kept = ~_missing_in_rows(X)
    columns = "alone" if names == list(map(str, labels)) else "mixed"
    rows = np.asarray(rows, dtype=np.float64)[kept]
    return fitted._tell_outside(rows, n_words, as_frame, documents=_read(X, kept), columns=columns)


def _missing_in_rows(X) -> np.ndarray:
    """Which rows of a table lack a value."""
    return np.any([missing_in(column) for column in container_of(X).columns()], axis=0)


def _read(X, kept) -> Documents:
    """Rows of a table as documents, a level or a bin of a column a word."""
    container, levels, columns = container_of(X), {}, []
    for j, column in enumerate(container.columns()):
        values = np.asarray(column)[kept]
        if values.dtype.kind not in "iufb":
            names, values = np.unique(values.astype(str), return_inverse=True)
            levels[j] = names.tolist()
        columns.append(values.astype(np.float64))
    return table_documents(
        np.column_stack(columns), list(map(str, container.labels)), levels=levels
    )
