"""Limits against hostile and broken input: finite defaults, enforced before memory is taken."""

from __future__ import annotations

from objref_index.named import NamedTuple

__all__ = ["DEFAULT", "Limits"]

KIB, MIB = 1 << 10, 1 << 20


class Limits(NamedTuple):
    """All in bytes or counts. Raise single values with `DEFAULT._replace(item=...)`."""

    item: int = 64 * MIB
    """One protobuf item of an image file. Real ones stay below 1 MiB; an mm of 1 M areas is about 40 MiB."""
    tar_header: int = 1 * MIB
    """Extended headers of one tar member."""
    directory: int = 64 * MIB
    """The container's directory."""
    table: int = 64 * MIB
    """Content of one compressed index table."""
    meta: int = 1 * MIB
    read: int = 256 * MIB
    """What one call hands out as bytes. Larger objects are read in ranges."""
    cache: int = 8 * MIB
    """Decoded blocks that a reader keeps."""
    decoded: int = 128 * MIB
    """Content of packed sections that a reader of a mapped image looks objects up in once they were touched."""
    tree: int = 1 << 30
    """The B-tree of an index beside a stream, when it must be copied into memory."""
    dictionaries: int = 8 * MIB
    """Content of dictionaries that a reader keeps, beyond the last one."""
    seen_pages: int = 512 * KIB
    """Distinct pages that an import remembers (2 GiB of them, about 60 MB of memory)."""
    closure: int = 16 * MIB
    """Objects in a closure."""
    notes: int = 10_000
    """Notes that an import keeps; further ones are counted."""
    parents: int = 1024
    """Directories in a chain of `parent` links."""


DEFAULT = Limits()
