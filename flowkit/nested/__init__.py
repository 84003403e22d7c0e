"""Densities inside others: unwrapped, seeded, drawn from, scored on changed copies of rows."""

from ._any_density import MeanScoreMixin, check_n_samples

__all__ = ["MeanScoreMixin", "check_n_samples"]
