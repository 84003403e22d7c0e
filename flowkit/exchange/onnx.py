"""Scores as a graph of ONNX, which other languages and devices run without Python."""

from __future__ import annotations

import os

from .._optional import require
from .._replacing import replacing
from ..exceptions import InvalidFileError, InvalidParameterError
from ._graph import IR_VERSION, OPSETS, Graph, Value
from ._score_nodes import score_nodes

_TYPES = {"float64": "DOUBLE", "float32": "FLOAT"}


def to_onnx(estimator, path: str | os.PathLike | None = None, *, dtype: str = "float64"):
    """The scores of a fitted estimator as a model of ONNX.

    What methods of the estimator say of new rows, and of the rows that it was trained on,
    `onnxruntime` and other engines say by the model, up to rounding, of batches of any size.

    Parameters
    ----------
    estimator : density or detector
        Fitted: a `FlowDensity` of couplings, autoregressive steps, linear maps and maps of single
        columns, with any named prior; a `FractalFlowDensity` of columns of numbers;
        a `TransformedDensity`, `StackedDensity` or `TableDensity` of numbers; mixtures and kernels
        of scikit-learn; the default densities of `DensityOutlierDetector`; that detector itself
        with ``statistic='log_density'`` or 'typicality'; or a Pipeline or FrozenEstimator of one
        of these.
    path : str or path-like, default=None
        File to write the model to; None writes none.
    dtype : {'float64', 'float32'}, default='float64'
        Type of the rows that the model takes. It computes in float64 either way.

    Returns
    -------
    onnx.ModelProto
        The model. Its input is ``X`` of shape (n_samples, n_features); its outputs, of shape
        (n_samples,), have the names of methods: ``score_samples`` and, of a detector,
        ``decision_function``, ``predict`` and, if it was calibrated, ``p_values``.

    Raises
    ------
    InvalidParameterError
        If `dtype` is another.
    MissingDependencyError
        If the package onnx is not installed.
    NotExportableError
        If a part of the estimator has no form in ONNX; the message names it.
    InvalidFileError
        If the file cannot be written.

    Notes
    -----
    A model refuses no rows: where values are missing or infinite, scores are NaN and `predict` says
    -1. Only a detector of the default densities fills missing values, as it does in Python. Bins of
    splines are found by comparison, places among training values by halving. Kernels and neighbours
    cost memory for their number times that of the rows of a batch.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> from flowkit import FlowDensity
    >>> from flowkit.exchange import to_onnx
    >>> _ = pytest.importorskip("onnx")
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> model = to_onnx(FlowDensity(n_transforms=1, max_epochs=1, random_state=0).fit(X))
    >>> [output.name for output in model.graph.output]
    ['score_samples']
    """
    if dtype not in _TYPES:
        raise InvalidParameterError(f"dtype must be 'float64' or 'float32', got {dtype!r}.")
    helper = require("onnx.helper", "to_onnx")
    kinds = require("onnx", "to_onnx").TensorProto
    graph = Graph()
    given = Value(graph, "X")
    scores = score_nodes(estimator, given.cast("DOUBLE"))
    shape = ["n_samples", estimator.n_features_in_]
    inputs = [helper.make_tensor_value_info("X", getattr(kinds, _TYPES[dtype]), shape)]
    outputs = []
    for name, value in scores.items():
        value.named(name)
        kind = kinds.INT64 if name == "predict" else kinds.DOUBLE
        outputs.append(helper.make_tensor_value_info(name, kind, shape[:1]))
    body = helper.make_graph(
        graph.nodes, type(estimator).__name__, inputs, outputs, initializer=graph.constants
    )
    used = {node.domain for node in graph.nodes} | {""}
    opsets = [helper.make_opsetid(domain, OPSETS[domain]) for domain in sorted(used)]
    model = helper.make_model(
        body, producer_name="flowkit", opset_imports=opsets, ir_version=IR_VERSION
    )
    if path is not None:
        name = os.fspath(path)
        try:
            with replacing(name) as file:
                file.write(model.SerializeToString())
        except OSError as error:
            raise InvalidFileError(
                f"{name!r} cannot be written: {error.strerror or error}."
            ) from error
    return model
