"""The command line: a thin skin, one verb for one function of the library.

A verb is a module with `HELP`, `add(parser)` and `run(args)`. Only the module of the verb that was asked for
is imported, which is why `objref get` starts fast (tests/cli/test_startup.py holds the list of imports).
"""

from __future__ import annotations

import errno
import io
import os
import sys

from objref.cli.plain import understood
from objref.errors import ObjrefError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn, TextIO
else:
    import _signal as signal  # without the enumerations that `signal` makes of its numbers

__all__ = ["VERBS", "main", "printable"]

VERBS = {
    "import": ("importing", "put a checkpoint into one .objref file"),
    "export": ("exporting", "give the original back, byte for byte"),
    "index": ("indexing", "make an index beside a stream that stays as it is"),
    "repack": ("repacking", "store an image in another way: smaller, or quicker to read"),
    "info": ("info", "what an image is, what is in it, what the import noticed"),
    "ls": ("listing", "list objects"),
    "get": ("getting", "write the bytes of one object, or a range of them"),
    "show": ("showing", "show objects for reading, or as the JSON of `crit show`"),
    "refs": ("referring", "show what an object refers to, and what refers to it"),
    "graph": ("picturing", "draw objects and references with Graphviz"),
    "extract": ("extracting", "make a smaller image with just what some tasks need"),
    "verify": ("verifying", "check that an image is what it says, byte for byte"),
    "check": ("checking", "tell whether the dump is whole: missing, stale or mixed files"),
    "recover": ("recovering", "make a sound image of what is left of a damaged one"),
    "convert": ("converting", "a stream in another layout of its format, pipe to pipe"),
    "completion": ("completion", "print the completion script for a shell"),
}
SHOWN, MOST = 100, 4000
LONG = r"\S{400,}"
"""A word of a message that is cut to SHOWN characters. A whole message has at most MOST."""
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def main(argv: list[str] | None = None) -> int:
    """Run a command line; returns the exit code. Nobody sees a traceback for what they or a file did wrong."""
    _open_standard_streams()
    kept = (signal.SIG_IGN, None)  # as nohup has it, and what C has set
    previous = {n: handler for n in ENDINGS if (handler := signal.getsignal(n)) not in kept}
    for number in previous:
        signal.signal(number, _terminate)
    try:
        return _ended(sys.argv[1:] if argv is None else argv)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _ended(arguments: list[str]) -> int:
    """Run, and put every way to end into a code."""
    try:
        try:
            code = _run(arguments)
        except SystemExit as end:  # --help and mistakes, of which argparse has told
            code = int(end.code or 0)
        sys.stdout.flush()
        return code
    except ObjrefError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:
        _drop_output()
        return 141
    except OSError as error:
        return _complain(f"{error.filename or 'output'}: {_reason(error)}", 7)
    except MemoryError:
        return _complain("not enough memory", 5)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing was left", 130)


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["__complete"]:  # the completion scripts ask
        from objref.cli.completion import complete

        return complete(arguments[1:])
    plain = understood(arguments)
    if plain is not None:
        from objref.cli.getting import run

        return run(plain)
    from objref.cli.parser import parsed

    args = parsed(arguments)
    if args.version:
        print(_versions())
        return 0
    if "run" not in args:
        args.parser.print_help()
        return 2
    return args.run(args) or 0


# -- the streams --------------------------------------------------------------------------------------------


def _open_standard_streams() -> None:
    """Descriptors 0 to 2 that the caller closed would be those of the next files that are opened. What stands in for
    the input cannot be read and for the output not be written (EBADF, as without it); messages go nowhere."""
    for fd, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # the lowest that is free is this one
    sys.stdin = sys.stdin or _text(0, "r")
    sys.stdout = sys.stdout or _text(1, "w")
    sys.stderr = sys.stderr or _text(2, "w")
    for stream in (sys.stdout, sys.stderr):  # a locale may be without what names consist of
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _text(fd: int, mode: str) -> TextIO:
    return io.TextIOWrapper(io.FileIO(fd, mode, closefd=False), encoding="utf-8")


def _flush_or_drop() -> None:
    """What could not be written: Python would try once more at exit, and complain in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.close(fd)


def _reason(error: OSError) -> str:
    if error.errno == errno.EBADF and error.filename is None:
        return "it is closed"
    return error.strerror or str(error)


def _terminate(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _complain(text: str, code: int) -> int:
    _flush_or_drop()
    try:
        print(f"objref: {printable(text)}", file=sys.stderr)
    except OSError:  # nowhere to complain to: the code has to do
        pass
    return code


def printable(text: str) -> str:
    """One line for a terminal, whatever names it holds and however long they are."""
    import re

    text = re.sub(LONG, lambda word: f"{word[0][:SHOWN]}… ({len(word[0])} characters)", text)
    text = text if len(text) <= MOST else f"{text[:MOST]}… ({len(text)} characters)"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()


def _versions() -> str:
    from objref._version import library_versions, version
    from objref.container.format import MAJOR, MINOR
    from objref_index.core import native

    core = "native core" if native() else "pure Python"
    libraries = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    return f"objref {version()} ({libraries}; format {MAJOR}.{MINOR}; {core})"
