"""The kinds and roles of the dialect.

The key of every object is the position of its header in the image. `pos` is a second name for all of them:
`pos:0x68` and `cred:0x68` are the same object. References name the kind that their field is for, so one that leads to
an object of another kind, or into the middle of one, dangles.
"""

from __future__ import annotations

from objref.dialects.events import Kind, Role
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX

__all__ = ["KIND", "KINDS", "ROLE", "ROLES", "SIGNATURE"]

SIGNATURE = b"LinuxC/R"
"""The first bytes of an image, whatever its version."""

OBJECTS = (
    "task", "nsproxy", "uts-ns", "ipc-ns", "mnt-ns", "pid-ns", "net-ns", "mm", "signal", "sighand", "fs", "files",
    "file", "cred", "pid",
)  # fmt: skip
"""Object type 1…15, in this order."""

KINDS: tuple[Kind, ...] = (
    Kind("member", FORM_BYTES),  # number 0 is for files of a source; a stream is none
    *(Kind(name, FORM_HEX) for name in OBJECTS),
    Kind("header", FORM_DECIMAL),  # key 0. Not in `pos`: no reference may lead to it
    Kind("unknown", FORM_HEX),  # framed like an object, but its type or length is none of the facts
    Kind("pos", FORM_HEX),  # another key for all but the header
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}

ROLES: tuple[Role, ...] = (
    Role("real-cred", "H"),
    Role("cred", "H"),
    Role("mm", "H"),
    Role("pid", "H"),
    Role("group", "H"),
    Role("session", "H"),
    Role("fs", "H"),
    Role("files", "H"),
    Role("nsproxy", "H"),
    Role("signal", "H"),
    Role("sighand", "H"),
    Role("uts", "H"),
    Role("ipc", "H"),
    Role("mnt", "H"),
    Role("pid-ns", "H"),
    Role("net", "H"),
    Role("owner", "S"),  # who gets the file's signals; he may be gone
)
ROLE = {role.name: number for number, role in enumerate(ROLES)}
