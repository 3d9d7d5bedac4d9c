"""The parser of a command line. It is made when a line asks for it (see `plain`): argparse takes a while to load."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

from objref.cli import VERBS, printable

__all__ = ["build_parser", "parsed"]

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
7 the system refused, 8 not whole (check, recover), 9 perhaps not (check),
130 interrupted.
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
        self.exit(2, f"{self.prog}: {printable(message)}\ntry: {self.prog} --help\n")


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


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the line says, with the `parser` of its verb. Ends the process, as argparse does, for what is no line."""
    verb = arguments[0] if arguments and arguments[0] in VERBS else None
    parser = build_parser(verb or "")
    if verb is None and arguments and not arguments[0].startswith("-"):
        parser.error(f"no verb {arguments[0]!r}; there is: {', '.join(VERBS)}")
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        getattr(args, "parser", parser).error(f"unknown: {' '.join(unknown)}")
    if "run" not in args:  # no verb, or something before it
        args.parser = parser
    return args
