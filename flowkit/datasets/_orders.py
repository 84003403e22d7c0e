"""Orders of a shop, some of them wrong: text, dates, missing values, a running number."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._optional import require
from .._seeds import check_random_state, draw_seed
from ..exceptions import InvalidParameterError

# category -> typical price, its spread in logarithms, typical weight, and frequency.
_CATEGORIES = {
    "book": (15.0, 0.30, 0.5, 0.30),
    "shoe": (70.0, 0.35, 1.0, 0.25),
    "phone": (500.0, 0.25, 0.3, 0.15),
    "sofa": (900.0, 0.20, 60.0, 0.08),
    "pen": (3.0, 0.40, 0.02, 0.17),
    "lamp": (45.0, 0.30, 2.0, 0.05),
}
_REGIONS = {"north": 0.4, "south": 0.3, "east": 0.2, "west": 0.1}
_DISTRICTS = dict(zip("abcdefgh", (0.30, 0.20, 0.15, 0.12, 0.09, 0.07, 0.04, 0.03), strict=True))
# Spreads of logarithms of weights and of totals.
_WEIGHT_SPREAD, _TOTAL_SPREAD = 0.2, 0.02
_WEST_MARKUP = 1.3
_CHEAP, _DEAR, _HEAVY = 50.0, 300.0, 20.0
_FIRST_DAY, _N_DAYS = "2024-01-01", 365
_MISSING = {"weight": 0.06, "payment": 0.04, "price": 0.03}

_DESCR = """\
{n} orders of a shop, {n_wrong} of them wrong: made up, so that it is known which.

