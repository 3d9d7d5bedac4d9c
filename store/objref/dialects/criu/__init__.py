"""The CRIU dialect: directories that `criu dump` wrote, and archives of them (docs/criu.md).

splitter  a tar stream → members, folders, layers
kinds     what each image file holds, which ids its objects have
files     which class takes which file apart
member    files that nobody looks into: raw, pages; what all the others begin with
items     image files, item by item; special ones: fdtable, pagemap, groups (cgroup, seccomp), payload (raw bytes)
alike     many items of one shape are followed in columns: shape, columns; parsing: what protobuf parses
refs      what each message refers to; refs_files: those of open files; rules: what most of it is said in
state     where the above leave what they found; finish: what can only be said at the end
memory    page maps → memory by address
extract   a smaller image with just what some tasks need, for criu restore
view      objects for people and for JSON; show*: as `crit show` writes fields; schema/: the protobuf messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.archive.tar_header import BLOCK, is_header
from objref.dialects.criu.kinds import KINDS, ROLES
from objref.dialects.dialect import Dialect

if TYPE_CHECKING:
    from objref.dialects.checks import Checks
    from objref.dialects.events import Splitter
    from objref.dialects.plan import Plan, Request
    from objref.image import Image
    from objref.limits import Limits
    from objref.object import Object

__all__ = ["DIALECT"]


def _splitter(limits: Limits) -> Splitter:
    from objref.dialects.criu.splitter import CriuSplitter

    return CriuSplitter(limits)


def _decodes(found: Object) -> bool:
    from objref.dialects.criu.view import decodes

    return decodes(found)


def _decode(found: Object) -> dict[str, Any]:
    from objref.dialects.criu.view import decode

    return decode(found)


def _brief(found: Object) -> str:
    from objref.dialects.criu.view import brief

    return brief(found)


def _extract(image: Image, request: Request) -> Plan:
    from objref.dialects.criu.extract import plan

    return plan(image, request)


def _checks() -> Checks:
    from objref.dialects.criu.check import CHECKS

    return CHECKS


DIALECT = Dialect(
    "criu", KINDS, ROLES, lambda head: is_header(head[:BLOCK]), _splitter, _decodes, _decode, _brief,
    extract=_extract, checks=_checks,
)  # fmt: skip
