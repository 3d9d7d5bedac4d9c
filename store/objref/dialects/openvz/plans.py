"""What to do with objects of one type and struct length: found out once, then looked up."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from objref.dialects.events import Note
from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import KIND, KIND_OF, NUMBER, OBJECTS, UNKNOWN
from objref.dialects.openvz.layouts import layout
from objref.dialects.openvz.ledger import Ledger, at
from objref.dialects.openvz.memory import Memories
from objref.dialects.openvz.references import NO_FIELDS, SPECIAL, About, Reader, Special, Target, own_keys, references

__all__ = ["OWNERS", "Image", "Plan"]

OWNERS = {NUMBER["MM"]: KIND["mm"], NUMBER["INODE"]: KIND["inode"]}
"""Types whose page blocks are memory."""
MM, MM_AT, WIDE_AT = Struct("<Q"), 96, 215
"""cpt_mm and cpt_64bit of a task."""
SAID_MAX = 256
"""Types and struct lengths that are named as not decoded."""


class Plan(NamedTuple):
    """Of a type and a struct length."""

    kind: int
    listed: bool
    """Whether content ARRAY is a list of objects."""
    bare: bool
    """Whether content VOID means that nothing follows the struct."""
    fields: Reader
    own: Reader
    special: Special | None
    tells: bool
    """Whether there are references or further keys in the struct."""


class Image:
    """What is known of the file as a whole while it is walked. Mutable."""

    def __init__(self, about: About) -> None:
        self.about = about
        self.ledger = Ledger()
        self.memories = Memories()
        self.trailer: tuple[int, bytes] | None = None
        """Position and struct of the trailer object."""
        self.wide_tasks = 0
        """Tasks that say they are 64-bit."""
        self.spaces: set[int] = set()
        """Positions that tasks name as their MM."""
        self.plans: dict[tuple[int, int], Plan] = {}
        """By (type, length of the struct). Bounded: only of structs that are decoded."""
        self._said: set[tuple[int, int]] = set()

    def plan(self, number: int, header: int, position: int, notes: list[Note]) -> Plan:
        """For an object of a type, with a struct of `header` bytes."""
        found = self.plans.get((number, header))
        if found is not None:
            return found
        known = layout(number, self.about.architecture)
        if number not in OBJECTS:
            self._say(notes, position, (number, 0), f"object type {number} is kept, not looked into")
            return Plan(UNKNOWN, False, False, NO_FIELDS, NO_FIELDS, None, False)
        listed, bare = number not in bodies.RAW, number not in bodies.NEVER_BARE
        if known is None:
            return Plan(KIND_OF[number], listed, bare, NO_FIELDS, NO_FIELDS, None, False)
        if header > known.size:
            text = f"a {known.name} struct of {header} bytes, at most {known.size} are known: kept, not decoded"
            self._say(notes, position, (number, header), text)
            return Plan(KIND_OF[number], listed, bare, NO_FIELDS, NO_FIELDS, None, False)
        if header != known.size and header not in known.older:
            text = f"a {known.name} struct of {header} bytes, {known.size} are known: decoded as far as it goes"
            self._say(notes, position, (number, header), text)
        fields, own = (of(number, self.about.architecture, header) for of in (references, own_keys))
        special = SPECIAL.get(number)
        tells = bool(fields.rules or own.rules or special)
        made = Plan(KIND_OF[number], listed, bare, fields, own, special, tells)
        self.plans[number, header] = made
        return made

    def describe(
        self, plan: Plan, data: memoryview, at: int, header: int, names: list[bytes]
    ) -> tuple[list[tuple[int, int]], list[Target]]:
        """(further keys, references) of an object whose struct stands at data[at:]."""
        if not plan.tells:
            return [], []
        keys = [
            (rule.kind, key)
            for rule, key in zip(plan.own.rules, plan.own.unpack(data, at), strict=True)
            if key not in rule.nothing
        ]
        found = [
            Target(rule.role, rule.kind, key, rule.expected)
            for rule, key in zip(plan.fields.rules, plan.fields.unpack(data, at), strict=True)
            if key not in rule.nothing
        ]
        return keys, found + (plan.special(self.about, data, at, header, names) if plan.special is not None else [])

    def task(self, data: memoryview, at: int, header: int) -> int | None:
        """What the end needs to know of a task. Returns the position that it names as its MM."""
        if header <= WIDE_AT:
            return None
        self.wide_tasks += data[at + WIDE_AT] != 0
        mm = int(MM.unpack_from(data, at + MM_AT)[0])
        self.spaces.add(mm)
        return mm

    def _say(self, notes: list[Note], position: int, what: tuple[int, int], text: str) -> None:
        if what not in self._said and len(self._said) < SAID_MAX:
            self._said.add(what)
            notes.append(Note("layout" if what[1] else "unknown-type", at(position), f"{text} (said once)"))
