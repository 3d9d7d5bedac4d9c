"""Which images are kept without being looked into: those that the facts do not cover."""

from __future__ import annotations

from objref.dialects.dobriyan.kinds import SIGNATURE
from objref.dialects.dobriyan.layouts import HEADER

__all__ = ["why_unread"]

VERSION, X86_32 = 1, 1


def why_unread(header: bytes) -> str:
    """Why the objects after this header cannot be read; empty when they can.

    The version does not tell the images of February from those of March: there the lengths do.
    """
    signature, version, _, architecture = (field.unpack(header)[0] for field in HEADER.fields)
    if signature != SIGNATURE:
        return f"signature {signature!r}, expected {SIGNATURE!r}"
    if version != VERSION:
        return f"image version {version}, only {VERSION} is known"
    if architecture != X86_32:
        return f"architecture {architecture}, only {X86_32} (x86_32) is known"
    return ""
