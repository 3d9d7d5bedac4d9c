"""CRIU objects for people and for JSON: what `objref show` and `objref ls` print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.kinds import FILES, MESSAGES, FileKind, ImageName, parse_name
from objref.dialects.criu.member import Member, Numbering
from objref.dialects.criu.payload import PayloadFile
from objref.dialects.criu.show import parse, payload_to_crit, to_crit
from objref.dialects.criu.state import LayerState
from objref.dialects.events import Event, Objects, Run, Whole
from objref.errors import FormatError, UsageError
from objref.limits import DEFAULT

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["brief", "decode", "decodes"]

Fields = dict[str, Any]

# crit's name of an image type, where it is not the file's prefix in capitals.
CRIT_NAMES = {
    "eventfd": "EVENTFD_FILE", "eventpoll": "EVENTPOLL_FILE", "inotify": "INOTIFY_FILE", "fanotify": "FANOTIFY_FILE",
    "sigacts": "SIGACT", "netlinksk": "NETLINK_SK", "ipcns-var": "IPC_VAR", "memfd": "MEMFD_INODE",
    "mountpoints": "MNTS",
    "filelocks": "FILE_LOCKS", "signal-s": "SIGNAL", "signal-p": "PSIGNAL", "tty": "TTY_FILES", "stats-dump": "STATS",
    "stats-restore": "STATS", "pagemap-shmem": "PAGEMAP",
}  # fmt: skip
PREFIXES = {id(spec): prefix for prefix, spec in FILES.items()}
BY_KIND = {spec.kind: spec for spec in FILES.values()}
FILE_OBJECTS = {"pagemap": "pagemap", "pagemap-shmem": "pagemap-shmem", "fdtable": "fdinfo"}
"""Kinds whose objects are whole image files -> the prefix of their names."""


def _crit_name(spec: FileKind) -> str:
    prefix = PREFIXES[id(spec)]
    return CRIT_NAMES.get(prefix, prefix.upper().replace("-", "_"))


def _image_name(found: Object) -> ImageName | None:
    """The image file that an object is, if it is one."""
    kind = found.kind
    if kind in FILE_OBJECTS:
        return ImageName(FILES[FILE_OBJECTS[kind]], 0)
    if kind != "member":
        return None
    base = found.objref.removeprefix("member:").rpartition("/")[2].partition("~")[0]
    name = parse_name(base)
    return name if name is not None and name.spec.message else None


def decodes(found: Object) -> bool:
    """Whether an object has fields."""
    return found.kind in MESSAGES or _image_name(found) is not None


def decode(found: Object) -> Fields:
    """The fields of an object; of a whole image file `{"magic": …, "entries": […]}`, as crit."""
    name = _image_name(found)
    if name is not None:
        return {"magic": _crit_name(name.spec), "entries": list(_entries(found, name))}
    if found.kind not in MESSAGES:
        raise UsageError(f"{found.objref} has no fields; its bytes: objref get")
    spec = BY_KIND.get(found.kind)
    if spec is None or not spec.payload:
        return to_crit(MESSAGES[found.kind], found.bytes)
    return _with_payload(spec, found.parts or [b""])  # a message without fields has no bytes


def _with_payload(spec: FileKind, parts: list[bytes]) -> Fields:
    """The message and what follows it. Of a sparse deleted file crit makes several entries, here they are one."""
    entries = list(_payload_entries(spec, parts))
    if len(entries) > 1:
        return entries[0] | {"chunks": entries[1:]}
    return entries[0]


def _payload_entries(spec: FileKind, parts: list[bytes]) -> Iterator[Fields]:
    message = parse(spec.message, parts[0])
    fields = to_crit(spec.message, parts[0])
    if spec.kind == "ghost" and fields.get("chunks"):
        yield fields
        for chunk, data in zip(parts[1::2], parts[2::2], strict=False):
            extra = payload_to_crit("GHOST_FILE", data, parse("ghost_chunk_entry", chunk))
            yield to_crit("ghost_chunk_entry", chunk) | ({} if extra is None else {"extra": extra})
        return
    payload = _framed(spec, parts[1:]) if spec.kind == "ipcns-msg" else b"".join(parts[1:])
    extra = payload_to_crit(_crit_name(spec), payload, message)
    yield fields if extra is None else fields | {"extra": extra}


def _framed(spec: FileKind, parts: list[bytes]) -> bytes:
    """Message queues: the length prefixes of the messages inside are not part of the object; crit's reader
    wants them."""
    framed = []
    for message, body in zip(parts[::2], parts[1::2], strict=False):
        framed += [len(message).to_bytes(4, "little"), message, body]
    return b"".join(framed)


def _entries(found: Object, name: ImageName) -> Iterator[Fields]:
    """Entry by entry, through the same splitter that imports use."""
    member = Member(found.objref, 0, 1, found.size, None, found.size)
    maker = PayloadFile if name.spec.payload else ImageFile
    numbering = Numbering()
    numbering.new_token()
    file = maker(member, numbering, name, LayerState(), DEFAULT)
    reader = _Reader(name.spec)
    for chunk in found.chunks():
        yield from reader.take(file.feed(memoryview(chunk)))
    yield from reader.take(file.end())


class _Reader:
    """Turns the events of one image file into entries. Mutable."""

    def __init__(self, spec: FileKind) -> None:
        self._spec = spec
        self._data: bytes | memoryview = b""
        self._parts: dict[int, list[bytearray]] = {}
        self._first = True

    def take(self, events: Iterator[Event]) -> Iterator[Fields]:
        """Entries that are complete."""
        for event in events:
            if isinstance(event, Run):
                self._data = event.data
                for part in event.parts[1:]:
                    data = bytes(event.data[part.start : part.start + part.length])
                    pieces = self._parts.setdefault(part.token, [])
                    if part.new:
                        pieces.append(bytearray())
                    pieces[-1] += data
            elif isinstance(event, Objects):
                for start, length in zip(event.starts, event.lengths, strict=True):
                    yield to_crit(self._message(), bytes(self._data[start : start + length]))
            elif isinstance(event, Whole):
                yield from _payload_entries(self._spec, [bytes(piece) for piece in self._parts.pop(event.token)])

    def _message(self) -> str:
        first, self._first = self._first, False
        return "pagemap_head" if first and self._spec.message == "pagemap_entry" else self._spec.message


# -- at a glance --------------------------------------------------------------------------------------------


def brief(found: Object) -> str:
    """One line about an object; empty when there is nothing to say, or when it does not decode."""
    describe = BRIEFS.get(found.kind)
    if describe is None:
        return ""
    try:
        return describe(found)
    except FormatError as error:
        return f"! {error}"


def _target(found: Object, role: str, kind: str) -> Object | None:
    """What a role leads to, if it is of that kind: a forged image may lead anywhere."""
    targets = (r.target for r in found.references if r.role == role)
    return next((target for target in targets if target is not None and target.kind == kind), None)


def _fields(found: Object) -> Fields:
    if BY_KIND[found.kind].payload:
        return to_crit(MESSAGES[found.kind], (found.parts or [b""])[0])
    return to_crit(MESSAGES[found.kind], found.bytes)


def _brief_task(found: Object) -> str:
    fields = _fields(found)
    core = _target(found, "core", "core")
    name = f"{_brief_core(core)}, " if core is not None else ""
    threads = len(fields.get("threads", ()))
    return f"{name}parent {fields.get('ppid', 0)}, {threads} thread{'s' * (threads != 1)}"


def _brief_core(found: Object) -> str:
    fields = _fields(found)
    name = fields.get("tc", {}).get("comm") or fields.get("thread_core", {}).get("comm") or ""
    return str(name)


def _brief_file(found: Object) -> str:
    fields = _fields(found)
    nested: Any = next((v for k, v in fields.items() if isinstance(v, dict)), {})
    return f"{fields.get('type', '')} {nested.get('name', '')}".strip()


def _brief_fd(found: Object) -> str:
    target = next((r.target for r in found.references if r.role == "file"), None)
    return "" if target is None else f"{target.objref} {_brief_file(target) if target.kind == 'file' else ''}".strip()


def _brief_mm(found: Object) -> str:
    target = _target(found, "exe", "file")
    return "" if target is None else _brief_file(target)


def _brief_memory(found: Object) -> str:
    ranges = found.ranges
    return f"{len(ranges)} ranges, {ranges[0][0]:#x}…{ranges[-1][1]:#x}" if ranges else "nothing"


def _brief_mount(found: Object) -> str:
    fields = _fields(found)
    return f"{fields.get('mountpoint', '')} {fields.get('fsname') or fields.get('source', '')}".strip()


def _brief_payload(found: Object) -> str:
    return f"{sum(len(part) for part in found.parts[1:])} bytes of payload"


BRIEFS: dict[str, Callable[[Object], str]] = {
    "task": _brief_task,
    "core": _brief_core,
    "file": _brief_file,
    "fd": _brief_fd,
    "mm": _brief_mm,
    "mem": _brief_memory,
    "shmem": _brief_memory,
    "mnt": _brief_mount,
    "pipe-data": _brief_payload,
    "fifo-data": _brief_payload,
    "sk-packet": _brief_payload,
    "ghost": _brief_payload,
}
