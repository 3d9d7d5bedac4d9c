"""Our named tuples are those of `typing` in whatever is asked of one, made without `typing`."""

from __future__ import annotations

import copy
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objref_index import named


class Ours(named.NamedTuple):
    """Three fields."""

    a: int
    b: str
    c: int = 7

    def both(self) -> str:
        """A method."""
        return f"{self.a}{self.b}"


class Theirs(typing.NamedTuple):
    """Three fields."""

    a: int
    b: str
    c: int = 7

    def both(self) -> str:
        """A method."""
        return f"{self.a}{self.b}"


QUESTIONS: list[Callable[[Any], Any]] = [
    tuple, len, hash, repr, lambda t: t.a, lambda t: t.both(), lambda t: t._asdict(), lambda t: t._replace(b="y"),
    lambda t: t._replace(x=1), lambda t: t == (1, "x", 7), lambda t: t < (2,), lambda t: t[1:], lambda t: t.d,
    lambda t: setattr(t, "a", 1), lambda t: setattr(t, "d", 1), lambda t: vars(t), lambda t: copy.copy(t) == t,
    lambda t: (t._fields, t._field_defaults, t.__match_args__, t.__doc__, t.__slots__), lambda t: type(t)._make("ab"),
    lambda t: type(t)._make("abc"), lambda t: isinstance(t, tuple), lambda t: type(t).__name__,
]  # fmt: skip


def told(ask: Callable[[], Any]) -> str:
    """The answer, or which error there is."""
    try:
        return repr(ask()).replace("Theirs", "Ours")
    except (TypeError, ValueError):  # which of them it is for a wrong field depends on the version of Python
        return "refused"
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_what_is_asked_of_one(number: int) -> None:
    values, ask = [(1, "x"), (1, "x", 9)], QUESTIONS[number]
    for given_values in values:
        ours, theirs = told(lambda v=given_values: ask(Ours(*v))), told(lambda v=given_values: ask(Theirs(*v)))  # type: ignore[misc]
        assert ours == theirs


@given(st.lists(st.integers(), max_size=5), st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4))
def test_making_one(by_place: list[int], by_name: dict[str, int]) -> None:
    ours, theirs = told(lambda: Ours(*by_place, **by_name)), told(lambda: Theirs(*by_place, **by_name))  # type: ignore[arg-type]
    assert ours == theirs


def test_it_can_be_pickled_and_matched() -> None:
    made = Ours(1, "x")
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(pickle.loads(pickle.dumps(made))) is Ours
    match made:
        case Ours(a, b):
            assert (a, b) == (1, "x")
