"""What goes to a terminal: sizes for people, colours only there, progress only there."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TextIO

__all__ = ["Paint", "count", "number", "progress", "safe", "size", "wrapped"]

WIDTH = 80
UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


def size(n: int) -> str:
    """A number of bytes, three digits, decimal units."""
    value, unit = float(n), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{n} B" if unit == 0 else f"{value:.3g} {UNITS[unit]}"


def count(n: int, noun: str) -> str:
    """So many of them."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def number(text: str) -> int:
    """The type of an argument that is a whole number."""
    try:
        return int(text)
    except ValueError:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no whole number") from None


def wrapped(text: str, indent: int) -> list[str]:
    """Lines of at most 80 columns, all indented; at least one."""
    from textwrap import wrap

    return [" " * indent + line for line in wrap(safe(text), WIDTH - indent, break_on_hyphens=False) or [""]]


def safe(text: str) -> str:
    """Text of an image may hold escape sequences and broken UTF-8: neither reaches a terminal."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()


class Paint:
    """Colours a text when the stream is a terminal and NO_COLOR is not set."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.on else text


def progress(what: str, total: int | None, unit: str = "bytes") -> AbstractContextManager[Callable[[int], None] | None]:
    """A bar on standard error while it is a terminal; None otherwise. `total` in bytes (or in what `unit` says), None
    when unknown."""
    from contextlib import contextmanager, nullcontext

    return contextmanager(_bar)(what, total, unit) if sys.stderr.isatty() else nullcontext()


def _bar(what: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    done = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (TextColumn(f"{{task.completed}} {unit}"),)
    columns = (TextColumn("{task.description}"), BarColumn(), *done)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)
