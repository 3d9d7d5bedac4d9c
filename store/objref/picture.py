"""A picture of references: Graphviz's language, in which large graphs are folded by kind so that they stay readable."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from html import escape
from typing import NamedTuple

from objref.graph import STRENGTHS, Closure
from objref_index.references import DANGLING_BIT

__all__ = ["Picture", "picture"]

FILLS = ("#cfe2f3", "#d9ead3", "#fff2cc", "#fce5cd", "#d9d2e9", "#d0e0e3", "#ead1dc", "#e4e4e4", "#e9dcc9", "#dde5b6")
"""By kind. Light enough that black text on them is read on paper, also without colour."""
LINES = {
    "H": 'color="#333333"',
    "K": 'color="#333333", penwidth=1.8',
    "O": 'color="#8a5a00", style=dotted, penwidth=1.6',
    "S": 'color="#888888", style=dashed, constraint=false',
    "?": 'color="#888888"',
}
LEGEND = "line: needed (H) · thick: part (K) · dotted: owned (O) · dashed: may be missing (S) · red: in a loop"
LOOP = 'color="#b2182b", fontcolor="#b2182b"'
LOST = 'style="rounded,dashed", color="#b2182b"'
FONT = 'fontname="Helvetica,Arial,sans-serif"'
HEAD = f"""\
digraph objref {{
  graph [rankdir=LR, {FONT}, fontsize=11, labelloc=b, nodesep=0.18, ranksep=0.7, bgcolor=white];
  node [shape=box, style="rounded,filled", {FONT}, fontsize=10, margin="0.11,0.05", height=0.3, color="#555555"];
  edge [{FONT}, fontsize=8, fontcolor="#444444", arrowsize=0.6];
"""
MISSING = "not in the image"
"""Stands for the kind of what dangling references name."""
NAMED = 1000
"""So many dangling references are told apart by name; of more, each counts."""
LABEL = 36
"""Characters of a line of a label."""


class Picture(NamedTuple):
    """`dot` is in Graphviz's language. `folded`: kind -> how many objects stand behind one box of it."""

    dot: str
    objects: int
    references: int
    folded: dict[str, int]


Key = int | str


class _Box(NamedTuple):
    """What is drawn as one: an object, all of a kind, or what is not in the image (which has no kind)."""

    name: str
    kind: str
    number: int
    brief: str


def picture(found: Closure, *, most: int = 60, kinds: Collection[str] = ()) -> Picture:
    """The members of a closure and the references between them.

    most   boxes at most: the kinds with the most objects are folded into one box each until it fits (or nothing is
           left to fold). Objects that were asked for stay, if they are few
    kinds  only these kinds

    Memory: about 100 bytes an object and 150 a reference.
    """
    return _Drawing(found, most, frozenset(kinds)).picture()


class _Drawing:
    """What is drawn: `boxes` by key, `lines` between keys by role. An object's key is its ordinal, a string stands for
    several or for what is missing."""

    def __init__(self, found: Closure, most: int, kinds: frozenset[str]) -> None:
        self.found, self.image = found, found.image
        self.kind_of = {o: kind for o, kind in self._kinds() if not kinds or kind in kinds}
        self.asked = frozenset(found.roots if len(found.roots) <= most // 2 else ())
        missing = found.dangling().edges
        self.lost = [r for r in zip(*missing, strict=True) if r[0] in self.kind_of]
        self.folded = self._fold(most)
        self.key_of = {
            o: f"kind {kind}" if kind in self.folded and o not in self.asked else o for o, kind in self.kind_of.items()
        }
        self.boxes: dict[Key, _Box] = {}
        for ordinal, key in self.key_of.items():
            if key not in self.boxes:
                self.boxes[key] = self._box(ordinal, key)
        self.lines = self._inner_lines()
        for source, role, target in self.lost:
            self.lines[self.key_of[source], self._missing(target), role] += 1

    def _kinds(self) -> Iterator[tuple[int, str]]:
        rows = map(self.image.object_table.row, self.found.ordinals)
        return ((o, self.image.kind_name(row.kind)) for o, row in zip(self.found.ordinals, rows, strict=True))

    def _fold(self, most: int) -> dict[str, int]:
        counts = Counter(kind for ordinal, kind in self.kind_of.items() if ordinal not in self.asked)
        boxes, folded = len(self.kind_of), {}
        if self.lost:
            counts[MISSING] = len(self.lost)
            if len(self.lost) <= NAMED:
                counts[MISSING] = len({self.image.dangling_objref(lost ^ DANGLING_BIT) for *_, lost in self.lost})
            boxes += counts[MISSING]
        for kind, count in counts.most_common():
            if boxes <= most or count == 1:
                break
            folded[kind] = count
            boxes -= count - 1
        return folded

    def _box(self, ordinal: int, key: Key) -> _Box:
        kind = self.kind_of[ordinal]
        if isinstance(key, str):
            return _Box(kind, kind, self.folded[kind], "")
        found = self.image.by_ordinal(ordinal)
        return _Box(found.objref, kind, 1, found.brief)

    def _missing(self, target: int) -> Key:
        """The key of what a dangling reference names."""
        if MISSING in self.folded:
            self.boxes[MISSING] = _Box(MISSING, "", self.folded[MISSING], "")
            return MISSING
        objref = self.image.dangling_objref(target ^ DANGLING_BIT)
        key = f"missing {objref}"
        self.boxes[key] = _Box(objref, "", 1, MISSING)
        return key

    def _inner_lines(self) -> Counter[tuple[Key, Key, int]]:
        sources, roles, targets = self.found.references().edges
        key = self.key_of.get
        counted = Counter(zip(map(key, sources), map(key, targets), roles, strict=True))
        return Counter({(a, b, role): n for (a, b, role), n in counted.items() if a is not None and b is not None})

    def picture(self) -> Picture:
        drawn = self.lines.total()
        parts = [HEAD, *self._boxes(), *self._lines(), self._caption(drawn), "}\n"]
        return Picture("".join(parts), len(self.kind_of), drawn, self.folded)

    def _loops(self) -> dict[Key, int]:
        """Number of the loop that an object is in. What leads through a folded box is not known to be one."""
        drawn = array("I", sorted(key for key in self.boxes if isinstance(key, int)))
        loops = Closure(self.image, (), drawn).components(None).loops()
        return {ordinal: number for number, loop in enumerate(loops) for ordinal in loop}

    def _boxes(self) -> Iterator[str]:
        order = {kind: number for number, kind in enumerate(dict.fromkeys(self.kind_of.values()))}
        for key, box in self.boxes.items():
            style = f'fillcolor="{FILLS[order[box.kind] % len(FILLS)]}"' if box.kind else LOST
            if key in self.asked:
                style += ', penwidth=2, color="#000000"'
            label = f"<b>{_text(box.name)}</b>"
            label += f" × {box.number}" if box.number > 1 else ""
            label += f"<br/>{_small(box.brief)}" if box.brief else ""
            yield f"  {self._name(key)} [label=<{label}>, {style}];\n"

    def _name(self, key: Key) -> str:
        """A name for Graphviz, which shows it when one points at a box."""
        name = key if isinstance(key, str) else self.boxes[key].name
        return f'"{_text(name, len(name))}"'

    def _lines(self) -> Iterator[str]:
        """One line for all roles of one strength between two boxes."""
        loops = self._loops()
        together: dict[tuple[Key, Key, str], list[str]] = {}
        for (source, target, number), count in self.lines.items():
            role = self.image.role(number)
            strength = role.strength if role.strength in STRENGTHS else "?"
            name = f"{role.name} ×{count}" if count > 1 else role.name
            together.setdefault((source, target, strength), []).append(name)
        for (source, target, strength), names in together.items():
            style = f"{LINES[strength]}, label=<{_text(', '.join(names))}>"
            alone = source == target and isinstance(source, int)
            if alone or (source in loops and loops[source] == loops.get(target)):
                style += f", {LOOP}"
            yield f"  {self._name(source)} -> {self._name(target)} [{style}];\n"

    def _caption(self, drawn: int) -> str:
        name = str(self.image.container.source.name).rpartition("/")[2]
        text = f"{name}: {len(self.kind_of)} objects, {drawn} references"
        if self.folded:
            several = ", ".join(f"{count} {kind}" for kind, count in self.folded.items())
            text += f" · folded: {several}"
        return f"  label=<{_text(text, 120)}<br/>{_small(LEGEND, 120)}>;\n"


def _text(text: str, most: int = LABEL) -> str:
    """Text of an image as text of an HTML-like label: no markup, no control characters, only UTF-8."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in short)
    text = escape(shown.encode("utf-8", "backslashreplace").decode())
    return text.replace("\\", "\\\\")  # Graphviz puts names for \N and the like, in these labels as well


def _small(text: str, most: int = LABEL) -> str:
    return f'<font point-size="8">{_text(text, most)}</font>'
