"""Classes of cuts, and their policies. The defaults: `fail` where programs would end, wait for ever, or lose data."""

from __future__ import annotations

from objref.dialects.cuts import Kind
from objref.dialects.plan import FAIL

__all__ = ["CLASSES"]

CLASSES: dict[str, Kind] = {
    "parent": Kind(FAIL, {"adopt": "the first task becomes the parent of those whose own is left out"}),
    "session": Kind("keep", {"keep": "a stand-in that ends at once, as user-cr's restart makes for leaders that died"}),
    "pipe": Kind(FAIL, {"drop": "readers find the end after what is queued, writers get SIGPIPE"}),
    "fifo": Kind(FAIL, {"drop": "the other end is whoever opens the fifo next"}),
    "unix": Kind(
        FAIL,
        {
            "drop": "a socket that has no peer",
            "hold": "the peer comes along, without a file: nobody has it open",
        },
    ),
    "queue": Kind(FAIL, {"drop": "what is queued in the socket is left out"}),
    "epoll": Kind(FAIL, {"drop": "it is watched no longer"}),
    "terminal": Kind(FAIL, {"hold": "the other end comes along, without a file: nobody has it open"}),
    "shared": Kind("drop", {"drop": "each side goes on with a copy of its own"}),
}
