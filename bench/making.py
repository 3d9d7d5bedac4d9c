"""Made images, large ones: a CRIU directory with N open files or sockets, or with megabytes of memory. Seeded.

Messages are built from byte templates, not from protobuf objects: a million in about two seconds.
"""

from __future__ import annotations

import random
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

import objref

__all__ = [
    "file_messages",
    "files_image",
    "gappy_messages",
    "ids_of",
    "image",
    "memory_image",
    "pages",
    "socket_messages",
    "sparse_messages",
    "tree_image",
    "write_memory_tar",
]

SEED = 2009
COMMON_MAGIC, INVENTORY, FILES, FDINFO, PAGEMAP = 0x54564319, 0x58313116, 0x56303138, 0x56213732, 0x56084025
LENGTH, MAGICS = Struct("<I"), Struct("<II")
INVENTORY_IMAGE = MAGICS.pack(COMMON_MAGIC, INVENTORY) + LENGTH.pack(6) + b"\x08\x02\x10\x01\x20\x01"
PAGE = 4096
BATCH = 256
MEMORY = 0x7F0000000000
"""Where the pages of a made task begin."""

FOLDERS = (
    "/usr/lib/x86_64-linux-gnu/", "/usr/lib/python3.13/lib-dynload/", "/var/lib/postgresql/17/main/base/16384/",
    "/var/lib/mysql/shop/", "/srv/www/static/assets/", "/var/log/journal/b1f0c5/", "/home/app/.cache/mesa_shader/",
    "/opt/app/node_modules/lodash/fp/", "/dev/shm/", "/tmp/",
)  # fmt: skip
SUFFIXES = (".so.6", ".cpython-313-x86_64-linux-gnu.so", "", ".ibd", ".js", ".journal", ".tmp", ".lock")
OWNER = bytes.fromhex("2a0a08001000180020002800")
"""fown: nobody is to be signalled. The commonest one by far."""
SOCKET_OPTIONS = bytes.fromhex("52100880800610808006" "1800200028003000")

Pages = npt.NDArray[np.uint8]


# -- open files ---------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


VARINTS = [varint(n) for n in range(512)]


def file_messages(count: int, seed: int = SEED, ids: Iterable[int] = ()) -> Iterator[bytes]:
    """`file_entry` messages of type REG, about 100 bytes each, with these ids; 1…count without any."""
    draw = random.Random(seed)
    bodies = [_body(draw) for _ in range(499)]
    for number in ids or range(1, count + 1):
        before, (folder, suffix), after = bodies[number * 7919 % 499]
        key = varint(number)
        name = b"%b%011x%b" % (folder, draw.getrandbits(44), suffix)
        reg = b"\x08%b%b%b\x32%c%b%b" % (key, before, OWNER, len(name), name, after)
        yield b"\x08\x01\x10%b\x1a%b%b" % (key, VARINTS[len(reg)], reg)


def ids_of(shape: str, count: int) -> Sequence[int]:
    """Ascending ids: a "run"; "gappy", every tenth is missing; "sparse", drawn from all of 32 bits."""
    if shape == "sparse":
        return sorted(random.Random(SEED).sample(range(1, 1 << 32), count))
    return [n for n in range(1, 2 * count + 2) if n % 10][:count] if shape == "gappy" else range(1, count + 1)


def gappy_messages(count: int) -> Iterator[bytes]:
    """The same with gappy ids."""
    return file_messages(count, SEED, ids_of("gappy", count))


def sparse_messages(count: int) -> Iterator[bytes]:
    """The same with sparse ids."""
    return file_messages(count, SEED, ids_of("sparse", count))


def _body(draw: random.Random) -> tuple[bytes, tuple[bytes, bytes], bytes]:
    """Flags and position; folder and suffix; size and mode: what files of a process share."""
    flags, position = draw.choice((0, 1, 2, 0o2000, 0o100000, 0o2102001)), draw.choice((0, 0, draw.getrandbits(20)))
    before = b"\x10" + varint(flags) + b"\x18" + varint(position)
    name = draw.choice(FOLDERS).encode(), draw.choice(SUFFIXES).encode()
    after = b"\x40" + varint(draw.getrandbits(draw.randrange(1, 27))) + b"\x50" + varint(0o100644)
    if draw.random() < 0.4:  # files that are mapped come with their build id
        after += b"".join(b"\x58" + varint(draw.getrandbits(32)) for _ in range(5))
    return before, name, after


