"""The records of pax headers: KEY=VALUE, what they say of a member, and how they are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from objref.archive.tar_header import natural
from objref.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from objref.archive.tar_member import Member

__all__ = ["apply_records", "decimal", "decode_records", "encode_record", "encode_time"]


# Reading


def decode_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records "LENGTH KEY=VALUE\\n" of a pax header; LENGTH counts itself and the newline."""
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + 20)
        digits = content[at : max(space, at)]
        if not digits.isdigit():
            raise FormatError(f"pax record at +{at}: expected its length, found {content[at : at + 20]!r}")
        end = at + int(digits)
        if not space + 1 < end <= len(content) or content[end - 1] != 0x0A:
            raise FormatError(
                f"pax record at +{at}: its length says {end - at}, and no newline is there"
                f" ({len(content) - at} bytes are left)"
            )
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            found = content[space + 1 : end][:40]
            raise FormatError(f"pax record at +{at}: expected KEY=VALUE, found {found!r}")
        yield key, value
        at = end


def decimal(text: bytes, what: str) -> int:
    """A number in a record or in the text of a sparse map."""
    if not re.fullmatch(rb"-?[0-9]{1,20}", text):
        raise FormatError(f"{what}: expected a decimal number, found {text[:40]!r}")
    return int(text)


def _decode_time(text: bytes) -> int:
    """A pax time, exact: digits beyond the ninth are dropped."""
    match = re.fullmatch(rb"(-?)([0-9]{1,20})(?:\.([0-9]*))?", text)
    if match is None:
        raise FormatError(f"pax mtime: expected seconds with a fraction, found {text[:40]!r}")
    sign, whole, fraction = match.groups()
    value = int(whole) * 10**9 + int((fraction or b"")[:9].ljust(9, b"0"))
    return -value if sign else value


RULES: tuple[tuple[bytes, str, Callable[[bytes], object]], ...] = (
    (b"path", "name", bytes),
    (b"GNU.sparse.name", "name", bytes),
    (b"linkpath", "linkname", bytes),
    (b"size", "size", lambda text: natural(decimal(text, "pax size"), "pax size")),
    (b"uid", "uid", lambda text: decimal(text, "pax uid")),
    (b"gid", "gid", lambda text: decimal(text, "pax gid")),
    (b"mtime", "mtime_ns", _decode_time),
)


def apply_records(member: Member, values: Mapping[bytes, bytes]) -> Member:
    """Apply pax records. An empty value means: as if the record were not there."""
    changes: dict[str, Any] = {field: rule(values[key]) for key, field, rule in RULES if values.get(key)}
    return member._replace(**changes) if changes else member


# Writing


def encode_record(key: bytes, value: bytes) -> bytes:
    """One record; its length counts its own digits."""
    body = b" %b=%b\n" % (key, value)
    digits = len(str(len(body)))
    if len(str(len(body) + digits)) > digits:
        digits += 1
    return b"%d%b" % (len(body) + digits, body)


def encode_time(mtime_ns: int) -> bytes:
    """Seconds, with the fraction's digits that are needed."""
    whole, fraction = divmod(abs(mtime_ns), 10**9)
    text = b"%b%d" % (b"-" if mtime_ns < 0 else b"", whole)
    return text + (b".%09d" % fraction).rstrip(b"0") if fraction else text
