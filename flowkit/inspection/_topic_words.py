"""Topics of a density within others, in names and units of the rows outside."""

from __future__ import annotations

import re

import numpy as np

from ..exceptions import InvalidParameterError
from ..nested import Unwrapped, find
from ..topics import Documents, table_documents
from ..validation import container_of
from ._display import names_within


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
    if not inside.transformers:
        return fitted.describe_topics(n_words, X=rows, as_frame=as_frame)
    names = _names_behind(inside, X)
    if rows is not None and container_of(X).is_frame and hasattr(fitted, "_tell_of"):
        documents, own = _documents_of(X), list(map(str, container_of(X).labels))
        return fitted._tell_of(rows, documents, names == own, n_words, as_frame)
    return fitted.describe_topics(n_words, X=rows, as_frame=as_frame)