def socket_messages(count: int) -> Iterator[bytes]:
    """`file_entry` messages of type UNIXSK, in pairs; each refers to its peer, an owner and a namespace."""
    owner = b"\x4a\x0a\x08\x00\x10\x00\x18\x00\x20\x01\x28"
    for number in range(1, count + 1):
        key, peer, space = varint(number), varint((number - 1 ^ 1) + 1), number % 50 + 20
        body = b"\x08%b\x10%b\x18\x01\x20\x01\x28\x02\x30\x00\x38\x00\x40%b%b%c%b\x5a\x00\x80\x01%c" % (
            key, key, peer, owner, number % 100 + 1, SOCKET_OPTIONS, space
        )  # fmt: skip
        yield b"\x08\x05\x10%b\x82\x01%b%b" % (key, VARINTS[len(body)], body)


def files_image(folder: Path, count: int, messages: Callable[[int], Iterator[bytes]] = file_messages) -> Path:
    """A directory with inventory.img and files.img, made unless it is there."""
    return _made(folder / f"{messages.__name__}-{count}", partial(_write_files, messages(count)))


def _write_files(messages: Iterator[bytes], folder: Path) -> None:
    frames: list[bytes] = []
    with open(folder / "files.img", "wb") as out:
        out.write(MAGICS.pack(COMMON_MAGIC, FILES))
        for message in messages:
            frames += LENGTH.pack(len(message)), message
            if len(frames) > 8192:
                out.write(b"".join(frames))
                frames.clear()
        out.write(b"".join(frames))


def _made(folder: Path, write: Callable[[Path], None]) -> Path:
    """The directory of that name; it is whole when it is there."""
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True)
        _write_inventory(unfinished)
        write(unfinished)
        unfinished.rename(folder)
    return folder


def _write_inventory(folder: Path) -> None:
    (folder / "inventory.img").write_bytes(INVENTORY_IMAGE)


# -- memory -------------------------------------------------------------------------------------------------


