"""Made orders of a shop, of which some do not belong: text, dates, missing values, identifiers."""

from __future__ import annotations

import numpy as np

from flowkit.datasets import make_orders

from .mixed_tables import MixedTable

# Ways of orders not to belong: the column that is changed.
ODDITIES = ("category", "total", "shipping", "region", "payment", "quantity")
_IDENTIFIERS = ("order", "note")


def made_orders(seed: int, n_train: int, n_test: int, n_odd: int) -> MixedTable:
    """Orders to train on and orders to test on, some of which do not belong."""
    rng = np.random.default_rng(seed)
    train = make_orders(n_train, random_state=rng).data
    test = make_orders(n_test, n_odd, first_order=n_train, random_state=rng)
    return MixedTable(train, test.data, test.target != "", test.target, _IDENTIFIERS)
