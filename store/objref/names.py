"""Objrefs as text: `file:31`, `1/task:17` (layer 1), `fd:3/0` (a pair), `member:checkpoint/pstree.img`,
`file:31~2` (the second claim).

Keys are written as the form of their space says. When reading, numbers may be decimal or 0x…, whatever the form.
Bytes of names that are not plain UTF-8 text, `%` and `~` are written as %XX.
"""

from __future__ import annotations

from objref.errors import UsageError
from objref_index import FORM_BYTES, FORM_HEX, FORM_PAIR
from objref_index.named import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Name", "encode_text", "format_key", "format_objref", "offered", "parse_key", "parse_objref"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
IN_NAMES = LETTERS + "0123456789_-"
"""Of spaces. The first is a letter."""
LAYER_DIGITS, CLAIM_DIGITS = 5, 10
MAX = (1 << 64) - 1
OFFERED = 40
"""Names that a message lists."""


class Name(NamedTuple):
    """An objref taken apart; the key is still text, its space says how to read it."""

    layer: int
    space: str
    key: str
    claim: int


def parse_objref(text: str) -> Name:
    """UsageError when the text has not the form [LAYER/]SPACE:KEY[~N]."""
    if not isinstance(text, str):
        raise UsageError(f"an objref is text, such as file:31, not {text!r}")
    where, colon, key = text.partition(":")
    layer, slash, space = where.rpartition("/")
    sound = space and space[0] in LETTERS and not space.strip(IN_NAMES)
    if not colon or not sound or (slash and not _is_count(layer, LAYER_DIGITS)):
        raise UsageError(f"{text!r} is no objref: expected [LAYER/]SPACE:KEY, such as file:31 or 1/task:17")
    rest, tilde, claim = key.rpartition("~")
    if not tilde or claim[:1] not in "123456789" or not _is_count(claim, CLAIM_DIGITS):
        rest, claim = key, "1"
    return Name(int(layer or 0), space, rest, int(claim))


def _is_count(text: str, digits: int) -> bool:
    return text.isdecimal() and len(text) <= digits


def _number(text: str, limit: int, whole: str) -> int:
    try:
        value = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        inside = "" if text == whole else f" in {whole!r}"
        raise UsageError(f"key {text!r}{inside} is no number; expected one, such as 31 in file:31") from None
    if not 0 <= value <= limit:
        raise UsageError(f"{whole!r}: {text} is not in 0…{limit:#x}")
    return value


def parse_key(text: str, form: int) -> int | bytes:
    """The key that a text means in a space of this form."""
    if form == FORM_BYTES:
        return _unescaped(encode_text(text))
    if form == FORM_PAIR and "/" in text:
        high, _, low = text.partition("/")
        return _number(high, 0xFFFFFFFF, text) << 32 | _number(low, 0xFFFFFFFF, text)
    return _number(text, MAX, text)


def _unescaped(name: bytes) -> bytes:
    if b"%" not in name:
        return name
    import re

    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), name)


def offered(near: Sequence[str], known: Sequence[str]) -> str:
    """What a message about an unknown name ends with: the nearest names, or else all of them, the first of many."""
    if near:
        return f"nearest: {', '.join(near)}"
    shown = ", ".join(known[:OFFERED]) + ", …" * (len(known) > OFFERED)
    return f"there is: {shown or 'none'}"


def encode_text(text: str) -> bytes:
    """The bytes of a name; UsageError for text that no name of a file can be."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} cannot be written as UTF-8") from None


def format_key(key: int | bytes, form: int) -> str:
    """The text of a key."""
    if isinstance(key, bytes):
        return "".join(map(_shown, key.decode("utf-8", "surrogateescape")))
    if form == FORM_HEX:
        return f"{key:#x}"
    if form == FORM_PAIR:
        return f"{key >> 32}/{key & 0xFFFFFFFF}"
    return str(key)


def _shown(char: str) -> str:
    if char.isprintable() and char not in "%~":
        return char
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def format_objref(layer: int, space: str, key: int | bytes, form: int, claim: int = 1) -> str:
    """The text of an objref."""
    prefix = f"{layer}/" if layer else ""
    suffix = f"~{claim}" if claim > 1 else ""
    return f"{prefix}{space}:{format_key(key, form)}{suffix}"
