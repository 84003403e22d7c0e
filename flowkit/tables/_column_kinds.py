"""What a column of a mixed table may be: a class a kind, in one registry.

A kind says when a column is of it, what must be declared for it, and which codec encodes it. What
others need to know once the codec is fitted, the codec tells them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Number, Real
from typing import ClassVar

import numpy as np

from ..exceptions import InvalidDataError, InvalidParameterError
from ._angle_codec import AngleCodec
from ._code_numbers import reason_for_codes
from ._column_codecs import Codec, LevelCodec, NumberCodec
from ._column_lattice import is_whole
from ._column_reading import RawColumn
from ._date_codec import DateCodec
from ._dates import date_numbers, fault_of, resolution_of
from ._point_masses import common_values, point_masses, spreads_finely
from ._spiked_codec import SpikedCodec

_OPEN = (-math.inf, math.inf)


@dataclass(frozen=True)
class Evidence:
    """What tells the kind of a column for which none was declared.

    Parameters
    ----------
    column : RawColumn
        The column.
    bounds : tuple, 'seen' or None
        Bounds that were declared.
    period : float, tuple or None
        Period that was declared.
    """

    column: RawColumn
    bounds: object = None
    period: object = None

    @cached_property
    def numbers(self) -> np.ndarray | None:
        """Values of a numeric column, without those that are missing; None of other columns."""
        return self.column.numbers()[~self.column.missing] if self.column.is_number else None

    @cached_property
    def all_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.numbers is not None and bool(is_whole(self.numbers).all())


@dataclass(frozen=True)
class ColumnKind:
    """What a column is taken for.

    Subclasses set `name`, implement `recognise` and `codec`, and override what differs.

    Parameters
    ----------
    why : str
        The reason, in words.
    bounds : tuple of (float, float), default=(-inf, inf)
        Support, infinite where it is open.
    """

    # What users call it.
    name: ClassVar[str]

    why: str
    bounds: tuple[float, float] = field(default=_OPEN, kw_only=True)

    @classmethod
    def recognise(cls, evidence: Evidence) -> str | None:
        """Why a column is of this kind, None if it is not."""
        raise NotImplementedError

    @classmethod
    def settle(cls, column: RawColumn, name: str, why: str, bounds, period) -> ColumnKind:
        """This kind with what was declared for a column.

        Parameters
        ----------
        column : RawColumn
            The column.
        name : str
            Its name, for errors.
        why : str
            Why the column is of this kind.
        bounds : tuple, 'seen' or None
            Bounds that were declared.
        period : float, tuple or None
            Period that was declared.

        Raises
        ------
        InvalidDataError
            If the column cannot be of this kind.
        InvalidParameterError
            If what was declared is incomplete, impossible, or does not go with this kind.
        """
        cls.check_values(column, name)
        return cls(why, **cls._declared(column, name, bounds, period))

    @classmethod
    def check_values(cls, column: RawColumn, name: str) -> None:
        """Refuse values that are no numbers."""
        if column.numbers() is None:
            wrong = next(v for v in column.values[~column.missing] if not isinstance(v, Number))
            raise InvalidDataError(
                f"column {name} is declared {cls.name}, but holds {wrong!r}, which is not a "
                "number: make it numeric, or declare it categorical."
            )

    @classmethod
    def _declared(cls, column, name, bounds, period) -> dict:
        """Attributes from what was declared; most kinds have neither bounds nor a period."""
        if bounds is not None:
            raise InvalidParameterError(
                f"column {name} is {cls.name} and has bounds {bounds!r}: only bounded, integer "
                "and spiked columns have bounds."
            )
        if period is not None:
            raise InvalidParameterError(
                f"column {name} is {cls.name} and has a period: declare it circular, or drop the "
                "period."
            )
        return {}

    def within_seen(self, column: RawColumn) -> ColumnKind:
        """This kind where ``bounds='seen'`` is declared for all columns; integers are bounded."""
        return self

    def numbers(self, column: RawColumn) -> np.ndarray:
        """Values of a training column as float64, NaN where they are missing."""
        return column.numbers()

    def codec(self, column: RawColumn, x: np.ndarray, weight: np.ndarray) -> Codec:
        """Map of the column onto one that a continuous density models.

        Parameters
        ----------
        column : RawColumn
            Training rows of the column.
        x : ndarray of shape (n,)
            They as `numbers`.
        weight : ndarray of shape (n,)
            Weights of the rows.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Circular(ColumnKind):
    """A number that comes back after a period.

    Parameters
    ----------
    period : tuple of (float, float)
        Start and length of the period.
    """

    name = "circular"

    period: tuple[float, float] = field(kw_only=True)

    @classmethod
    def recognise(cls, evidence):
        return None if evidence.period is None else "a period is declared"

    @classmethod
    def _declared(cls, column, name, bounds, period):
        super()._declared(column, name, bounds, None)
        if period is None:
            raise InvalidParameterError(
                f"column {name} is circular, but has no period: give periods={{{name!r}: period}} "
                f"or {{{name!r}: (start, period)}}."
            )
        pair = (0.0, period) if isinstance(period, Real) else period
        start, length = _pair(name, "periods", pair, "a period or (start, period)")
        if start is None or length is None or not (math.isfinite(start) and 0 < length < math.inf):
            raise InvalidParameterError(
                f"the period of column {name} must be positive and finite, got {pair!r}."
            )
        return {"period": (float(start), float(length))}

    def codec(self, column, x, weight):
        return AngleCodec(*self.period, x)


