"""What follows the struct of an object, and how long it says that it is."""

from __future__ import annotations

from struct import Struct

from objref.dialects.openvz.kinds import ARRAY, BODY_DATA, NUMBER
from objref.dialects.openvz.layouts import HEAD

__all__ = ["CGROUP", "NAME", "body_length", "broken", "cgroup_name", "has_children", "text"]

CGROUP, NAME = NUMBER["CGROUP"], NUMBER["NAME"]

_U32, _U64 = Struct("<I"), Struct("<Q")
STATED: dict[int, tuple[Struct, int, int]] = {
    NUMBER["BITS"]: (_U32, 16, 1),
    NUMBER["SYSVMSG_MSG"]: (_U64, 24, 1),
    NUMBER["SYSVSEM_UNDO_REC"]: (_U32, 20, 2),
}
"""Object type -> (reader, offset, unit) of the field that states the length of its payload."""
NAME_DATA = (_U32, 16, 1)
"""The same for a NAME inside a tmpfs mount, which holds a tar."""


def broken(length: int, header: int, room: int) -> str:
    """Why an object cannot be followed; empty when it can."""
    if header < HEAD.size:
        return f"its header length is {header}, below {HEAD.size}"
    if length < header:
        return f"its length {length} is below its header length {header}"
    if length > room:
        return f"its length {length} reaches {length - room} bytes past its container"
    return ""


def body_length(number: int, content: int, head: memoryview) -> int | None:
    """Bytes of payload that a struct states; None when it states nothing."""
    stated = NAME_DATA if number == NAME and content == BODY_DATA else STATED.get(number)
    if stated is None:
        return None
    reader, offset, unit = stated
    if offset + reader.size > len(head):
        return None
    return int(reader.unpack_from(head, offset)[0]) * unit


def has_children(known: bool, content: int) -> bool:
    """Whether the body is a list of objects. What an unknown type means by its content kind is not known either."""
    return known and content == ARRAY


def cgroup_name(body: memoryview) -> int:
    """Length of the NAME that begins the body of a cgroup; 0 for a root group, which has none."""
    if len(body) < HEAD.size:
        return 0
    length, number, header, _ = HEAD.unpack_from(body)
    return int(length) if number == NAME and not broken(length, header, len(body)) else 0


def text(body: memoryview) -> bytes:
    """The text of a NAME, up to its NUL."""
    return bytes(body).split(b"\0", 1)[0]
