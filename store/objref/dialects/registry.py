"""The dialects, by name and by how their streams begin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from objref.dialects.dialect import Dialect
from objref.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from objref.limits import Limits
    from objref.object import Object

__all__ = ["NAMES", "dialect", "expected", "find", "is_known"]

NAMES = ("criu", "linux-cr", "openvz", "dobriyan")
"""Each is a package beside this file (with `_` for `-`). The order is that in which `find` asks them."""


def dialect(name: str) -> Dialect:
    """The dialect of that name. One that this version does not know can still be listed, read and exported."""
    if name not in NAMES:
        return _unknown(name)
    found: Dialect = import_module(f"objref.dialects.{name.replace('-', '_')}").DIALECT
    return found


def find(head: bytes) -> Dialect:
    """The dialect of a stream that starts with these bytes."""
    for name in NAMES:
        found = dialect(name)
        if found.detect(head):
            return found
    raise UnsupportedError(f"not a stream of a known dialect ({', '.join(NAMES)}): it starts with {head[:16].hex(' ')}")


def is_known(head: bytes) -> bool:
    """Whether a stream that starts with these bytes has a dialect."""
    return any(dialect(name).detect(head) for name in NAMES)


def expected(*others: str) -> str:
    """What a stream may be, for messages: of a dialect, or one of `others`."""
    *first, last = (*NAMES, *others)
    return f"a tar archive of an image directory, or a stream of {', '.join(first)} or {last}"


def _unknown(name: str) -> Dialect:
    def splitter(_: Limits) -> Any:
        raise UnsupportedError(f"dialect {name!r} is not known to this version")

    def extract(*_: Any) -> Any:
        raise UnsupportedError(f"dialect {name!r} is not known to this version: what a part would need cannot be told")

    def decode(found: Object) -> dict[str, Any]:
        raise UsageError(f"{found.objref}: dialect {name!r} is not known to this version; its bytes: objref get")

    return Dialect(name, (), (), lambda _: False, splitter, lambda _: False, decode, lambda _: "", extract=extract)
