"""Conditions that drawn rows of a table must meet: functions of tables, and expressions."""

from __future__ import annotations

import ast
import itertools
import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ..exceptions import FlowkitError, InvalidParameterError, UnknownNameError
from ..validation import as_floats, container_of, missing_in, nearest, shown
from ._dates import date_of

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: np.float_power,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
# Those of whole numbers that are whole, and no larger than at the ends of what they take.
_EXACT = {ast.Add, ast.Sub, ast.Mult, ast.USub, ast.UAdd}
_DATES = "datetime64[us]"
# A text, or a name between backticks.
_TEXT_OR_NAME = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|`([^`]+)`""", re.DOTALL)
# What pandas reads as these words; in Python it binds tighter than comparisons.
_WORDS = {ast.BitAnd: ("&", "and"), ast.BitOr: ("|", "or"), ast.Invert: ("~", "not")}


@dataclass(frozen=True)
class Constraint:
    """One condition.

    Parameters
    ----------
    condition : str or callable
        An expression of columns, or a function of a table.
    """

    condition: str | Callable

    @property
    def name(self) -> str:
        """What it is called in messages."""
        if isinstance(self.condition, str):
            return repr(self.condition)
        return getattr(self.condition, "__name__", repr(self.condition))

    def __call__(self, table: Any) -> np.ndarray:
        """Which rows of a table meet it, shape (n,).

        Raises
        ------
        InvalidParameterError
            If it does not give a boolean for each row, holds what no expression may, or compares
            what cannot be compared.
        UnknownNameError
            If it names no column.
        """
        if isinstance(self.condition, str):
            met = _evaluate(self.condition, table)
        else:
            met = self._called(table)
        met = np.asarray(met)
        if met.shape != (len(table),) or met.dtype.kind not in "bO":
            raise InvalidParameterError(
                f"constraint {self.name} must give a boolean for each of {len(table)} rows, but "
                f"gives values of type {met.dtype} and shape {met.shape}: compare columns in it."
            )
        # What is missing meets nothing.
        return np.array([value is True or value is np.True_ for value in met.tolist()])

    def _called(self, table):
        try:
            return self.condition(table)
        except FlowkitError:
            raise
        except Exception as error:
            raise InvalidParameterError(
                f"constraint {self.name} fails for a table of {len(table)} draws: "
                f"{type(error).__name__}: {error}. Give a function that returns a boolean for each "
                "row of any table like that of training."
            ) from error


def read_constraints(constraints) -> list[Constraint]:
    """Constraints as a user gives them: None, one, or several.

    Raises
    ------
    InvalidParameterError
        If one is neither text nor callable.
    """
    if constraints is None:
        return []
    alone = isinstance(constraints, str) or callable(constraints)
    if not (alone or isinstance(constraints, Sequence)):
        constraints, alone = [constraints], False
    found = [constraints] if alone else list(constraints)
    for condition in found:
        if not (isinstance(condition, str) or callable(condition)):
            raise InvalidParameterError(
                "constraints must be expressions such as 'start <= end', functions of a table that "
                f"tell which rows meet them, or a list of these, got {shown(condition)}."
            )
    return [Constraint(condition) for condition in found]


def _evaluate(expression, table):
    """Value of an expression of the columns of a table."""
    container = container_of(table)
    if not container.is_frame:
        raise InvalidParameterError(
            f"constraint {expression!r} names columns, but the table is an array: give a function "
            "of the array, such as lambda X: X[:, 0] <= X[:, 1]."
        )
    columns = dict(zip(map(str, container.labels), container.columns(), strict=True))
    # Python reads letters that look alike as one.
    columns = {unicodedata.normalize("NFKC", name): column for name, column in columns.items()}
    quoted: dict[str, str] = {}
    try:
        tree = ast.parse(_unquoted(expression.strip(), quoted), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidParameterError(
            f"constraint {expression!r} cannot be read: {getattr(error, 'msg', error)}. Write it "
            "as in Python, such as 'age >= 18 and start <= end', or give a function of the table."
        ) from error
    try:
        with np.errstate(all="ignore"):
            return _Values(expression, columns, quoted).of(tree)
    except FlowkitError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidParameterError(
            f"constraint {expression!r} cannot be evaluated: {error}. Compare numbers with "
            "numbers, text with text, and dates with dates such as '2024-01-31', or give a "
            "function of the table."
        ) from error


def _unquoted(expression, quoted):
    """An expression in which names of their own stand for those between backticks."""

    def named(found):
        text, own = found.groups()
        if text:
            return text
        name = f"_quoted_{len(quoted)}"
        quoted[name] = unicodedata.normalize("NFKC", own)
        return name

    return _TEXT_OR_NAME.sub(named, expression)


@dataclass(frozen=True)
class _Values:
    """Values of the parts of an expression."""

    expression: str
    columns: dict
    # What names between backticks were called instead.
    quoted: dict

    def of(self, node):
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._column(name)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [self.of(part) for part in parts]
            case ast.UnaryOp(op=op) | ast.BinOp(op=op) if type(op) in _WORDS:
                sign, word = _WORDS[type(op)]
                raise InvalidParameterError(
                    f"constraint {self.expression!r} holds {sign!r}, which binds tighter than "
                    f"comparisons: write {word!r}."
                )
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return np.logical_not(self._condition(part))
            case ast.UnaryOp(op=op, operand=part) if type(op) in _OPERATORS:
                return _calculated(type(op), self.of(part))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                values = self.of(left), self.of(right)
                if isinstance(op, ast.Add | ast.Sub):
                    self._refuse_numbers_beside_times(*values)
                return _calculated(type(op), *values)
            case ast.BoolOp(op=op, values=parts):
                first, *rest = map(self._condition, parts)
                for part in rest:
                    first = _OPERATORS[type(op)](first, part)
                return first
            case ast.Compare(left=left, ops=ops, comparators=parts):
                return self._compared([left, *parts], ops)
        raise InvalidParameterError(
            f"constraint {self.expression!r} holds {self._told(node)!r}, which expressions may "
            "not: use columns, numbers, text, arithmetic, comparisons, 'in', 'and', 'or', 'not', "
            "or give a function of the table."
        )

    def _condition(self, node):
        """Booleans that 'and', 'or' and 'not' take."""
        values = np.asarray(self.of(node))
        if values.dtype.kind == "O" and all(isinstance(value, bool) for value in values.flat):
            values = values.astype(bool)
        if values.dtype.kind != "b":
            raise InvalidParameterError(
                f"constraint {self.expression!r} takes {self._told(node)!r} for a condition, but "
                f"its values are not booleans: compare it, such as '{self._told(node)} == 1'."
            )
        return values

    def _compared(self, parts, ops):
        values = [self.of(part) for part in parts]
        met = True
        for i, op in enumerate(ops):
            left, right = values[i : i + 2]
            match op:
                case ast.In():
                    found = self._among(left, right)
                case ast.NotIn():
                    found = np.logical_not(self._among(left, right))
                case ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE():
                    left, right = self._by_order(parts[i : i + 2], left, right)
                    found = self._pair(_OPERATORS[type(op)], left, right)
                case _ if type(op) in _OPERATORS:
                    found = self._pair(_OPERATORS[type(op)], left, right)
                case _:
                    raise InvalidParameterError(
                        f"constraint {self.expression!r} compares by 'is': use '=='."
                    )
            met = np.logical_and(met, found)
        return met

    def _by_order(self, parts, *values):
        """Two values that are compared: their places where they are levels that have an order."""
        levels = [self._levels(part) for part in parts]
        known = [some for some in levels if some is not None]
        if not known:
            return values
        if known[0] != known[-1]:
            raise InvalidParameterError(
                f"constraint {self.expression!r} compares levels of two columns that are not the "
                "same ones: give both columns one type, or compare them by '=='."
            )
        return [self._places(value, known[0]) for value in values]

    def _levels(self, part):
        """Levels in their order, if a part is a column that has some."""
        if not isinstance(part, ast.Name):
            return None
        name = self.quoted.get(part.id, part.id)
        dtype = self.columns[name].dtype
        # All that polars enumerates has an order; text of its other categories has that of text.
        if not hasattr(dtype, "categories") or str(dtype).startswith("Categorical"):
            return None
        levels = list(dtype.categories)
        if getattr(dtype, "ordered", True):
            return levels
        if all(isinstance(level, Real) for level in levels):
            return None
        raise InvalidParameterError(
            f"constraint {self.expression!r} compares column {name!r} by order, but its levels "
            "have none: make its type an ordered one before fit, or compare it by '==' or 'in'."
        )

    def _places(self, values, levels):
        """Places of values among levels, NaN where they are none."""
        place = {level: float(i) for i, level in enumerate(levels)}
        if np.ndim(values):
            return np.array([place.get(value, np.nan) for value in np.asarray(values).tolist()])
        if values not in place:
            raise InvalidParameterError(
                f"constraint {self.expression!r} compares {values!r} with levels of which it is "
                f"none: use one of {shown(levels)}.{nearest(values, levels)}"
            )
        return place[values]

    def _among(self, values, few):
        if not isinstance(few, list):
            raise InvalidParameterError(
                f"constraint {self.expression!r} has no list after 'in': write one, such as "
                "['S', 'M']; to look into text, give a function of the table."
            )
        found = np.zeros(np.shape(values), dtype=bool)
        for value in few:
            found = np.logical_or(found, self._pair(operator.eq, values, value))
        return found

    def _pair(self, compare, left, right):
        left, right = _of_one_type(left, right)
        self._refuse_numbers_beside_times(left, right)
        return compare(left, right)

    def _refuse_numbers_beside_times(self, left, right):
        kinds = {np.asarray(value).dtype.kind for value in (left, right)}
        # Numpy would count the number in the unit of the column, such as nanoseconds.
        if kinds & set("mM") and kinds & set("iuf"):
            raise InvalidParameterError(
                f"constraint {self.expression!r} has a number beside dates or lengths of time, "
                "which have no unit there: write dates as text, such as '2024-01-31', or give a "
                "function of the table, such as lambda t: (t['end'] - t['start']).dt.days > 3."
            )

    def _column(self, name):
        name = self.quoted.get(name, name)
        if name not in self.columns:
            raise UnknownNameError(
                f"constraint {self.expression!r} names column {name!r}, which is none."
                f"{nearest(name, list(self.columns))}"
            )
        column = self.columns[name]
        values = np.asarray(column)
        if values.dtype.kind == "M":
            # Numpy would compare those of several units in the finest, in which far ones come back.
            return values.astype(_DATES)
        # Those of pandas that may be missing are objects to numpy, and polars has no kinds.
        numbers = column if hasattr(column.dtype, "kind") else values
        return _widest(numbers) if numbers.dtype.kind in "iuf" else values

    def _told(self, node):
        """A part of the expression as it was written."""
        text = ast.unparse(node)
        for name, own in self.quoted.items():
            text = text.replace(name, f"`{own}`")
        return text


def _widest(numbers):
    """A column of numbers in the widest type of its kind; in float64 where any is missing."""
    kind = numbers.dtype.kind
    if kind == "f" or missing_in(numbers).any():
        return as_floats(numbers)
    return np.asarray(numbers, dtype=f"{kind}8")


def _calculated(op, *values):
    """Result of an operator; whole numbers are int64 where none can overflow, else float64."""
    kinds = {value.dtype.kind for value in values if isinstance(value, np.ndarray) and value.size}
    if kinds & set("iu") and all(map(_is_whole, values)):
        ends = [{int(np.min(value)), int(np.max(value))} for value in values]
        reached = set.union(*ends)
        if op in _EXACT:
            reached |= {_OPERATORS[op](*corner) for corner in itertools.product(*ends)}
        # Numpy's remainder of a division of whole numbers by zero is zero.
        exact = op in _EXACT or (op is ast.Mod and not np.any(values[1] == 0))
        exact &= all(-(2**63) <= end < 2**63 for end in reached)
        values = [np.asarray(value, np.int64 if exact else np.float64) for value in values]
    return _OPERATORS[op](*values)


def _is_whole(value):
    return isinstance(value, int) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")


def _of_one_type(left, right):
    """Dates that were written as text as dates, where they are compared with some."""
    kinds = [getattr(value, "dtype", np.dtype(object)).kind for value in (left, right)]
    if "M" in kinds:
        left, right = (
            date_of(v).astype(_DATES) if isinstance(v, str) else v for v in (left, right)
        )
    return left, right
