"""Is an image whole, in its dialect's own terms? What is missing, left over, mixed or cut, and what that means.

`verify` proves that bytes are those that were imported; `check` asks whether what they say makes sense. The dialect
knows (`objref.dialects.checks`); here its tables are applied. Contents of pages are never read.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from objref.cut import References
from objref.errors import LostError, UnsupportedError
from objref.findings import Finding
from objref.names import format_objref

if TYPE_CHECKING:
    from objref.dialects.checks import Checks, Found, Judgement, Look, Tick
    from objref.image import Image
    from objref.object import Reference

__all__ = ["CLAIMED", "DANGLING", "GONE", "MOST", "check_image"]

DANGLING = "dangling"
"""`what` of references to nothing."""
CLAIMED = "claimed-twice"
"""`what` of ids that several objects have, as of the import's note. Judged by that, or by "claimed-twice SPACE"."""
GONE = "lost"
"""`what` of bytes that had not come back when the image was recovered."""
INCOMPLETE = "take another copy of the dump, or dump again"
SHOWN = 5
"""Lost ranges that are told."""
MOST = 100
"""Findings of one kind that are told one by one; further ones are counted."""
LAYER = re.compile(r"^\d+/")
CHUNK = 1 << 16
TICKS = 1 << 10


def check_image(image: Image, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
    """What is wrong with the dump that an image holds, one by one as it is found; nothing: it is whole.

    progress  called with the number of objects looked at (some more than once), now and then

    Memory: some hundred bytes a task and an open file, a byte an object, and one object at a time; not more for all
    that is wrong: of each `what` and meaning, MOST findings are told, and how many more there are (`where` is empty,
    and `affected` their number).

    Errors: FormatError and its kin where the image itself is damaged (see `verify_image`), UnsupportedError (a dialect
    that this version does not know).
    """
    make = image.dialect.checks
    if make is None:
        raise UnsupportedError(f"images of dialect {image.dialect.name!r} cannot be checked: nothing is known of them")
    return _limited(_all(image, make(), _ticking(progress)))


def _ticking(progress: Callable[[int], None] | None) -> Tick:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None and done % TICKS == 0:
            progress(done)

    return tick


def _all(image: Image, checks: Checks, tick: Tick) -> Iterator[Finding]:
    several = [_noticed(image, checks), _claimed(image, checks, tick), _lost(image, checks, tick)]
    several += [_looked(look, image, checks, tick) for look in checks.looks]
    if image.lost_bytes:
        where = ", ".join(f"{start}…{stop}" for start, stop in image.lost_ranges[:SHOWN])
        text = f"{image.lost_bytes} bytes of the stream are lost ({where}): objects in them cannot be looked at"
        yield Finding(GONE, "", text, (), (), 0, "error", "they cannot be restored: " + INCOMPLETE)
    for some in several:
        try:
            yield from some
        except LostError as error:
            yield Finding(GONE, "", f"a look was given up: {error}", (), (), 0, "error", "see above")


def _looked(look: Look, image: Image, checks: Checks, tick: Tick) -> Iterator[Finding]:
    for found in look(image, tick):
        yield _finding(found, checks)


def _finding(found: Found, checks: Checks) -> Finding:
    judgement = checks.findings[found.what]
    objrefs = found.objrefs or ((found.where,) if ":" in found.where else ())
    return Finding(found.what, found.where, found.text, (), objrefs, len(objrefs), *judgement)


def _noticed(image: Image, checks: Checks) -> Iterator[Finding]:
    """What the import noticed, in the words that it used."""
    for said in image.notes():
        what, where = said.get("what", ""), said.get("where", "")
        judgement = checks.notes.get(what)
        if judgement is not None and what != CLAIMED:
            objrefs = tuple(name for name in (where, f"member:{where}") if ":" in name and name in image)[:1]
            where = objrefs[0] if objrefs else where
            yield Finding(what, where, said.get("text", ""), (), objrefs, len(objrefs), *judgement)


def _claimed(image: Image, checks: Checks, tick: Tick) -> Iterator[Finding]:
    """Ids that several objects have: the import counted them, here they are named."""
    for layer, name in image.spaces():
        space = image.space(name, layer)
        judgement = checks.notes.get(f"{CLAIMED} {name}", checks.notes.get(CLAIMED))
        if space.entry.keys == space.entry.distinct or judgement is None:
            continue
        for key in space:
            tick()
            claims = space.claims(key)
            if claims > 1:
                where = format_objref(layer, name, key, space.form)
                yield Finding(CLAIMED, where, f"{claims} objects have this id", (), (where,), claims, *judgement)


# -- references to nothing ----------------------------------------------------------------------------------


def _lost(image: Image, checks: Checks, tick: Tick) -> Iterator[Finding]:
    from objref_index.cut import edges

    if not image.dangling_count:
        return
    matters = checks.matters(image)
    for start in range(0, len(image), CHUNK):
        members = array("I", range(start, min(start + CHUNK, len(image))))
        for reference in References(image, True, edges(image.reference_table, True, members, "nowhere")):
            tick()
            judgement = _judge(reference, checks)
            if judgement is not None and matters(reference.source):
                yield _reference(reference, judgement)


def _judge(reference: Reference, checks: Checks) -> Judgement | None:
    role, target = reference.role, LAYER.sub("", reference.target_objref)
    kind = target.partition(":")[0]
    for name in (f"{role} {target}", f"{role} {kind}", f"{reference.source.kind} {role}", role):
        if name in checks.lost:
            return checks.lost[name]
    return checks.lost_otherwise.get(reference.strength)


def _reference(reference: Reference, judgement: Judgement) -> Finding:
    source = reference.source.objref
    text = f"its {reference.role} is {reference.target_objref}, which is not in the image"
    return Finding(DANGLING, source, text, (), (source,), 1, *judgement)


# -- not too many -------------------------------------------------------------------------------------------


def _limited(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The first of each kind, and in the end how many more there were."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        name = finding.what, finding.severity, finding.meaning
        seen[name] += 1
        if seen[name] <= MOST:
            yield finding
    for (what, severity, meaning), n in seen.items():
        if n > MOST:
            text = f"{n - MOST} more of these"
            yield Finding(what, "", text, (), (), n - MOST, severity, meaning)  # type: ignore[arg-type]
