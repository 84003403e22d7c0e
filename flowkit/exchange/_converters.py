"""Converters of skl2onnx, by which pipelines that end in a density are exported."""

from __future__ import annotations

from .._optional import require
from ..estimators import FlowDensity
from ..exceptions import NotExportableError
from ..outliers import DensityOutlierDetector
from ._graph import OPSET, Graph, Value
from ._score_nodes import score_nodes

# Methods that become outputs, in this order.
_METHODS = {
    FlowDensity: ("score_samples",),
    DensityOutlierDetector: ("score_samples", "decision_function", "predict"),
}


def register_onnx_converters(overwrite: bool = True) -> None:
    """Let skl2onnx export `FlowDensity` and `DensityOutlierDetector` at the end of pipelines.

    Afterwards ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` take them, alone or as the last
    step of a pipeline, and give outputs with the names of methods, as `to_onnx` does. Within a
    pipeline a density is always scored, and never a transformer.

    Parameters
    ----------
    overwrite : bool, default=True
        Whether converters that are registered already are replaced; False raises instead.

    Raises
    ------
    ValueError
        By skl2onnx, if there are such converters and `overwrite` is False.
    MissingDependencyError
        If the package skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from flowkit import FlowDensity
    >>> from flowkit.exchange import register_onnx_converters
    >>> skl2onnx = pytest.importorskip("skl2onnx")
    >>> register_onnx_converters()
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> density = FlowDensity(n_transforms=1, max_epochs=1, random_state=0)
    >>> model = skl2onnx.to_onnx(make_pipeline(StandardScaler(), density).fit(X), X[:1])
    >>> [output.name for output in model.graph.output]
    ['score_samples']
    """
    skl2onnx = require("skl2onnx", "register_onnx_converters")
    for cls in _METHODS:
        skl2onnx.update_registered_converter(
            cls,
            f"Flowkit{cls.__name__}",
            _set_types,
            _convert,
            overwrite=overwrite,
            parser=_parse,
        )


def _parse(scope, model, inputs, custom_parsers=None):
    """Declare the operator with an output for each method."""
    types = require("skl2onnx.common.data_types", "register_onnx_converters")
    operator = scope.declare_local_operator(f"Flowkit{type(model).__name__}", model)
    operator.inputs.extend(inputs)
    for name in _METHODS[type(model)]:
        kind = types.Int64TensorType if name == "predict" else types.DoubleTensorType
        operator.outputs.append(scope.declare_local_variable(name, kind([None])))
    return operator.outputs


def _set_types(operator):
    """Shapes and types are those declared by `_parse`."""


def _convert(scope, operator, container):
    """Add the nodes of an estimator to a graph of skl2onnx."""
    if container.target_opset_any_domain("") < OPSET:
        raise NotExportableError(
            f"flowkit needs operators of ONNX of version {OPSET} or later, got "
            f"{container.target_opset_any_domain('')}. Give target_opset={OPSET}."
        )
    helper = require("onnx.helper", "register_onnx_converters")
    graph = Graph(scope.get_unique_operator_name("flowkit"))
    parts = [Value(graph, given.full_name).cast("DOUBLE") for given in operator.inputs]
    rows = parts[0].beside(*parts[1:]) if len(parts) > 1 else parts[0]
    scores = score_nodes(operator.raw_operator, rows)
    for output in operator.outputs:
        scores[output.raw_name].named(output.full_name)
    container.initializers.extend(graph.constants)
    for node in graph.nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            name=scope.get_unique_operator_name(node.op_type),
            op_version=OPSET,
            **attributes,
        )
