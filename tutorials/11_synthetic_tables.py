"""
Tables that look like yours
===========================

A table that may not leave the house can sometimes be replaced by one that looks like it. What must
such rows keep: types, ranges, how often a value is zero or missing, and what goes with what?
:class:`flowkit.TableDensity` keeps these by itself, and takes conditions and constraints.
"""

# %%
# A table and its draws
# ---------------------
# Orders of a shop, made up: categories, prices, whole numbers, dates, some missing values. A
# discount is added that most orders do not have: a column with a *spike*, whose zeros have a
# probability, and whose other values have a density.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from flowkit import FlowDensity, TableDensity
from flowkit.datasets import make_orders
from flowkit.inspection import PairDisplay

rng = np.random.default_rng(0)
orders = make_orders(800, random_state=0).data
table = orders[["category", "region", "price", "quantity", "weight", "day"]].copy()
table["day"] = table["day"].dt.normalize()
has_discount = rng.uniform(size=len(table)) < 0.3
table["discount"] = np.where(has_discount, rng.gamma(2.0, 5.0, len(table)).round(2), 0.0)

density = TableDensity(
    FlowDensity(missing="marginalize", max_epochs=15),
    bounds={"price": (0, None), "weight": (0, None), "quantity": (1, None)},
    random_state=0,
)
density.fit(table)
print(density.report())

# %%
# Draws have the types of their columns, the levels, and the decimals.

drawn = density.sample(800, random_state=0, missing="sample")
print(drawn.head(4).to_string(index=False))
zeros = {"table": (table["discount"] == 0).mean(), "draws": (drawn["discount"] == 0).mean()}
gaps = {"table": table["weight"].isna().mean(), "draws": drawn["weight"].isna().mean()}
print("orders without a discount:", {name: f"{share:.0%}" for name, share in zeros.items()})
print("missing weights:", {name: f"{share:.1%}" for name, share in gaps.items()})

# %%
# Rows below the diagonal, draws above it: what goes with what?

PairDisplay.from_estimator(
    density,
    table.assign(price=table["price"].fillna(table["price"].median())),
    features=["category", "region", "quantity", "discount"],
    random_state=0,
)

# %%
# Orders that you need
# --------------------
# ``given`` fixes columns, and the others follow. ``constraints`` are expressions of columns, or
# functions of a table, that each row must meet; draws that do not are replaced, and the share of
# those that did is about the probability of the constraint.

sofas = density.sample(200, random_state=0, given={"category": "sofa"})
print(f"median price: {drawn['price'].median():.0f}, of sofas {sofas['price'].median():.0f}")
dear, share = density.sample(
    200,
    random_state=0,
    constraints=["price > 100", "discount < price"],
    return_acceptance=True,
)
print(f"dear orders: {share:.0%} of all")

# %%
# Are they any good?
# ------------------
# One test: a classifier that is trained on draws should do nearly as well on real rows as one that
# is trained on real rows. Here it tells orders of sofas from the others, by region, quantity and
# weight.

fresh = make_orders(800, random_state=1).data
features = ["price", "quantity", "weight"]
right = {}
for name, rows in (("real rows", table), ("draws", drawn)):
    classifier = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    classifier.fit(rows[features], rows["category"])
    right[name] = classifier.score(fresh[features], fresh["category"])
    print(f"categories recognised after training on {name}: {right[name]:.0%}")

# %%
# And one caution. Draws may lie close to training rows, or be equal to them where columns have few
# values; nothing here is a guarantee of privacy. The held-out log density tells whether the density
# learned what rows have in common, or the rows themselves.

fresh = fresh[list(table.columns[:-1])].assign(day=fresh["day"].dt.normalize(), discount=0.0)
rows = {"rows of training": table.assign(discount=0.0), "new rows": fresh}
likely = {name: density.score(part) for name, part in rows.items()}
print("mean log density:", {name: round(score, 1) for name, score in likely.items()})

plt.show()
