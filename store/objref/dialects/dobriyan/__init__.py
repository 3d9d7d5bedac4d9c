"""The dialect of Alexey Dobriyan's images of March 2009: small, in-kernel, never restored.

Facts: his posting of 2009-03-01, the only complete one. That of 2009-02-27 has other type numbers, that of April
another scheme of ids: their objects are kept verbatim and not decoded. There are no memory pages: an mm is a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.dialect import Dialect
from objref.dialects.dobriyan.kinds import KINDS, ROLES, SIGNATURE

if TYPE_CHECKING:
    from objref.dialects.checks import Checks
    from objref.dialects.events import Splitter
    from objref.limits import Limits
    from objref.object import Object

__all__ = ["DIALECT"]

VERSION_MAX = 31
"""1 is known. Up to here a byte is a control character, which no sane name has in that place."""


def _detect(head: bytes) -> bool:
    """The signature and a small version: images of versions that are not known are ours, too, and kept verbatim.

    A tar starts with a name, which may be `LinuxC/R` or `LinuxC/R/…`: read as a version that is 0 or huge.
    """
    if head[: len(SIGNATURE)] != SIGNATURE:
        return False
    version = head[len(SIGNATURE) :][:4]  # le32 in the image of April, le64 before
    return len(version) < 4 or 0 < int.from_bytes(version, "little") <= VERSION_MAX


def _splitter(limits: Limits) -> Splitter:
    from objref.dialects.dobriyan.splitter import DobriyanSplitter

    return DobriyanSplitter(limits)


def _decodes(found: Object) -> bool:
    from objref.dialects.dobriyan.view import decodes

    return decodes(found)


def _decode(found: Object) -> dict[str, Any]:
    from objref.dialects.dobriyan.view import decode

    return decode(found)


def _brief(found: Object) -> str:
    from objref.dialects.dobriyan.view import brief

    return brief(found)


def _checks() -> Checks:
    from objref.dialects.dobriyan.check import CHECKS

    return CHECKS


APART = (
    "ids in the file are positions in it, so a shorter file would need another id in every place that "
    "holds one; and nothing was ever made that restores it"
)
DIALECT = Dialect(
    "dobriyan", KINDS, ROLES, _detect, _splitter, _decodes, _decode, _brief, apart=APART, always=("header",),
    checks=_checks,
)  # fmt: skip
