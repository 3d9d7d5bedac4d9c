"""The linux-cr dialect: the pure sequential stream that the `checkpoint` system call of 2009-2012 wrote (rev 3 to 6).

kinds.py                         what there is
numbering.py, revision.py        the numbers of records and objects, and how a stream tells which ones it has
records.py, entries.py           the layout of every record, each declared once, in the notation of fields.py
splitter.py                      framing: bytes in, events out
grammar.py, hooks.py, openers.py which record belongs to which object
batch.py, memory.py              columns of complete objects; where memory pages went
view.py, tails.py, brief.py      objects for people
check.py                         whether a stream makes sense
convert.py                       from one layout of rev 6 to another
extract/                         a shorter stream with some of the tasks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.dialect import Dialect
from objref.dialects.linux_cr.kinds import DECODED, KINDS, ROLES
from objref.dialects.linux_cr.numbering import CONVERTIBLE, starts_stream

if TYPE_CHECKING:
    from objref.dialects.checks import Checks
    from objref.dialects.dialect import Converter
    from objref.dialects.events import Splitter
    from objref.dialects.plan import Plan, Request
    from objref.image import Image
    from objref.limits import Limits
    from objref.object import Object

__all__ = ["DIALECT"]


def _splitter(limits: Limits) -> Splitter:
    from objref.dialects.linux_cr.splitter import LinuxCrSplitter

    return LinuxCrSplitter(limits)


def _decodes(found: Object) -> bool:
    return found.kind in DECODED


def _decode(found: Object) -> dict[str, Any]:
    from objref.dialects.linux_cr.view import decode

    return decode(found)


def _brief(found: Object) -> str:
    from objref.dialects.linux_cr.brief import brief

    return brief(found)


def _converter(target: str, source: str | None, limits: Limits) -> Converter:
    from objref.dialects.linux_cr.convert import LinuxCrConverter

    return LinuxCrConverter(target, source, limits)


def _about(image: Image) -> dict[str, str]:
    from objref.dialects.linux_cr.about import about

    return about(image)


def _checks() -> Checks:
    from objref.dialects.linux_cr.check import CHECKS

    return CHECKS


def _extract(image: Image, request: Request) -> Plan:
    from objref.dialects.linux_cr.extract import plan

    return plan(image, request)


DIALECT = Dialect(
    "linux-cr", KINDS, ROLES, starts_stream, _splitter, _decodes, _decode, _brief, CONVERTIBLE, _converter, _extract,
    about=_about, checks=_checks,
)  # fmt: skip
