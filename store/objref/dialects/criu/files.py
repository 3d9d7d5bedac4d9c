"""Which splitter takes which file of a CRIU directory apart (docs/criu.md)."""

from __future__ import annotations

from objref.dialects.criu.fdtable import TableFile
from objref.dialects.criu.groups import GroupsFile
from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.kinds import ImageName
from objref.dialects.criu.member import File, HoledFile, Member, Numbering, PagesFile, RawFile
from objref.dialects.criu.pagemap import PagemapFile
from objref.dialects.criu.payload import PayloadFile
from objref.dialects.criu.state import LayerState
from objref.limits import Limits

__all__ = ["open_file"]


def open_file(name: ImageName | None, member: Member, numbering: Numbering, state: LayerState, limits: Limits) -> File:
    """The splitter for a file of this name."""
    if name is None:
        return File(member, numbering)
    kind = name.spec.kind
    if kind in ("pages", "pages-shmem"):
        return PagesFile(member, numbering, name)
    if not name.spec.message:
        return RawFile(member, numbering, name)
    if member.runs is not None:
        return HoledFile(member, numbering)
    special: dict[str, type[ImageFile]] = {
        "fd": TableFile,
        "pagemap": PagemapFile,
        "pagemap-shmem": PagemapFile,
        "cgroup": GroupsFile,
    }
    special |= {"seccomp": GroupsFile}
    chosen: type[ImageFile] = PayloadFile if name.spec.payload else special.get(kind, ImageFile)
    return chosen(member, numbering, name, state, limits)
