"""Densities inside others: unwrapped, seeded, drawn from, scored on changed copies of rows."""
