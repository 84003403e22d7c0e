"""What a check is, and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import resources
from typing import ClassVar

from .._evidence import Evidence

FOUND, PASSED, NOT_CHECKED = "found", "passed", "not checked"
SEVERITIES = SERIOUS, WARNING, NOTE = "serious", "warning", "note"


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Parameters
    ----------
    status : {'found', 'passed', 'not checked'}
        Whether there is something to look at.
    text : str
        What it is, or what was seen instead.
    """

    status: str
    text: str


def found(text: str) -> Outcome:
    """There is something to look at."""
    return Outcome(FOUND, text)


def passed(text: str) -> Outcome:
    """There is nothing to look at."""
    return Outcome(PASSED, text)


def not_checked(why: str) -> Outcome:
    """What the check needs is not there."""
    return Outcome(NOT_CHECKED, why)


class Check(ABC):
    """One question to an estimator and its rows.

    Subclasses set the attributes and implement `look`; the page of the check explains it.

    Attributes
    ----------
    number : str
        R and a number, which never changes.
    title : str
        What is wrong where something is found.
    severity : {'serious', 'warning', 'note'}
        How much that matters.
    page : str
        Name of the page, without its ending.
    """

    number: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[str]
    page: ClassVar[str]

    @abstractmethod
    def look(self, evidence: Evidence) -> Outcome:
        """Look at what was measured."""

    @property
    def explanation(self) -> str:
        """The page of the check, in Markdown."""
        folder = resources.files("flowkit.reports").joinpath("pages")
        return folder.joinpath(f"{self.number}_{self.page}.md").read_text(encoding="utf-8")