class Date(ColumnKind):
    """A date, to the resolution of its column."""

    name = "date"

    @classmethod
    def recognise(cls, evidence):
        dtype = evidence.column.dtype
        return _type_in_words(dtype) if evidence.column.values.dtype.kind == "M" else None

    @classmethod
    def check_values(cls, column, name):
        if column.values.dtype.kind != "M":
            raise InvalidDataError(
                f"column {name} is declared date, but is of type {column.dtype}: make it one of "
                "dates, as pandas.to_datetime does."
            )
        fault = fault_of(column.values)
        if fault is not None:
            raise InvalidDataError(
                f"column {name} holds {fault}: round its dates to a longer unit, such as days, or "
                "make numbers of them."
            )

    @classmethod
    def _declared(cls, column, name, bounds, period):
        if bounds is not None and not isinstance(bounds, str):
            raise InvalidParameterError(
                f"column {name} holds dates and has bounds {bounds!r}: its bounds may be 'seen', "
                "or none."
            )
        super()._declared(column, name, None, period)
        return {} if bounds is None else {"bounds": _least_and_largest(column)}

    def within_seen(self, column):
        return type(self)(self.why, bounds=_least_and_largest(column))

    def numbers(self, column):
        return date_numbers(column.values, resolution_of(column.values))

    def codec(self, column, x, weight):
        return DateCodec(*self.bounds, resolution_of(column.values), x)


def _least_and_largest(dates):
    """Least and largest date of a column, in units since 1970."""
    numbers = date_numbers(dates.values, resolution_of(dates.values))
    return float(np.nanmin(numbers)), float(np.nanmax(numbers))


class Categorical(ColumnKind):
    """One of several levels, which need not be numbers."""

    name = "categorical"

    @classmethod
    def recognise(cls, evidence):
        # Only numbers have bounds.
        if evidence.bounds is not None:
            return None
        if evidence.numbers is None:
            return _type_in_words(evidence.column.dtype)
        return reason_for_codes(evidence.numbers, evidence.all_whole)

    @classmethod
    def check_values(cls, column, name):
        """Any value is a level."""

    def numbers(self, column):
        return column.codes(column.own_levels())

    def codec(self, column, x, weight):
        return LevelCodec.of_codes(column.own_levels(), x, weight, column.ordered)


class _Number(ColumnKind):
    """A number on the line or within bounds."""

    whole: ClassVar[bool] = False

    def codec(self, column, x, weight):
        return NumberCodec(*self.bounds, self.whole, x)


