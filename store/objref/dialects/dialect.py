"""What a dialect is to the rest of objref: how its streams begin, who splits them, how its objects read.

A dialect is a package beside this file with a `DIALECT`, named in `registry`. Nothing outside of it knows its records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from objref.dialects.events import Kind, Role, Splitter
from objref.limits import Limits

if TYPE_CHECKING:
    from objref.dialects.checks import Checks
    from objref.dialects.plan import Plan, Request
    from objref.image import Image
    from objref.object import Object

__all__ = ["Converter", "Dialect"]


class Converter(Protocol):
    """Turns a stream of one layout of a dialect into another, exactly or not at all. Mutable.

    UnsupportedError: something has no exact counterpart. What came out before it is a partial stream.
    """

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """The next bytes of the stream, in pieces of any size."""

    def finish(self) -> Iterator[bytes]:
        """The stream has ended."""


class Dialect(NamedTuple):
    """A checkpoint format. `view` functions are given objects of images of this dialect."""

    name: str
    kinds: tuple[Kind, ...]
    roles: tuple[Role, ...]
    detect: Callable[[bytes], bool]
    """Whether a stream that starts with these bytes (as many as there are, up to 1 MiB) is of this dialect."""
    splitter: Callable[[Limits], Splitter]
    decodes: Callable[[Object], bool]
    """Whether an object has fields."""
    decode: Callable[[Object], dict[str, Any]]
    """The fields of an object, JSON-able."""
    brief: Callable[[Object], str]
    """One line about an object, or nothing."""
    layouts: tuple[str, ...] = ()
    """Layouts that `converter` converts to; none: there is no conversion."""
    converter: Callable[[str, str | None, Limits], Converter] | None = None
    """(target, source) layouts; source None: what the stream tells."""
    extract: Callable[[Image, Request], Plan] | None = None
    """Plans a smaller image with just what some objects need; None where there can be none in this dialect."""
    apart: str = ""
    """Why there is no `extract`."""
    always: tuple[str, ...] = ()
    """Kinds of which a part has all objects: others are not understood without them."""
    about: Callable[[Image], dict[str, str]] | None = None
    """What an image says of its stream as a whole, such as its layout, for `info`: what it is -> in words."""
    checks: Callable[[], Checks] | None = None
    """What is looked at to tell whether an image makes sense, and what it means; None where nobody knows."""
