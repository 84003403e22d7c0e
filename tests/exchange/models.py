"""Models of ONNX as tests run them."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.exchange import to_onnx
from flowkit.exchange._graph import IR_VERSION, OPSETS, Graph, Value

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(model, rows) -> dict:
    """What a model says of rows, by the name of the output."""
    options = {"providers": ["CPUExecutionProvider"]}
    session = runtime.InferenceSession(model.SerializeToString(), **options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": rows}), strict=True))


def agree(estimator, rows, **options) -> set:
    """Names of the outputs of the model of an estimator, which agree with its methods."""
    model = to_onnx(estimator, **options)
    onnx.checker.check_model(model, full_check=True)
    found = run(model, rows)
    for name, values in found.items():
        expected = getattr(estimator, name)(rows)
        assert values.shape == expected.shape
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=name)
    assert all(len(values) == 0 for values in run(model, rows[:0]).values())
    return set(found)


def evaluated(function, rows):
    """What a function of a value of a graph gives for rows of float64."""
    graph = Graph()
    function(Value(graph, "X")).named("Y")
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    body = helper.make_graph(
        graph.nodes,
        "function",
        [helper.make_tensor_value_info("X", double, ["n", rows.shape[1]])],
        [helper.make_empty_tensor_value_info("Y")],
        initializer=graph.constants,
    )
    opsets = [helper.make_opsetid(*pair) for pair in OPSETS.items()]
    return run(helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION), rows)["Y"]
