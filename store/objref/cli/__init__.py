"""The command line: a thin skin, one verb for one function of the library.

A verb is a module with `HELP`, `add(parser)` and `run(args)`. Only the module of the verb that was asked for
is imported, which is why `objref get` starts fast (tests/cli/test_startup.py holds the list of imports).
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, TextIO, cast

from objref.errors import ObjrefError

__all__ = ["VERBS", "build_parser", "main"]

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
    "recover": ("recovering", "make a sound image of what is left of a damaged one"),
    "convert": ("converting", "a stream in another layout of its format, pipe to pipe"),
    "completion": ("completion", "print the completion script for a shell"),
}
SHOWN, MOST = 100, 4000
LONG = re.compile(r"\S{400,}")
"""A word of a message that is cut to SHOWN characters. A whole message has at most MOST."""
ENDINGS = (signal.SIGTERM, signal.SIGHUP)
DESCRIPTION = """\
objref keeps process checkpoint images in one file in which any object is found
by its id, and gives the original back, byte for byte. It knows the images of
{dialects}, also in archives of Podman and CRI-O.

An objref names an object: SPACE:KEY, such as task:17, file:31, fd:3/0
(descriptor 0 of table 3), mem:17 (memory by address), member:pstree.img (a file
of the source). 1/task:17 is in layer 1, the image below in a chain of parents.
"""
EPILOG = """\
`objref VERB --help` tells more of a verb. `-` is standard input or output.
Exit codes: 0 done, 2 usage, 3 no such object, 4 damaged or foreign bytes,
5 a limit, 6 made by a newer version or not to be converted exactly,
7 the system refused, 8 recovered, but not all of it, 130 interrupted.
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def format_help(self) -> str:
        self._action_max_length += 2  # it forgets that verbs are indented, and breaks the line of the longest
        return super().format_help()


def _formatter(prog: str) -> argparse.HelpFormatter:
    """With a width, so that argparse does not import shutil (and with it bz2 and lzma) at every start."""
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        columns = 80
    return _Formatter(prog, width=max(min(columns, 100) - 2, 40))


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse would swallow that the disk is full

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_printable(message)}\ntry: {self.prog} --help\n")


def _dialects() -> str:
    from objref.dialects.registry import NAMES

    return ", ".join(NAMES)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser: of all verbs, of one alone, or (with "") of all without their arguments."""
    parser = _Parser(
        prog="objref",
        description=DESCRIPTION.format(dialects=_dialects()) if not only else None,
        epilog=EPILOG,
        formatter_class=_formatter,
    )
    parser.add_argument("--version", action="store_true", help="print versions and end")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=_Parser)
    for name in [only] if only in VERBS else VERBS:  # a parser costs 0.4 ms: `objref get` has no time for the others
        module_name, text = VERBS[name]
        module = import_module(f"objref.cli.{module_name}") if only in (None, name) else None
        verb = verbs.add_parser(
            name,
            help=text,
            description=getattr(module, "HELP", text),
            formatter_class=_formatter,
        )
        if module is not None:
            module.add(verb)
            verb.set_defaults(run=module.run, parser=verb)
    return parser


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
        return int(import_module("objref.cli.completion").complete(arguments[1:]))
    verb = arguments[0] if arguments and arguments[0] in VERBS else None
    parser = build_parser(verb or "")
    if verb is None and arguments and not arguments[0].startswith("-"):
        parser.error(f"no verb {arguments[0]!r}; there is: {', '.join(VERBS)}")
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        getattr(args, "parser", parser).error(f"unknown: {' '.join(unknown)}")
    if args.version:
        print(_versions())
        return 0
    if "run" not in args:  # no verb, or something before it
        parser.print_help()
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
    return cast("TextIO", os.fdopen(fd, mode, encoding="utf-8", closefd=False))


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
    with suppress(OSError):  # nowhere to complain to: the code has to do
        print(f"objref: {_printable(text)}", file=sys.stderr)
    return code


def _printable(text: str) -> str:
    """One line for a terminal, whatever names it holds and however long they are."""
    text = LONG.sub(lambda word: f"{word[0][:SHOWN]}… ({len(word[0])} characters)", text)
    text = text if len(text) <= MOST else f"{text[:MOST]}… ({len(text)} characters)"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()


def _versions() -> str:
    from objref._version import library_versions, version
    from objref.container.format import MAJOR, MINOR

    libraries = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    return f"objref {version()} ({libraries}; format {MAJOR}.{MINOR}; pure Python)"
