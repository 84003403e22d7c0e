"""Functions of pandas frames, as Spark and Ray Data call them."""

from __future__ import annotations

import pickle

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from flowkit import FlowDensity, TableDensity, save
from flowkit.distributed import FrameScorer
from flowkit.exceptions import InvalidDataError, InvalidParameterError, MissingFileError

from .examples import FRAME, METHODS, SMALL, X, fitted, mixed


def chunks(frame, n=3):
    """As an engine cuts a table, with an empty chunk."""
    size = len(frame) // n
    return [*(frame.iloc[i : i + size] for i in range(0, len(frame), size)), frame.iloc[:0]]


@pytest.mark.parametrize("model", METHODS)
def test_columns_are_added_by_what_the_model_says(model):
    estimator, methods = fitted(model, with_names=True), METHODS[model]
    # Columns in another order, and one that the model does not read.
    frame = FRAME[FRAME.columns[::-1]].assign(key=np.arange(len(FRAME)))
    scorer = FrameScorer(estimator, methods=methods)
    found = pd.concat(scorer.map(chunks(frame)))
    pd.testing.assert_frame_equal(found[frame.columns], frame)
    for method in methods:
        names = list(estimator.get_feature_names_out()) if method == "transform" else [method]
        expected = np.asarray(getattr(estimator, method)(FRAME)).reshape(len(FRAME), -1)
        np.testing.assert_allclose(found[names].to_numpy(), expected, rtol=1e-7, atol=1e-7)
    assert found.shape[1] > frame.shape[1]


def test_an_iterator_of_chunks_is_drawn_from_one_by_one():
    drawn = []

    def frames():
        for chunk in chunks(FRAME):
            drawn.append(len(chunk))
            yield chunk

    # Spark hands over an iterator, and what it maps is pickled by cloudpickle.
    mapped = cloudpickle.loads(
        cloudpickle.dumps(FrameScorer(fitted("flow"), columns=FRAME.columns).map)
    )
    iterator = mapped(frames())
    next(iterator)
    assert drawn == [50]
    assert sum(len(frame) for frame in iterator) == 100


def test_a_file_is_loaded_where_it_is_used_and_once(tmp_path, monkeypatch):
    path = tmp_path / "model.flow"
    density = TableDensity(FlowDensity(**SMALL)).fit(mixed()[["size", "kind"]])
    save(density, path)
    scorer = FrameScorer(path)
    first = scorer(mixed())
    np.testing.assert_array_equal(
        first["score_samples"], density.score_samples(mixed()[["size", "kind"]])
    )
    size = len(pickle.dumps(scorer))
    assert size < 1000
    path.unlink()
    scorer(mixed())
    with pytest.raises(MissingFileError):
        pickle.loads(pickle.dumps(scorer))(mixed())


def test_what_cannot_be_scored_is_told():
    scorer = FrameScorer(fitted("flow", with_names=True))
    with pytest.raises(InvalidDataError, match=r"no columns \['sepal width \(cm\)'\]"):
        scorer(FRAME.drop(columns="sepal width (cm)"))
    with pytest.raises(InvalidDataError, match=r"\['score_samples'\] already"):
        scorer(FRAME.assign(score_samples=0))
    with pytest.raises(InvalidParameterError, match="method must be one of"):
        FrameScorer(fitted("flow"), "fit")(FRAME)
    np.testing.assert_array_equal(
        FrameScorer(fitted("flow"))(pd.DataFrame(X)).iloc[:, -1], fitted("flow").score_samples(X)
    )
