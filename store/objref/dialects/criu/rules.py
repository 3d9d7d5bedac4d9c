"""What a message refers to, said as rules, which are followed in one message of protobuf or in columns of many alike.

What cannot be said so (repeated fields, mostly) is a function in refs.py or refs_files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from objref.dialects.criu.kinds import ROLE
from objref.dialects.criu.state import Outbox

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from objref.dialects.criu.columns import Columns

__all__ = ["Chosen", "Extract", "Keep", "Message", "Refer", "Rule", "asked_by", "follow_columns", "follow_message"]

Message = Any
"""A protobuf message; its fields are known by name only."""
Extract = Callable[[Message, Outbox], None]

When = Literal["always", "nonzero", "positive", "present", "absent"]


class Chosen(NamedTuple):
    """A kind that another field decides."""

    field: str
    kinds: Mapping[int, int]
    otherwise: int


class Refer(NamedTuple):
    """The number in `field` is the key of what is referred to. `when` asks about it, or about the field `of`."""

    role: str
    kind: int | Chosen
    field: str
    when: When = "nonzero"
    of: str = ""


class Keep(NamedTuple):
    """What this field says is asked for later: "pipes", or with the ordinal "unix", "inet"."""

    what: str
    field: str


Rule: TypeAlias = Refer | Keep


def asked_by(rules: tuple[Rule, ...]) -> Iterator[str]:
    """Paths of the fields that are read."""
    for rule in rules:
        yield rule.field
        if isinstance(rule, Refer) and isinstance(rule.kind, Chosen):
            yield rule.kind.field


# -- in one message -----------------------------------------------------------------------------------------


def follow_message(rules: tuple[Rule, ...]) -> Extract:
    """A function that follows these rules in a message."""
    steps = [_refers(rule) if isinstance(rule, Refer) else _keeps(rule) for rule in rules]

    def extract(m: Message, out: Outbox) -> None:
        for step in steps:
            step(m, out)

    return extract


def _refers(rule: Refer) -> Extract:
    get, applies, role = attrgetter(rule.field), _applies(rule), rule.role
    if isinstance(rule.kind, int):
        kind = rule.kind

        def refer(m: Message, out: Outbox) -> None:
            if applies(m):
                out.refer(role, kind, get(m))

        return refer

    choice, kinds, otherwise = attrgetter(rule.kind.field), rule.kind.kinds, rule.kind.otherwise

    def choose(m: Message, out: Outbox) -> None:
        if applies(m):
            out.refer(role, kinds.get(choice(m), otherwise), get(m))

    return choose


def _applies(rule: Refer) -> Callable[[Message], Any]:
    field = rule.of or rule.field
    get = attrgetter(field)
    table: dict[When, Callable[[Message], Any]] = {
        "always": lambda m: True,
        "nonzero": get,
        "positive": lambda m: get(m) > 0,
        "present": lambda m: m.HasField(field),
        "absent": lambda m: not m.HasField(field),
    }
    return table[rule.when]


def _keeps(rule: Keep) -> Extract:
    get, what = attrgetter(rule.field), rule.what
    return lambda m, out: out.keep(what, get(m))


# -- in columns ---------------------------------------------------------------------------------------------


def follow_columns(
    rules: tuple[Rule, ...], prefix: str, columns: Columns, ordinals: npt.NDArray[Any], out: Outbox
) -> None:
    """Follow these rules in columns of messages, the objects with these ordinals. `prefix`: of all paths."""
    for rule in rules:
        if isinstance(rule, Keep):
            out.keep_all(rule.what, _all(columns, prefix + rule.field, len(ordinals)), ordinals)
        else:
            _refer_all(rule, prefix, columns, ordinals, out)


def _all(columns: Columns, path: str, n: int) -> npt.NDArray[Any]:
    """A field of all messages, as an array in any case."""
    import numpy as np

    return np.broadcast_to(columns.value(path), (n,))


def _refer_all(rule: Refer, prefix: str, columns: Columns, ordinals: npt.NDArray[Any], out: Outbox) -> None:
    import numpy as np

    mask = _mask(rule, prefix, columns)
    if not mask.any():
        return
    some = np.flatnonzero(np.broadcast_to(mask, ordinals.shape))
    keys = _all(columns, prefix + rule.field, len(ordinals))[some]
    kinds: Any = rule.kind
    if isinstance(rule.kind, Chosen):
        choices = _all(columns, prefix + rule.kind.field, len(ordinals))[some]
        kinds = np.full(len(some), rule.kind.otherwise, np.uint16)
        for number, kind in rule.kind.kinds.items():
            kinds[choices == number] = kind
    out.refer_all(ordinals[some], ROLE[rule.role], kinds, keys)


def _mask(rule: Refer, prefix: str, columns: Columns) -> npt.NDArray[np.bool_]:
    """For which of them a rule counts: an array, or one value for all."""
    import numpy as np

    field = prefix + (rule.of or rule.field)
    if rule.when in ("nonzero", "positive"):
        value = columns.value(field)
        return np.asarray(value != 0 if rule.when == "nonzero" else value > 0)
    return np.asarray(rule.when == "always" or columns.has(field) == (rule.when == "present"))
