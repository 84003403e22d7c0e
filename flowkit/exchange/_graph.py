"""A graph of ONNX that is written as one writes arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from .._optional import require

# The oldest sets of operators that all nodes here belong to, and the format that brought them.
OPSETS, IR_VERSION = {"": 18, "ai.onnx.ml": 3}, 8


@dataclass
class Graph:
    """Nodes and constants of a graph, in the order in which they are added.

    Parameters
    ----------
    prefix : str, default='flowkit'
        What the names of all values begin with.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        The nodes.
    constants : list of onnx.TensorProto
        Constants, each by its name.
    """

    prefix: str = "flowkit"
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    _kept: dict = field(default_factory=dict, repr=False)

    def _name(self) -> str:
        return f"{self.prefix}_{len(self.nodes) + len(self.constants)}"

    def value(self, given) -> Value:
        """A value of the graph: a given one, or a constant made of numbers.

        Parameters
        ----------
        given : Value, Tensor, ndarray or float
            Floating numbers become float64, whole ones int64. Equal ones are one constant.

        Returns
        -------
        Value
            The value.
        """
        if isinstance(given, Value):
            return given
        if isinstance(given, torch.Tensor):
            given = given.detach().cpu().numpy()
        array = np.asarray(given)
        if array.dtype.kind != "b":
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
        key = array.dtype.kind, array.shape, array.tobytes()
        if key not in self._kept:
            tensor = self.tensor(array)
            self.constants.append(tensor)
            # Engines find what they need not do twice if its constants are the same.
            self._kept[key] = Value(self, tensor.name)
        return self._kept[key]

    def tensor(self, array: np.ndarray):
        """An array as an onnx.TensorProto, as attributes take it."""
        return require("onnx.numpy_helper", "to_onnx").from_array(array, self._name())

    def add(
        self,
        operator: str,
        *inputs,
        output: str | None = None,
        n_outputs: int = 1,
        read: int = 0,
        **attributes,
    ) -> Value:
        """Add a node of one result.

        Parameters
        ----------
        operator : str
            Name of an operator of ONNX.
        *inputs : Value, Tensor, ndarray or float
            What it is applied to.
        output : str, default=None
            Name of the result.
        n_outputs : int, default=1
            Number of results of the operator.
        read : int, default=0
            Which of these is the result.
        **attributes
            Of the operator; its domain too, if that is not the standard one.

        Returns
        -------
        Value
            The result.
        """
        names = [self.value(given).name for given in inputs]
        output = output or self._name()
        helper = require("onnx.helper", "to_onnx")
        outputs = [output if i == read else f"{output}_{i}" for i in range(n_outputs)]
        self.nodes.append(helper.make_node(operator, names, outputs, name=output, **attributes))
        return Value(self, output)


@dataclass(frozen=True)
class Value:
    """A tensor of a graph, with the arithmetic of arrays.

    Parameters
    ----------
    graph : Graph
        Whose tensor it is.
    name : str
        Its name there.
    """

    graph: Graph
    name: str

    @property
    def is_constant(self) -> bool:
        """Whether it is a constant of the graph."""
        return any(constant.name == self.name for constant in self.graph.constants)

    # Arrays on the left leave arithmetic to this class.
    __array_ufunc__ = None

    def __add__(self, other):
        return self.graph.add("Add", self, other)

    def __radd__(self, other):
        return self.graph.add("Add", other, self)

    def __sub__(self, other):
        return self.graph.add("Sub", self, other)

    def __rsub__(self, other):
        return self.graph.add("Sub", other, self)

    def __mul__(self, other):
        return self.graph.add("Mul", self, other)

    def __rmul__(self, other):
        return self.graph.add("Mul", other, self)

    def __truediv__(self, other):
        return self.graph.add("Div", self, other)

    def __rtruediv__(self, other):
        return self.graph.add("Div", other, self)

    def __matmul__(self, other):
        return self.graph.add("MatMul", self, other)

    def __rmatmul__(self, other):
        return self.graph.add("MatMul", other, self)

    def __neg__(self):
        return self.graph.add("Neg", self)

    def __ge__(self, other):
        return self.graph.add("GreaterOrEqual", self, other)

    def __gt__(self, other):
        return self.graph.add("Greater", self, other)

    def __lt__(self, other):
        return self.graph.add("Less", self, other)

    def __le__(self, other):
        return self.graph.add("LessOrEqual", self, other)

    def __and__(self, other):
        return self.graph.add("And", self, other)

    def __or__(self, other):
        return self.graph.add("Or", self, other)

    def __invert__(self):
        return self.graph.add("Not", self)

    def equals(self, other):
        """Where values are the same."""
        return self.graph.add("Equal", self, other)

    def exp(self):
        """Exponentials."""
        return self.graph.add("Exp", self)

    def log(self):
        """Natural logarithms."""
        return self.graph.add("Log", self)

    def log1p(self):
        """``log(1 + x)``, with all digits near zero."""
        more = self + 1.0
        return more.log() + (self - (more - 1.0)) / more

    def expm1(self):
        """``exp(x) - 1``, with all digits near zero."""
        return (0.5 * self).tanh() * (self.exp() + 1.0)

    def tanh(self):
        """Hyperbolic tangents."""
        return self.graph.add("Tanh", self)

    def abs(self):
        """Absolute values."""
        return self.graph.add("Abs", self)

    def square(self):
        """Squares."""
        return self * self

    def sqrt(self):
        """Square roots."""
        return self.graph.add("Sqrt", self)

    def is_nan(self):
        """Where there is no number."""
        return self.graph.add("IsNaN", self)

    def is_finite(self):
        """Where there is a finite number."""
        return (self - self).equals(0.0)

    def minimum(self, other):
        """The smaller of two values."""
        return self.graph.add("Min", self, other)

    def maximum(self, other):
        """The larger of two values."""
        return self.graph.add("Max", self, other)

    def rectified(self):
        """What is positive, else zero."""
        return self.graph.add("Relu", self)

    def clipped(self, low: float, high: float):
        """Values within bounds."""
        return self.graph.add("Clip", self, low, high)

    def softplus(self):
        """``log(1 + exp(x))``, in an order in which nothing overflows."""
        return self.rectified() + (1.0 + (-self.abs()).exp()).log()

    def where(self, yes, no):
        """One of two values, by this condition."""
        return self.graph.add("Where", self, yes, no)

    def sum(self, axis: int, keepdims: bool = False):
        """Sum along an axis."""
        return self.graph.add("ReduceSum", self, [axis], keepdims=int(keepdims))

    def max(self, axis: int, keepdims: bool = False):
        """Largest value along an axis."""
        return self.graph.add("ReduceMax", self, [axis], keepdims=int(keepdims))

    def min(self, axis: int, keepdims: bool = False):
        """Smallest value along an axis."""
        return self.graph.add("ReduceMin", self, [axis], keepdims=int(keepdims))

    def all(self, axis: int, keepdims: bool = False):
        """Whether all conditions along an axis hold."""
        return self.cast("INT64").min(axis, keepdims).cast("BOOL")

    def cumulated(self, axis: int):
        """Cumulative sums along an axis."""
        return self.graph.add("CumSum", self, axis)

    def picked(self, index, axis: int):
        """Entries along an axis, by numbers of their own for each place beside it."""
        return self.graph.add("GatherElements", self, index, axis=axis)

    def softmax(self, axis: int):
        """Shares along an axis that sum to one."""
        return self.graph.add("Softmax", self, axis=axis)

    def logsumexp(self, axis: int):
        """Logarithm of the sum of exponentials along an axis; ``-inf`` where all are."""
        highest, limits = self.max(axis, keepdims=True), np.finfo(np.float64)
        level = highest.clipped(limits.min, limits.max)
        return ((self - level).exp().sum(axis, keepdims=True).log() + highest).sum(axis)

    def take(self, columns, axis: int = 1):
        """Entries along an axis, by their numbers."""
        if isinstance(columns, range) and columns.step == 1 and len(columns):
            return self.graph.add("Slice", self, [columns.start], [columns.stop], [axis])
        return self.graph.add("Gather", self, np.asarray(columns, dtype=np.int64), axis=axis)

    def entries(self, index):
        """Entries along the first axis, by numbers that are a value of the graph."""
        return self.graph.add("Gather", self, index, axis=0)

    def expanded(self, axis: int):
        """With one more axis, of length one."""
        return self.graph.add("Unsqueeze", self, [axis])

    def transposed(self, *axes: int):
        """With axes in another order."""
        return self.graph.add("Transpose", self, perm=list(axes))

    def reshaped(self, *shape: int):
        """In another shape; 0 stands for the length that the axis has, -1 for what is left."""
        return self.graph.add("Reshape", self, np.array(shape, dtype=np.int64))

    def beside(self, *others, axis: int = 1):
        """With others behind it along an axis."""
        return self.graph.add("Concat", self, *others, axis=axis)

    def cast(self, kind: str):
        """As another type of numbers, such as 'DOUBLE'."""
        return self.graph.add(
            "Cast", self, to=getattr(require("onnx", "to_onnx").TensorProto, kind)
        )

    def named(self, name: str):
        """The same value under a name."""
        return self.graph.add("Identity", self, output=name)
