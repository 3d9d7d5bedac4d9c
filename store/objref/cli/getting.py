"""`objref get`."""

from __future__ import annotations

import sys

from objref.cli.terminal import count, number
from objref.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from objref.cli.plain import Asked

HELP = """\
Write the bytes of one object to standard output (on a terminal: as a hex dump).

  objref get x.objref file:31                  a message of files.img, as stored
  objref get x.objref mem:17 --range 0x7ffc1000+64       64 bytes of memory
  objref get x.objref member:pstree.img -o pstree.img
  objref get x.objref pipe-data:1234 --part 1  the payload; part 0: the message
  objref get dump.cr obj:17 --where            its position in a stream that has
                                               an index beside it
"""
HEX_WIDTH = 16


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("objref", metavar="OBJREF", help="such as file:31")
    parser.add_argument(
        "--range", metavar="RANGE", help="START..STOP or START+LENGTH: offsets, or addresses of memory; decimal or 0x…"
    )
    parser.add_argument(
        "--where", action="store_true", help="print where the bytes lie in IMAGE, as OFFSET+LENGTH, and not the bytes"
    )
    parser.add_argument("--part", type=number, metavar="N", help="only the N-th extent, from 0")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="file to make (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(args: argparse.Namespace | Asked) -> int:
    """Write."""
    from objref.container.zstd import load_extension
    from objref.image import open_image

    load_extension()
    with open_image(args.image, access="pread") as image:
        if args.where:
            for offset, length in _places(image.object(args.objref), args):
                print(f"{offset:#x}+{length}")
            return 0
        chunks = _chunks(image.object(args.objref), args)
        if args.output == "-":
            _to_stdout(chunks, args)
        else:
            _to_file(chunks, args)
    return 0


def _places(found: Any, args: argparse.Namespace | Asked) -> list[tuple[int, int]]:
    if args.part is not None or args.range is not None or args.output != "-":
        raise UsageError("--where is about all bytes of an object, and prints: no --part, --range or -o goes with it")
    places: list[tuple[int, int]] = found.places()
    return places


def _chunks(found: Any, args: argparse.Namespace | Asked) -> Iterator[bytes | memoryview]:
    if args.part is not None:
        if args.range is not None:
            raise UsageError("--part is all of one extent, --range is of the whole object: say one of them")
        parts = found.parts
        if not 0 <= args.part < len(parts):
            raise UsageError(f"{args.objref} has {count(len(parts), 'part')}, counted from 0")
        return iter([parts[args.part]])
    if args.range is not None:
        start, stop = _range(args.range)
        if start > stop:
            raise UsageError(f"--range {args.range}: ends before it starts")
        if not found.sparse and stop > found.size:
            raise NotFoundError(f"{args.objref} has {count(found.size, 'byte')}: {args.range} is not all in it")
        return iter([found.read(start, stop)])
    if found.sparse:
        ranges = found.ranges
        first = f"{ranges[0][0]:#x}..{ranges[0][1]:#x}" if ranges else "none"
        raise UsageError(
            f"{args.objref} is memory with gaps: say --range; it has {len(ranges)} ranges, the first {first}"
            f" (all: objref show IMAGE {args.objref})"
        )
    chunks: Iterator[bytes | memoryview] = found.chunks()
    return chunks


def _range(text: str) -> tuple[int, int]:
    """START..STOP or START+LENGTH."""
    try:
        if ".." in text:
            start, stop = (int(part, 0) for part in text.split(".."))
            return start, stop
        start, length = (int(part, 0) for part in text.split("+"))
        return start, start + length
    except ValueError:
        raise UsageError(f"--range {text!r}: expected START..STOP or START+LENGTH, such as 0x1000..0x2000") from None


def _to_stdout(chunks: Iterator[bytes | memoryview], args: argparse.Namespace | Asked) -> None:
    if sys.stdout.isatty():
        at = _range(args.range)[0] if args.range else 0
        for line in _hex_lines(b"".join(chunks), at):
            print(line)
    else:
        _copy(chunks, sys.stdout.buffer)


def _to_file(chunks: Iterator[bytes | memoryview], args: argparse.Namespace | Asked) -> None:
    from objref.cli.destination import refuse_inputs
    from objref.container.output import Output

    refuse_inputs(args.output, args.image)
    with Output(args.output, replace=args.force) as output:
        for chunk in chunks:
            output.write(chunk)
        output.commit()


def _copy(chunks: Iterator[bytes | memoryview], out: BinaryIO) -> None:
    for chunk in chunks:
        out.write(chunk)
    out.flush()


def _hex_lines(data: bytes, base: int) -> Iterator[str]:
    for at in range(0, len(data), HEX_WIDTH):
        row = data[at : at + HEX_WIDTH]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        yield f"{base + at:012x}  {row.hex(' '):<{HEX_WIDTH * 3}} {text}"
