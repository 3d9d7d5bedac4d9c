"""What a tar stream is taken apart into: its members, and the events in which they come."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["END", "Begin", "Content", "End", "Event", "Header", "Member", "MemberType", "Runs"]

MemberType = Literal["file", "dir", "symlink", "hardlink", "chardev", "blockdev", "fifo", "other"]
Runs = tuple[tuple[int, int], ...]


class Member(NamedTuple):
    """One member, its extended headers applied. Names are bytes as the stream has them: data, not paths."""

    name: bytes
    type: MemberType = "file"
    mode: int = 0o644
    """Permission bits, at most 0o7777."""
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    """Bytes of content that the stream holds: for a sparse file the sum of its runs, without the map."""
    linkname: bytes = b""
    devmajor: int = 0
    devminor: int = 0
    sparse: Runs | None = None
    """Runs (offset, length) of data, ascending, none empty. None: not sparse."""
    real_size: int = 0
    """Length of the file once its holes are back; `size` unless sparse."""
    typeflag: bytes = b"0"
    pax: tuple[tuple[bytes, bytes], ...] = ()
    """The member's own pax records in stream order; those of global headers are applied but not listed."""

    @property
    def path(self) -> bytes:
        """The name without leading `./` and trailing `/`; empty for the root."""
        name = self.name
        while name.startswith(b"./"):
            name = name[2:].lstrip(b"/")
        name = name.rstrip(b"/")
        return b"" if name == b"." else name


class Header(NamedTuple):
    """Bytes that are not content: headers, extensions, maps, padding, the end blocks and all after them."""

    data: bytes


class Begin(NamedTuple):
    """A member starts. All its headers have been given out before."""

    member: Member


class Content(NamedTuple):
    """A piece of the member's content; a view of the bytes that were fed, so those must not be changed."""

    data: bytes | memoryview


class End(NamedTuple):
    """The member's content is complete."""


Event = Header | Begin | Content | End
END = End()
