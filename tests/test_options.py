"""Options that a constructor takes, read off its signature."""

from __future__ import annotations

import functools

from flowkit._options import taken

OFFERED = {"width": 1, "height": 2, "depth": 3}


class Explicit:
    def __init__(self, width, *, height=0):
        pass


class Passing(Explicit):
    def __init__(self, depth=0, **options):
        pass


class Closed(Passing):
    def __init__(self, depth=0):
        pass


class Inheriting(Closed):
    pass


def test_named_parameters_are_taken():
    assert taken(Explicit, OFFERED) == {"width": 1, "height": 2}


def test_options_that_are_passed_on_are_those_of_the_base_too():
    assert taken(Passing, OFFERED) == OFFERED


def test_a_constructor_of_its_own_hides_those_of_the_bases():
    assert taken(Closed, OFFERED) == taken(Inheriting, OFFERED) == {"depth": 3}


def test_what_is_fixed_in_part_takes_what_its_class_takes():
    assert taken(functools.partial(Explicit, height=5), OFFERED) == {"width": 1, "height": 2}
