"""The numbered checks of a report, a file each; a page each in `flowkit/reports/pages`."""

from ._base import FOUND, NOT_CHECKED, PASSED, SEVERITIES, Check, Outcome
from .classical import WorseThanClassical
from .hold_out_gap import HoldOutGap
from .identifiers import Identifiers
from .late_gains import LateGains
from .one_column import OneColumn
from .outside_range import OutsideRange
from .round_trip import RoundTrip
from .small_hold_out import SmallHoldOut
from .ties import Ties

CHECKS: tuple[Check, ...] = (
    HoldOutGap(),
    WorseThanClassical(),
    Ties(),
    RoundTrip(),
    SmallHoldOut(),
    LateGains(),
    Identifiers(),
    OneColumn(),
    OutsideRange(),
)

__all__ = ["CHECKS", "FOUND", "NOT_CHECKED", "PASSED", "SEVERITIES", "Check", "Outcome"]