Numbers: price and total in EUR, weight in kg, quantity. Text: category, region, city, payment,
shipping. A date: day, within the year 2024. Some weights, payments and prices are missing. "order"
is a running number, and "note" is different in each row: neither says anything of the order.
"""


def make_orders(
    n_samples: int = 1000, n_wrong: int = 0, *, first_order: int = 0, random_state=None
) -> Bunch:
    """Draw orders of a shop as a DataFrame, some of which are wrong in one column.

    The price depends on category and region, the weight on the category, payment and quantity on
    the price, shipping on the weight, the total on price and quantity, and a city is in one region.
    A wrong order has one value that does not fit the others:

    ========== =====================================================================================
    what       becomes
    ========== =====================================================================================
    category   another category, though price and weight stay
    total      three times as much, or three tenths
    shipping   a truck for what is light, or the post for what a truck should bring
    region     another region than that of the city
    payment    a kind of payment that no other order has
    quantity   seven times as much and five more, though the total stays
    ========== =====================================================================================

    Parameters
    ----------
    n_samples : int, default=1000
        Number of orders.
    n_wrong : int, default=0
        How many of these are wrong, about as many in each way.
    first_order : int, default=0
        Running number of the first order.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of randomness; an int for the same orders each time. A Generator is drawn from as it
        is.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these attributes.

        data : DataFrame of shape (n_samples, 12)
            The orders; `DESCR` tells the units.
        target : ndarray of object of shape (n_samples,)
            The column that is wrong; empty text for orders that are right.
        target_names : list of str
            The columns that may be wrong.
        DESCR : str
            What the orders are.

    Raises
    ------
    InvalidParameterError
        If `n_samples` is less than 1, `n_wrong` is not from 0 to `n_samples`, or `first_order` is
        negative.
    MissingDependencyError
        If pandas is not installed.

    Examples
    --------
    >>> from flowkit.datasets import make_orders
    >>> orders = make_orders(300, n_wrong=6, random_state=0)
    >>> orders.data.shape, int((orders.target != "").sum())
    ((300, 12), 6)
    >>> orders.target_names
    ['category', 'total', 'shipping', 'region', 'payment', 'quantity']
    """
    _check_count("n_samples", n_samples, 1)
    _check_count("n_wrong", n_wrong, 0, n_samples)
    _check_count("first_order", first_order, 0)
    pandas = require("pandas", "make_orders")
    rng = _generator(random_state)
    orders = _right_orders(n_samples, first_order, rng, pandas)
    wrong = np.full(n_samples, "", dtype=object)
    if n_wrong:
        rows = rng.choice(n_samples, n_wrong, replace=False)
        wrong[rows] = rng.permutation(np.resize(list(_CHANGES), n_wrong))
        changed = [_CHANGES[wrong[i]](orders.iloc[i].copy(), rng) for i in rows]
        changed = pandas.DataFrame(changed).astype(orders.dtypes)
        orders = pandas.concat([orders.drop(index=rows), changed]).sort_index()
    return Bunch(
        data=orders,
        target=wrong,
        target_names=list(_CHANGES),
        DESCR=_DESCR.format(n=n_samples, n_wrong=n_wrong),
    )


def _check_count(name: str, value: int, least: int, most: float = np.inf) -> None:
    if not isinstance(value, numbers.Integral) or not least <= value <= most:
        allowed = f"of at least {least}" if most == np.inf else f"from {least} to {most}"
        raise InvalidParameterError(f"{name} must be a whole number {allowed}, got {value!r}.")


def _generator(random_state) -> np.random.Generator:
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(draw_seed(check_random_state(random_state)))


def _right_orders(n: int, first: int, rng: np.random.Generator, pandas):
    typical, spread, weight, frequency = np.array(list(_CATEGORIES.values())).T
    category = rng.choice(len(_CATEGORIES), n, p=frequency)
    region = rng.choice(list(_REGIONS), n, p=list(_REGIONS.values()))
    district = rng.choice(list(_DISTRICTS), n, p=list(_DISTRICTS.values()))
    price = typical[category] * np.exp(spread[category] * rng.normal(size=n))
    price *= np.where(region == "west", _WEST_MARKUP, 1.0)
    weight = weight[category] * np.exp(_WEIGHT_SPREAD * rng.normal(size=n))
    quantity = 1 + rng.poisson(np.where(price < _CHEAP, 2.0, 0.3))
    dear = rng.choice(["card", "invoice"], n, p=[0.3, 0.7])
    cheap = rng.choice(["card", "cash", "voucher"], n, p=[0.7, 0.25, 0.05])
    light = rng.choice(["post", "courier"], n, p=[0.8, 0.2])
    frame = pandas.DataFrame(
        {
            "order": np.arange(first, first + n),
            "category": np.array(list(_CATEGORIES), dtype=object)[category],
            "region": region.astype(object),
            "city": region.astype(object) + "-" + district.astype(object),
            "price": price,
            "weight": weight,
            "quantity": quantity,
            "total": price * quantity * np.exp(_TOTAL_SPREAD * rng.normal(size=n)),
            "payment": np.where(price > _DEAR, dear, cheap).astype(object),
            "shipping": np.where(weight > _HEAVY, "truck", light).astype(object),
            "day": pandas.Timestamp(_FIRST_DAY)
            + pandas.to_timedelta(rng.uniform(0, _N_DAYS, n), unit="D").round("s"),
            "note": [f"note {number:09d}" for number in rng.integers(10**9, size=n)],
        }
    )
    for column, share in _MISSING.items():
        frame.loc[rng.random(n) < share, column] = None if column == "payment" else np.nan
    return frame


def _other(names: dict, current: str, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in names if name != current]))


def _changed(column: str, change: Callable) -> Callable:
    """What replaces the value of a column, given the value and a source of randomness."""

    def spoil(row: Any, rng: np.random.Generator) -> Any:
        row[column] = change(row[column], rng)
        return row

    return spoil


# What is wrong -> how an order comes to it.
_CHANGES: dict[str, Callable] = {
    "category": _changed("category", lambda x, rng: _other(_CATEGORIES, x, rng)),
    "total": _changed("total", lambda x, rng: x * rng.choice([0.3, 3.0])),
    "shipping": _changed("shipping", lambda x, rng: "post" if x == "truck" else "truck"),
    "region": _changed("region", lambda x, rng: _other(_REGIONS, x, rng)),
    "payment": _changed("payment", lambda x, rng: str(rng.choice(["gold", "crypto"]))),
    "quantity": _changed("quantity", lambda x, rng: 7 * x + 5),
}
