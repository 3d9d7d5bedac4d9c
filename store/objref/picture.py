"""A picture of references: Graphviz's language, in which large graphs are folded by kind so that they stay readable."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from objref.graph import STRENGTHS, Closure
from objref_index.references import DANGLING_BIT

if TYPE_CHECKING:
    from objref.object import Object

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


class _Box(NamedTuple):
    """What is drawn as one: an object, all of a kind, or what is not in the image."""

    name: str
    kind: str
    number: int
    missing: bool = False


def picture(found: Closure, *, most: int = 60, kinds: Collection[str] = ()) -> Picture:
    """The members of a closure and the references between them.

    most   boxes at most: the kinds with the most objects are folded into one box each until it fits (or nothing is
           left to fold). Objects that were asked for stay, if they are few
    kinds  only these kinds

    Memory: about 100 bytes an object and 150 a reference.
    """
    return _Drawing(found, most, frozenset(kinds)).picture()


class _Drawing:
    """Mutable: boxes and lines as they are found."""

    def __init__(self, found: Closure, most: int, kinds: frozenset[str]) -> None:
        self.found, self.image = found, found.image
        rows = map(self.image.object_table.row, found.ordinals)
        kind_of = {o: self.image.kind_name(row.kind) for o, row in zip(found.ordinals, rows, strict=True)}
        self.kind_of = {o: kind for o, kind in kind_of.items() if not kinds or kind in kinds}
        self.asked = frozenset(found.roots if len(found.roots) <= most // 2 else ())
        self.lost = [r for r in self._edges("dangling") if r[0] in self.kind_of]
        self.folded = self._fold(most)
        self.boxes: dict[int | str, _Box] = {}

    def _edges(self, which: str) -> Iterator[tuple[int, int, int]]:
        references = self.found.dangling() if which == "dangling" else self.found.references()
        return zip(*references.edges, strict=True)

    def _fold(self, most: int) -> dict[str, int]:
        counts = Counter(kind for ordinal, kind in self.kind_of.items() if ordinal not in self.asked)
        boxes, folded = len(self.kind_of), {}
        if self.lost:
            missing = len(self.lost)
            if missing <= NAMED:
                missing = len({self.image.dangling_objref(lost ^ DANGLING_BIT) for *_, lost in self.lost})
            boxes += missing
            counts[MISSING] = missing
        for kind, count in counts.most_common():
            if boxes <= most or count == 1:
                break
            folded[kind] = count
            boxes -= count - 1
        return folded

    def picture(self) -> Picture:
        lines: dict[tuple[int | str, int | str], Counter[int]] = {}
        drawn = 0
        for ordinal in self.kind_of:  # those without references as well
            self._box(ordinal)
        for source, role, target in [*self._edges("inside"), *self.lost]:
            if source in self.kind_of and (target in self.kind_of or target & DANGLING_BIT):
                drawn += 1
                lines.setdefault((self._box(source), self._box(target)), Counter())[role] += 1
        loops = self._loops()
        parts = [HEAD, *self._boxes(), *self._lines(lines, loops), self._caption(drawn), "}\n"]
        return Picture("".join(parts), len(self.kind_of), drawn, self.folded)

    def _box(self, ordinal: int) -> int | str:
        """The box of an object, or of the dangling reference with this number."""
        if ordinal & DANGLING_BIT:
            objref = self.image.dangling_objref(ordinal ^ DANGLING_BIT)
            name = MISSING if MISSING in self.folded else f"missing {objref}"
            self.boxes.setdefault(name, _Box(objref, "", self.folded.get(MISSING, 1), True))
            return name
        kind = self.kind_of[ordinal]
        if kind in self.folded and ordinal not in self.asked:
            self.boxes.setdefault(f"kind {kind}", _Box(kind, kind, self.folded[kind]))
            return f"kind {kind}"
        if ordinal not in self.boxes:
            self.boxes[ordinal] = _Box(self.image.by_ordinal(ordinal).objref, kind, 1)
        return ordinal

    def _in_loop(self, source: int | str, target: int | str, loops: dict[int | str, int]) -> bool:
        alone = source == target and isinstance(source, int)
        return alone or (source in loops and loops[source] == loops.get(target))

    def _loops(self) -> dict[int | str, int]:
        """Number of the loop that an object is in. What leads through a folded box is not known to be one."""
        drawn = array("I", sorted(key for key in self.boxes if isinstance(key, int)))
        loops = Closure(self.image, (), drawn).components(None).loops()
        return {ordinal: number for number, loop in enumerate(loops) for ordinal in loop}

    def _boxes(self) -> Iterator[str]:
        order = {kind: number for number, kind in enumerate(dict.fromkeys(self.kind_of.values()))}
        for key, box in self.boxes.items():
            style = ['style="rounded,dashed", color="#b2182b"'] if box.missing else [
                f'fillcolor="{FILLS[order[box.kind] % len(FILLS)]}"']  # fmt: skip
            if key in self.asked:
                style.append('penwidth=2, color="#000000"')
            yield f"  {self._name(key)} [label={self._label(key, box)}, {', '.join(style)}];\n"

    def _label(self, key: int | str, box: _Box) -> str:
        if box.number > 1:
            what = "not in the image" if box.missing else box.kind
            return f"<<b>{_text(what)}</b> × {box.number}>"
        if box.missing:
            return f"<<b>{_text(box.name)}</b><br/>{_small('not in the image')}>"
        brief = self._object(key).brief
        return f"<<b>{_text(box.name)}</b>{f'<br/>{_small(brief)}' if brief else ''}>"

    def _name(self, key: int | str) -> str:
        """A name for Graphviz, which shows it when one points at a box."""
        name = key if isinstance(key, str) else self.boxes[key].name
        return f'"{_text(name, len(name))}"'

    def _object(self, key: int | str) -> Object:
        assert isinstance(key, int)
        return self.image.by_ordinal(key)

    def _lines(
        self, lines: dict[tuple[int | str, int | str], Counter[int]], loops: dict[int | str, int]
    ) -> Iterator[str]:
        for (source, target), roles in lines.items():
            strongest: dict[str, list[str]] = {}
            for number, count in roles.items():
                role = self.image.role(number)
                strength = role.strength if role.strength in STRENGTHS else "?"
                strongest.setdefault(strength, []).append(role.name + (f" ×{count}" if count > 1 else ""))
            for strength, names in strongest.items():
                style = f"{LINES[strength]}, label=<{_text(', '.join(names))}>"
                if self._in_loop(source, target, loops):
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