class Spiked(_Number):
    """A number that has some values with a probability of their own, such as zero."""

    name = "spiked"

    @classmethod
    def recognise(cls, evidence):
        numbers = evidence.numbers
        if numbers is None or not spreads_finely(numbers, evidence.all_whole):
            return None
        values, shares = point_masses(numbers)
        held = [f"{value:.6g} in {share:.0%}" for value, share in zip(values, shares, strict=True)]
        return f"{' and '.join(held)} of the rows" if held else None

    @classmethod
    def check_values(cls, column, name):
        super().check_values(column, name)
        numbers = column.numbers()[~column.missing]
        n_spikes, n_values = len(_spikes(numbers)), len(np.unique(numbers))
        if not n_spikes or n_spikes == n_values:
            found = "none does" if not n_spikes else "all of its values do"
            raise InvalidDataError(
                f"column {name} is declared spiked, so that some values must hold 5 % of the rows "
                f"each, and others not, but {found}: declare it "
                f"{'continuous or bounded' if not n_spikes else 'categorical'}."
            )

    @classmethod
    def _declared(cls, column, name, bounds, period):
        super()._declared(column, name, None, period)
        spikes, seen = _spikes(column.numbers()[~column.missing]), _seen(column)
        if bounds is None:
            low, high = spikes[0], spikes[-1]
            bounds = low if low == seen[0] else None, high if high == seen[1] else None
        low, high = _low_and_high(column, name, bounds)
        if not low < high:
            raise _falling(name, low, high)
        return {"bounds": (low, high)}

    def within_seen(self, column):
        whole = is_whole(column.numbers()[~column.missing]).all()
        return type(self)(self.why, bounds=_seen(column)) if whole else self

    def codec(self, column, x, weight):
        known = x[~np.isnan(x)]
        return SpikedCodec(*self.bounds, bool(is_whole(known).all()), _spikes(known), x, weight)


class Integer(_Number):
    """A whole number, which may have bounds."""

    name = "integer"
    whole = True

    @classmethod
    def recognise(cls, evidence):
        if not evidence.all_whole:
            return None
        return "whole numbers" if evidence.bounds is None else "bounds are declared"

    @classmethod
    def check_values(cls, column, name):
        super().check_values(column, name)
        numbers = column.numbers()
        fractions = ~is_whole(numbers) & ~column.missing
        if fractions.any():
            raise InvalidDataError(
                f"column {name} is declared integer, but holds {numbers[fractions][0]:.6g}: round "
                "it, or declare it continuous."
            )

    @classmethod
    def _declared(cls, column, name, bounds, period):
        super()._declared(column, name, None, period)
        low, high = _low_and_high(column, name, bounds)
        if not low <= high:
            raise _falling(name, low, high)
        if not all(math.isinf(b) or b == math.floor(b) for b in (low, high)):
            raise InvalidParameterError(
                f"bounds of integer column {name} must be whole numbers, got ({low:g}, {high:g})."
            )
        return {"bounds": (low, high)}

    def within_seen(self, column):
        return type(self)(self.why, bounds=_seen(column))


class Bounded(_Number):
    """A real number with a bound on at least one side."""

    name = "bounded"

    @classmethod
    def recognise(cls, evidence):
        return None if evidence.bounds is None else "bounds are declared"

    @classmethod
    def _declared(cls, column, name, bounds, period):
        super()._declared(column, name, None, period)
        low, high = _low_and_high(column, name, bounds)
        if math.isinf(low) and math.isinf(high):
            raise InvalidParameterError(
                f"column {name} is bounded, but has no bound: give bounds={{{name!r}: (low, high)}}"
                ", one of which may be None, or declare it continuous."
            )
        if not low < high:
            raise _falling(name, low, high)
        return {"bounds": (low, high)}


class Continuous(_Number):
    """Any real number."""

    name = "continuous"

    @classmethod
    def recognise(cls, evidence):
        return "real numbers"


# In the order in which they are tried on a column for which no kind was declared.
KINDS = {
    kind.name: kind for kind in (Circular, Date, Categorical, Spiked, Integer, Bounded, Continuous)
}


def _spikes(numbers):
    """Values that are declared or found to have a probability."""
    values, _ = point_masses(numbers)
    return values if len(values) else common_values(numbers)[0]


def _seen(column):
    """Least and largest value of a column."""
    numbers = column.numbers()[~column.missing]
    return float(numbers.min()), float(numbers.max())


def _low_and_high(column, name, bounds):
    """Bounds that were declared, infinite where they are open."""
    if isinstance(bounds, str):
        return _seen(column)
    pair = (None, None) if bounds is None else _pair(name, "bounds", bounds, "(low, high)")
    low, high = pair
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def _falling(name, low, high):
    return InvalidParameterError(
        f"bounds of column {name} must rise, got low={low:g}, high={high:g}."
    )


def _pair(name, parameter, value, form):
    pair = tuple(value) if isinstance(value, list | tuple | np.ndarray) else ()
    good = len(pair) == 2 and all(
        v is None or (isinstance(v, Real) and not math.isnan(v)) for v in pair
    )
    if not good:
        raise InvalidParameterError(
            f"{parameter} of column {name} must be {form}, of numbers, got {value!r}."
        )
    return pair


def _type_in_words(dtype) -> str:
    return "text or objects" if str(dtype) == "object" else f"of type {str(dtype).split('(')[0]}"
