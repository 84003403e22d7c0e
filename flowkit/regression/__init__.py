"""Regression that gives a whole distribution of the targets."""

from .conditional_flow import ConditionalFlow

__all__ = ["ConditionalFlow"]
