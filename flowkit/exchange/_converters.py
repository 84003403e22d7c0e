"""Converters of skl2onnx, by which pipelines that end in a density are exported."""

from __future__ import annotations

from .._optional import require
from ..estimators import FlowDensity, FractalFlowDensity
from ..exceptions import NotExportableError
from ..outliers import DensityOutlierDetector
from ..stacking import StackedDensity
from ..tables import TableDensity
from ..transforms import TransformedDensity
from ._graph import OPSETS, Graph, Value
from ._score_nodes import methods_of, score_nodes

_ESTIMATORS = (
    DensityOutlierDetector,
    FlowDensity,
    FractalFlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)


def register_onnx_converters(overwrite: bool = True) -> None:
    """Let skl2onnx export densities and detectors of flowkit at the end of pipelines.

    Afterwards ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` take `FlowDensity`,
    `FractalFlowDensity`, `TransformedDensity`, `StackedDensity`, `TableDensity` and
    `DensityOutlierDetector`, alone or as the last step of a pipeline, and give outputs with the
    names of methods, as `to_onnx` does. Within a pipeline a density is always scored, and never a
    transformer.

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
    for cls in _ESTIMATORS:
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
    for name in methods_of(model):
        kind = types.Int64TensorType if name == "predict" else types.DoubleTensorType
        operator.outputs.append(scope.declare_local_variable(name, kind([None])))
    return operator.outputs


def _set_types(operator):
    """Shapes and types are those declared by `_parse`."""


def _convert(scope, operator, container):
    """Add the nodes of an estimator to a graph of skl2onnx."""
    for domain, least in OPSETS.items():
        version = container.target_opset_any_domain(domain)
        if version < least:
            raise NotExportableError(
                f"flowkit needs operators of {domain or 'ONNX'} of version {least} or later, got "
                f"{version}. Give target_opset={OPSETS}."
            )
    helper = require("onnx.helper", "register_onnx_converters")
    graph = Graph(scope.get_unique_operator_name("flowkit"))
    parts = [Value(graph, given.full_name).cast("DOUBLE") for given in operator.inputs]
    rows = parts[0].beside(*parts[1:])
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
            op_domain=node.domain,
            op_version=OPSETS[node.domain],
            **attributes,
        )
