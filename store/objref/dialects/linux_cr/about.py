"""What an image says of its stream: what `objref info` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.linux_cr.view import stream_of

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["about"]

ORDERS = {"<": "little-endian", ">": "big-endian"}


def about(image: Image) -> dict[str, str]:
    """Revision, layout, machine, byte order, and bytes of an `unsigned long`."""
    revision, order = stream_of(image["header:0"])
    return {
        "layout": revision.layout.label,
        "revision": str(revision.rev),
        "machine": revision.arch or "unknown",
        "byte order": ORDERS[order],
        "word size": " or ".join(map(str, revision.words)),
    }
