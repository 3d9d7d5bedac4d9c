"""What can be cut, and what can be done about it.

The defaults: `fail` where the programs would be refused by CRIU, end, wait for ever, or lose data, unless the user says
what they shall get. Found by experiments with CRIU 4.1.1 (docs/extract.md has the table; tests/real repeats them).
"""

from __future__ import annotations

from objref.dialects.cuts import Kind
from objref.dialects.plan import FAIL

__all__ = ["KINDS"]

KINDS: dict[str, Kind] = {
    "parent": Kind(FAIL, {"adopt": "the first task becomes the parent of those whose own is left out"}),
    "session": Kind(
        "new",
        {
            "new": "a session and a process group of its own, led by the first task",
            "shell-job": "the session and the group of the shell that calls criu",
        },
    ),
    "pipe": Kind(
        FAIL,
        {
            "drop": "readers find the end after what is queued, writers get SIGPIPE",
            "hold": "the other end is kept open by the task itself: readers wait, writers fill the pipe, then wait",
            "external": "criu's caller connects it (--inherit-fd)",
        },
    ),
    "in-flight": Kind(FAIL, {"drop": "bytes queued in a pipe that criu's caller connects are not put back"}),
    "fifo": Kind(FAIL, {"drop": "the other end is whoever opens the fifo next"}),
    "unix": Kind(
        FAIL,
        {
            "drop": "a socket whose peer has hung up; what is queued can still be read",
            "hold": "the peer is kept open by the task itself: nobody answers, nobody hangs up",
        },
    ),
    "epoll": Kind(FAIL, {"drop": "it is watched no longer"}),
    "terminal": Kind(
        FAIL,
        {
            "drop": "a terminal that hung up: the next read or write of it finds the end",
            "null": "/dev/null in its place",
        },
    ),
    "tcp": Kind(
        FAIL,
        {
            "keep": "the connection goes on (--tcp-established), in one restored copy at most",
            "drop": "the connection is closed (--tcp-close)",
        },
    ),
    "pidfd": Kind(FAIL, {"drop": "it says that the process is dead"}),
    "owner": Kind("drop", {"drop": "nobody gets the signals of that descriptor"}),
    "shared": Kind("drop", {"drop": "each side goes on with a copy of its own"}),
}
