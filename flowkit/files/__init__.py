"""Estimators in files: what is loaded runs no code."""

from .persistence import load, model_card, save

__all__ = ["load", "model_card", "save"]
