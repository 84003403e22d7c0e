"""A fitted estimator and its rows on one page: what is unusual, how good the fit is, and checks."""

from ._strange import told_reasons as told_reasons
from .checks import CHECKS
from .report import Report, report

__all__ = ["CHECKS", "Report", "report"]
