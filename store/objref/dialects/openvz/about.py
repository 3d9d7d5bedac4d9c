"""What an image says of its stream: what `objref info` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.openvz.kinds import ARCHITECTURES, VERSIONS
from objref.dialects.openvz.view import decode

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["about"]

WORDS = {"i386": "4", "x86-64": "8", "ia64": "8"}


def about(image: Image) -> dict[str, str]:
    """Version, machine, byte order, and bytes of a `long`. All machines that there was OpenVZ for are little-endian."""
    fields = decode(image["header:0x0"])
    version, number = fields["cpt_image_version"], fields["cpt_os_arch"]
    machine = ARCHITECTURES.get(number, "unknown")
    return {
        "layout": VERSIONS.get(version, "unknown"),
        "version": f"{version:#x}",
        "machine": machine,
        "byte order": "little-endian",
        "word size": WORDS.get(machine, "unknown"),
    }
