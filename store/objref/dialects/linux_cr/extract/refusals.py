"""Streams of which no part can be taken: what import had doubts about may hold ids that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.errors import UnsupportedError

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["check_stream"]

DOUBTS = {
    "cut": "the stream is cut",
    "damaged": "the stream is damaged",
    "error": "the checkpoint failed",
    "no-header": "it has no header",
    "tail-magic": "its TAIL is none",
    "tree": "tasks and TREE do not agree",
    "pids": "the table of pids is not what it says",
    "unknown-layout": "a layout that the facts do not have",
    "unknown-record": "a record that the facts do not have may hold ids",
    "unknown-type": "an object of a type that the facts do not have",
    "stray": "a record that is part of no object may hold ids",
    "incomplete": "an object is not complete",
    "defined-twice": "an id means two objects",
    "claimed-twice": "two objects have one id",
    "page-chunk": "pages that belong nowhere",
    "depth": "objects are too deep inside each other",
}
"""Notes of an import (docs/linux-cr.md, section 5) → why."""


def check_stream(image: Image) -> None:
    """UnsupportedError for a stream that can only be taken whole."""
    for note in image.notes():
        if note["what"] in DOUBTS:
            raise UnsupportedError(
                f"only all tasks together can be extracted, since {DOUBTS[note['what']]}: "
                f"{note['where']}{': ' * bool(note['where'])}{note['text']}"
            )
