"""What the numbers in a native stream mean: the dialect, its kinds and roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from objref.container.decoding import decode_name
from objref.container.encoding import encode_name
from objref.dialects.events import Kind, Role
from objref.errors import FormatError, UnsupportedError
from objref.native import layout as n
from objref_index import FORM_BYTES

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["Schema", "decode_schema", "encode_schema", "name_of", "schema_of"]

KINDS, ROLES = 32767, 256
STRENGTHS = b"HSKO"


class Schema(NamedTuple):
    """Kind number i is kinds[i], role number i is roles[i]."""

    name: str
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]


def schema_of(image: Image) -> Schema:
    """That of an image. The form of a kind without objects is known to its dialect only."""
    container = image.container
    forms = {kind.name: kind.form for kind in image.dialect.kinds}
    of_kind = {space.kind: space.form for space in container.spaces}
    for what, entries in (("kinds", container.kinds), ("roles", container.roles)):
        if [entry.id for entry in entries] != list(range(len(entries))):
            raise FormatError(f"directory: the {what} are not numbered from 0 in order")
        if not all(entry.name for entry in entries):
            raise FormatError(f"directory: one of the {what} has no name")
    kinds = tuple(Kind(kind.name, of_kind.get(kind.id, forms.get(kind.name, 0))) for kind in container.kinds)
    roles = tuple(Role(role.name, role.strength) for role in container.roles)
    return Schema(str(image.meta.get("dialect", "?")), kinds, roles)


def encode_schema(schema: Schema) -> bytes:
    """The payload of SCHEMA."""
    head = n.SCHEMA_HEAD.pack(encode_name(schema.name), len(schema.kinds), len(schema.roles))
    kinds = [n.SCHEMA_ENTRY.pack(i, k.form, bytes(5), encode_name(k.name)) for i, k in enumerate(schema.kinds)]
    roles = [n.SCHEMA_ENTRY.pack(i, ord(r.strength), bytes(5), encode_name(r.name)) for i, r in enumerate(schema.roles)]
    return head + b"".join(kinds) + b"".join(roles)


def decode_schema(payload: memoryview) -> Schema:
    """Raises FormatError with what is wrong in it."""
    if len(payload) < n.SCHEMA_HEAD.size:
        raise FormatError(f"{len(payload)} bytes, less than its head (N10)")
    name, kinds, roles = n.SCHEMA_HEAD.unpack_from(payload)
    size = n.SCHEMA_HEAD.size + n.SCHEMA_ENTRY.size * (kinds + roles)
    if kinds > KINDS or roles > ROLES or size != len(payload):
        raise FormatError(f"{kinds} kinds and {roles} roles in {len(payload)} bytes (N10)")
    entries = list(n.SCHEMA_ENTRY.iter_unpack(payload[n.SCHEMA_HEAD.size :]))
    for i, (number, _, zero, _) in enumerate(entries):
        if number != (i if i < kinds else i - kinds) or any(zero):
            raise FormatError(f"entry {i} has the number {number} (N10), or bytes that must be zero (N1)")
    found = Schema(
        name_of(name),
        tuple(Kind(name_of(e[3]), _form(e[1])) for e in entries[:kinds]),
        tuple(Role(name_of(e[3]), _strength(e[1])) for e in entries[kinds:]),
    )
    if any(len({entry.name for entry in entries}) != len(entries) for entries in (found.kinds, found.roles)):
        raise FormatError("two kinds or two roles have one name (N10)")
    return found


def name_of(data: bytes) -> str:
    """A name of 24 bytes: plain text, zero padded, and nothing else."""
    text = decode_name(data)
    if not text or encode_name(text[:24]).ljust(24, b"\0") != data:
        raise FormatError(f"{data.hex(' ')} is no name (N1)")
    return text


def _form(number: int) -> int:
    if number > FORM_BYTES:
        raise UnsupportedError(f"unknown form of keys {number} (N10)")
    return number


def _strength(number: int) -> str:
    if number not in STRENGTHS:
        raise FormatError(f"unknown strength {number} of a role (N10)")
    return chr(number)
