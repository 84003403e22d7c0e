"""Made orders of a shop, of which some do not belong: text, dates, missing values, identifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .mixed_tables import MixedTable

if TYPE_CHECKING:
    import pandas as pd

# category -> typical price, its spread in logarithms, typical weight in kilograms, and frequency.
CATEGORIES = {
    "book": (15.0, 0.30, 0.5, 0.30),
    "shoe": (70.0, 0.35, 1.0, 0.25),
    "phone": (500.0, 0.25, 0.3, 0.15),
    "sofa": (900.0, 0.20, 60.0, 0.08),
    "pen": (3.0, 0.40, 0.02, 0.17),
    "lamp": (45.0, 0.30, 2.0, 0.05),
}
REGIONS = {"north": 0.4, "south": 0.3, "east": 0.2, "west": 0.1}
DISTRICTS = dict(zip("abcdefgh", (0.30, 0.20, 0.15, 0.12, 0.09, 0.07, 0.04, 0.03), strict=True))
# What the spreads of logarithms of weights and of totals are.
WEIGHT_SPREAD, TOTAL_SPREAD = 0.2, 0.02
WEST_MARKUP = 1.3
HIGH_PRICE, HEAVY = 300.0, 20.0
ABSENT = {"weight": 0.06, "payment": 0.04, "price": 0.03}


def made_orders(seed: int, n_train: int, n_test: int, n_odd: int) -> MixedTable:
    """Orders of a shop, some of which do not belong, in six ways.

    The price depends on category and region, the weight on the category, payment and quantity on
    the price, shipping on the weight, the total on price and quantity, and a city is in one region.
    Some values are missing. Orders are numbered, and each has a note of its own.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    train, test = _orders(n_train, 0, rng), _orders(n_test, n_train, rng)
    kinds = np.full(n_test, "", dtype=object)
    odd = rng.choice(n_test, n_odd, replace=False)
    kinds[odd] = rng.permutation(np.resize(list(ODDITIES), n_odd))
    spoilt = [ODDITIES[kinds[i]](test.iloc[i].copy(), rng) for i in odd]
    usual = test.drop(index=odd)
    test = pd.concat([usual, pd.DataFrame(spoilt).astype(test.dtypes)]).sort_index()
    return MixedTable(train, test, kinds != "", kinds, ("order", "note"))


def _orders(n: int, first: int, rng: np.random.Generator) -> pd.DataFrame:
    import pandas as pd

    typical, spread, weight, frequency = np.array(list(CATEGORIES.values())).T
    category = rng.choice(len(CATEGORIES), n, p=frequency)
    region = rng.choice(list(REGIONS), n, p=list(REGIONS.values()))
    district = rng.choice(list(DISTRICTS), n, p=list(DISTRICTS.values()))
    price = typical[category] * np.exp(spread[category] * rng.normal(size=n))
    price *= np.where(region == "west", WEST_MARKUP, 1.0)
    weight = weight[category] * np.exp(WEIGHT_SPREAD * rng.normal(size=n))
    quantity = 1 + rng.poisson(np.where(price < 50, 2.0, 0.3))
    dear = rng.choice(["card", "invoice"], n, p=[0.3, 0.7])
    cheap = rng.choice(["card", "cash", "voucher"], n, p=[0.7, 0.25, 0.05])
    light = rng.choice(["post", "courier"], n, p=[0.8, 0.2])
    frame = pd.DataFrame(
        {
            "order": np.arange(first, first + n),
            "category": np.array(list(CATEGORIES), dtype=object)[category],
            "region": region.astype(object),
            "city": region.astype(object) + "-" + district.astype(object),
            "price": price,
            "weight": weight,
            "quantity": quantity,
            "total": price * quantity * np.exp(TOTAL_SPREAD * rng.normal(size=n)),
            "payment": np.where(price > HIGH_PRICE, dear, cheap).astype(object),
            "shipping": np.where(weight > HEAVY, "truck", light).astype(object),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.uniform(0, 365, n), unit="D"),
            "note": [f"note {number:09d}" for number in rng.integers(10**9, size=n)],
        }
    )
    for column, share in ABSENT.items():
        frame.loc[rng.random(n) < share, column] = None if column == "payment" else np.nan
    return frame


def _other(names: dict, current: str, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in names if name != current]))


def _changed(column: str, change: Callable) -> Callable:
    """What replaces the value of a column, given the value and a source of randomness."""

    def spoil(row: pd.Series, rng: np.random.Generator) -> pd.Series:
        row[column] = change(row[column], rng)
        return row

    return spoil


# what is wrong -> how an order comes to it.
ODDITIES: dict[str, Callable] = {
    "category": _changed("category", lambda x, rng: _other(CATEGORIES, x, rng)),
    "total": _changed("total", lambda x, rng: x * rng.choice([0.3, 3.0])),
    "shipping": _changed("shipping", lambda x, rng: "post" if x == "truck" else "truck"),
    "region": _changed("region", lambda x, rng: _other(REGIONS, x, rng)),
    "payment": _changed("payment", lambda x, rng: str(rng.choice(["gold", "crypto"]))),
    "quantity": _changed("quantity", lambda x, rng: 7 * x + 5),
}