@cache
def own_pages(limit: int = 64 << 20) -> Pages:
    """Distinct pages of this process' private memory, none of them zero: what a dump of it would hold."""
    found: dict[bytes, None] = {}
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        areas = [m for line in maps if (m := re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-p ", line)) and "[v" not in line]
        for area in areas:
            start, stop = int(area[1], 16), int(area[2], 16)
            memory.seek(start)
            data = memory.read(min(stop - start, limit))
            found |= dict.fromkeys(data[at : at + PAGE] for at in range(0, len(data), PAGE))
            if len(found) * PAGE >= limit:
                break
    found.pop(bytes(PAGE), None)
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, PAGE)


def pages(count: int, seed: int = SEED, zero: float = 0.10, repeated: float = 0.25) -> Iterator[bytes]:
    """Pages in batches of 1 MiB: real ones, told apart by a few pointers, with runs of zero pages and of repeats.

    The shares are between those of the corpus (zero 0 to 8 %, repeated 0 to 74 %). The mixture is seeded; the pages
    themselves are those of the process that makes them.
    """
    draw, pool, older = np.random.default_rng(seed), own_pages(), np.zeros((0, PAGE), np.uint8)
    at = 0
    while count:
        n = min(count, BATCH)
        batch = pool[np.arange(at, at + n) % len(pool)]
        _tell_apart(batch, draw)
        if len(older):
            for first in range(0, n, 16):
                kind = draw.random()
                if kind < zero:
                    batch[first : first + 16] = 0
                elif kind < zero + repeated:
                    batch[first : first + 16] = older[first : first + 16][: len(batch[first : first + 16])]
        if (draw.random() < 0.02 and n == BATCH) or not len(older):
            older = batch.copy()
        yield batch.tobytes()
        count -= n
        at += n


def _tell_apart(batch: Pages, draw: np.random.Generator) -> None:
    """Four new addresses in each page."""
    words, rows = batch.view("<u8"), np.arange(len(batch))[:, None]
    places = draw.integers(0, PAGE // 8, (len(batch), 4))
    words[rows, places] = draw.integers(0x7F0000000000, 0x7FFFFFFFFFFF, places.shape, np.uint64)


def memory_image(folder: Path, megabytes: int) -> Path:
    """A directory with inventory.img, pagemap-1.img and pages-1.img, made unless it is there."""
    return _made(folder / f"memory-{megabytes}", partial(_write_memory, megabytes << 8))


def write_memory_tar(megabytes: int, out: BinaryIO) -> None:
    """The same image as a tar, into a pipe: nothing of it lies on a disk, however large it is."""
    small = {"inventory.img": INVENTORY_IMAGE, "pagemap-1.img": _pagemap(megabytes << 8)}
    for name, content in small.items():
        out.write(_tar_header(name, len(content)) + content + bytes(-len(content) % 512))
    out.write(_tar_header("pages-1.img", megabytes << 20))
    for batch in pages(megabytes << 8):
        out.write(batch)
    out.write(bytes(1024))


def _tar_header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def _pagemap(count: int) -> bytes:
    head, entry = b"\x08\x01", b"\x08" + varint(MEMORY) + b"\x10" + varint(count) + b"\x20\x04"
    items = b"".join(LENGTH.pack(len(item)) + item for item in (head, entry))
    return MAGICS.pack(COMMON_MAGIC, PAGEMAP) + items


def _write_memory(count: int, folder: Path) -> None:
    (folder / "pagemap-1.img").write_bytes(_pagemap(count))
    with open(folder / "pages-1.img", "wb") as out:
        for batch in pages(count):
            out.write(batch)


# -- process trees ------------------------------------------------------------------------------------------

ROOT_PID = 100
MAGIC_OF = {
    "pstree": 0x50273030, "core": 0x55053847, "ids": 0x54432030, "mm": 0x57492820, "fs": 0x51403912,
    "pagemap": PAGEMAP, "fdinfo": FDINFO,
}  # fmt: skip
FILES_OF_TASK = 50


def tree_image(folder: Path, tasks: int, megabytes: int) -> Path:
    """A directory with `tasks` tasks below one root that share the megabytes of memory; each has 50 open files and
    pages of its own. Made unless it is there."""
    return _made(folder / f"tree-{tasks}-{megabytes}", partial(_write_tree, tasks, (megabytes << 8) // tasks))


def _write_tree(tasks: int, pages_each: int, folder: Path) -> None:
    pids = [ROOT_PID + n for n in range(tasks)]
    common = {"sid": ROOT_PID, "pgid": ROOT_PID}
    everyone = [_message("pstree_entry", pid=p, ppid=ROOT_PID * (p > ROOT_PID), threads=[p], **common) for p in pids]
    _write(folder, "pstree", "pstree", everyone)
    _write_files(file_messages(FILES_OF_TASK * (tasks + 1)), folder)
    for number, pid in enumerate(pids, 1):
        _write_task(folder, number, pid, pages_each)


def _write_task(folder: Path, number: int, pid: int, count: int) -> None:
    first = FILES_OF_TASK * number
    _write(folder, "core", f"core-{pid}", [_message("core_entry", mtype=1, tc={"task_state": 1, "comm": "bench"})])
    _write(folder, "ids", f"ids-{pid}", [_message("task_kobj_ids_entry", vm_id=pid, files_id=number, fs_id=pid)])
    _write(folder, "mm", f"mm-{pid}", [_message("mm_entry", exe_file_id=1, mm_saved_auxv=[6, PAGE])])
    _write(folder, "fs", f"fs-{pid}", [_message("fs_entry", cwd_id=2, root_id=3)])
    fds = [_message("fdinfo_entry", id=first + n, flags=0, type=1, fd=n) for n in range(FILES_OF_TASK)]
    _write(folder, "fdinfo", f"fdinfo-{number}", fds)
    entry = _message("pagemap_entry", vaddr=MEMORY, compat_nr_pages=count, flags=4)
    _write(folder, "pagemap", f"pagemap-{pid}", [_message("pagemap_head", pages_id=number), entry])
    with open(folder / f"pages-{number}.img", "wb") as out:
        for batch in pages(count, SEED + number):
            out.write(batch)


def _message(name: str, **fields: object) -> bytes:
    from objref.dialects.criu.schema import message_class

    return message_class(name)(**fields).SerializeToString()


def _write(folder: Path, kind: str, name: str, items: list[bytes]) -> None:
    content = b"".join(LENGTH.pack(len(item)) + item for item in items)
    (folder / f"{name}.img").write_bytes(MAGICS.pack(COMMON_MAGIC, MAGIC_OF[kind]) + content)


# -- images -------------------------------------------------------------------------------------------------


def image(source: Path, **options: Any) -> Path:
    """The import of a directory with these options, beside it, made unless it is there."""
    name = "-".join([source.name, *(f"{key}-{value}" for key, value in options.items())])
    path = source.with_name(f"{name}.objref")
    if not path.exists():
        objref.import_image(source, path, options=objref.Options(**options))
    return path
