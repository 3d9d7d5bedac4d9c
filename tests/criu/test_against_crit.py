"""What we show as `crit show` does, compared with the real crit: on real images, and on random messages of every kind.

The real crit is in the private root that `.ci/criu-root make` builds. Real images are those of tests/images, and the
*.tar.zst of the folder that OBJREF_CORPUS names, if it is set.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import zstandard

from objref.dialects.criu.schema import message_class
from objref.dialects.criu.show import parse, payload_to_crit, to_crit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
CRIT_ROOT = Path(os.environ.get("CRIU_ROOT", "/opt/criu-root"))
CORPUS = os.environ.get("OBJREF_CORPUS")
ARCHIVES = [REPOSITORY / "tests/images/tree.tar.zst", REPOSITORY / "tests/images/predump.tar.zst"]
ARCHIVES += sorted(p for p in Path(CORPUS).glob("*.tar.zst") if ".image." not in p.name) if CORPUS else []

# image type, magic, message of its items
IMAGES = {
    image_type: (int(magic, 16), message)
    for image_type, magic, message in (
        line.split()
        for line in """
            INVENTORY 0x58313116 inventory_entry
            FDINFO 0x56213732 fdinfo_entry
            PAGEMAP 0x56084025 pagemap_entry
            REG_FILES 0x50363636 reg_file_entry
            EXT_FILES 0x59255641 ext_file_entry
            NS_FILES 0x61394011 ns_file_entry
            EVENTFD_FILE 0x44523722 eventfd_file_entry
            EVENTPOLL_FILE 0x45023858 eventpoll_file_entry
            EVENTPOLL_TFD 0x44433746 eventpoll_tfd_entry
            SIGNALFD 0x57323820 signalfd_entry
            INOTIFY_FILE 0x48424431 inotify_file_entry
            INOTIFY_WD 0x54562009 inotify_wd_entry
            FANOTIFY_FILE 0x55096122 fanotify_file_entry
            FANOTIFY_MARK 0x56506035 fanotify_mark_entry
            CORE 0x55053847 core_entry
            IDS 0x54432030 task_kobj_ids_entry
            MM 0x57492820 mm_entry
            VMAS 0x54123737 vma_entry
            PIPES 0x56513555 pipe_entry
            PIPES_DATA 0x56453709 pipe_data_entry
            FIFO 0x58364939 fifo_entry
            FIFO_DATA 0x59333054 pipe_data_entry
            PSTREE 0x50273030 pstree_entry
            SIGACT 0x55344201 sa_entry
            UNIXSK 0x54373943 unix_sk_entry
            INETSK 0x56443851 inet_sk_entry
            PACKETSK 0x60454618 packet_sock_entry
            NETLINK_SK 0x58005614 netlink_sk_entry
            SK_QUEUES 0x56264026 sk_packet_entry
            ITIMERS 0x57464056 itimer_entry
            POSIX_TIMERS 0x52603957 posix_timer_entry
            CREDS 0x54023547 creds_entry
            UTSNS 0x54473203 utsns_entry
            IPC_VAR 0x53115007 ipc_var_entry
            IPCNS_SHM 0x46283044 ipc_shm_entry
            IPCNS_MSG 0x55453737 ipc_msg_entry
            IPCNS_SEM 0x59573019 ipc_sem_entry
            FS 0x51403912 fs_entry
            REMAP_FPATH 0x59133954 remap_file_path_entry
            GHOST_FILE 0x52583605 ghost_file_entry
            MEMFD_INODE 0x48453499 memfd_inode_entry
            TCP_STREAM 0x51465506 tcp_stream_entry
            MNTS 0x55563928 mnt_entry
            NETDEV 0x57373951 net_device_entry
            NETNS 0x55933752 netns_entry
            AUTOFS 0x49353943 autofs_entry
            BINFMT_MISC 0x67343323 binfmt_misc_entry
            TTY_FILES 0x59433025 tty_file_entry
            TTY_INFO 0x59453036 tty_info_entry
            TTY_DATA 0x59413026 tty_data_entry
            FILE_LOCKS 0x54323616 file_lock_entry
            RLIMIT 0x57113925 rlimit_entry
            SIGNAL 0x59255647 siginfo_entry
            TUNFILE 0x57143751 tunfile_entry
            CGROUP 0x59383330 cgroup_entry
            TIMERFD 0x50493712 timerfd_entry
            CPUINFO 0x61404013 cpuinfo_entry
            SECCOMP 0x64413049 seccomp_entry
            USERNS 0x55474906 userns_entry
            FILES 0x56303138 file_entry
            TIMENS 0x43114433 timens_entry
            PIDNS 0x61157326 pidns_entry
            BPFMAP_FILE 0x57506142 bpfmap_file_entry
            BPFMAP_DATA 0x64324033 bpfmap_data_entry
            APPARMOR 0x59423047 apparmor_entry
            PIDFD 0x54435556 pidfd_entry
            STATS 0x57093306 stats_entry
            IRMAP_CACHE 0x57004059 irmap_cache_entry
""".strip().splitlines()
    )
}


class Item(NamedTuple):
    message: str
    data: bytes
    payload: bytes


def up(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def queue_length(message: Any, rest: bytes) -> int:
    at = 0
    for _ in range(message.qnum):
        (length,) = struct.unpack_from("<I", rest, at)
        header: Any = parse("ipc_msg", rest[at + 4 : at + 4 + length])
        at += 4 + length + up(header.msize, 8)
    return at


PAYLOAD_LENGTH: dict[str, Callable[[Any, bytes], int]] = {
    "PIPES_DATA": lambda message, _: int(message.bytes),
    "FIFO_DATA": lambda message, _: int(message.bytes),
    "SK_QUEUES": lambda message, _: int(message.length),
    "TCP_STREAM": lambda message, _: int(message.inq_len + message.outq_len),
    "BPFMAP_DATA": lambda message, _: int(message.keys_bytes + message.values_bytes),
    "IPCNS_SEM": lambda message, _: up(2 * message.nsems, 8),
    "IPCNS_SHM": lambda message, _: 0 if message.in_pagemaps else up(message.size, 4),
    "IPCNS_MSG": queue_length,
    "GHOST_FILE": lambda message, rest: 0 if message.chunks else len(rest),
}


def payload_length(image_type: str, message: Any, rest: bytes) -> int:
    length = PAYLOAD_LENGTH.get(image_type)
    return 0 if length is None else length(message, rest)


def items(image_type: str, image: bytes) -> Iterator[Item]:
    """The items of an image. All but inventory have two magics; pagemaps and ghost files begin with another item."""
    at = 4 if image_type == "INVENTORY" else 8
    heads = {"PAGEMAP": "pagemap_head", "GHOST_FILE": "ghost_file_entry"}
    message = heads.get(image_type, IMAGES[image_type][1])
    while at < len(image):
        (length,) = struct.unpack_from("<I", image, at)
        at += 4 + length
        data = image[at - length : at]
        decoded: Any = parse(message, data)
        if message == "ghost_chunk_entry":
            extra_length = int(decoded.len)
        else:
            extra_length = payload_length(image_type, decoded, image[at:])
        yield Item(message, data, image[at : at + extra_length])
        at += extra_length
        message = {"PAGEMAP": "pagemap_entry", "GHOST_FILE": "ghost_chunk_entry"}.get(image_type, message)


def shown(image_type: str, image: bytes) -> list[dict[str, Any]]:
    entries = []
    for message, data, payload in items(image_type, image):
        entry = to_crit(message, data)
        more = payload_to_crit(image_type, payload, parse(message, data))
        entries.append(entry if more is None else {**entry, "extra": more})
    return entries


def as_older_crit(entry: dict[str, Any]) -> dict[str, Any]:
    """What crit before 4.2 makes of an entry: pagemap_entry's field 2 is called nr_pages, newer fields are unknown."""
    entry = {name: value for name, value in entry.items() if name not in ("nr_pages", "allow_uprobes")}
    return {"nr_pages" if name == "compat_nr_pages" else name: value for name, value in entry.items()}


class Crit(NamedTuple):
    version: tuple[int, ...]
    shown: dict[str, Any]  # file -> what it prints as JSON, or its error

    def expected(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return entries if self.version >= (4, 2) else [as_older_crit(entry) for entry in entries]


IN_ROOT = """
import json, sys, pycriu
def show(name):
    try:
        with open("/bind/" + name, "rb") as file:
            return pycriu.images.load(file, pretty=True)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
names = json.load(sys.stdin)
json.dump([pycriu.__version__, {name: show(name) for name in names}], sys.stdout)
"""


def run_crit(folder: Path, names: list[str]) -> Crit:
    """The real crit on regular files below `folder`, all in one go: starting a root takes longer than a file."""
    if not (CRIT_ROOT / "usr/sbin/criu").exists() or os.geteuid() != 0:
        reason = f"the real crit needs root and the CRIU root ({CRIT_ROOT}; .ci/criu-root make)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [REPOSITORY / ".ci/criu-root", "run", "python3", "-W", "ignore", "-c", IN_ROOT],
        input=json.dumps(names).encode(),
        env={**os.environ, "CRIU_BIND": str(folder), "CRIU_ROOT": str(CRIT_ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    version, printed = json.loads(done.stdout)
    return Crit(tuple(int(part) for part in version.split(".")), printed)


def unpack(archive: Path, folder: Path) -> Iterator[str]:
    """The image files of one real dump, without page contents; yields their names below `folder`'s parent."""
    with archive.open("rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = Path(member.name).name
                wanted = (name.endswith(".img") and not name.endswith(".tar.gz.img")) or name == "stats-dump"
                if not member.isfile() or not wanted or name.startswith("pages-"):
                    continue
                source = tar.extractfile(member)
                assert source is not None
                (folder / name).write_bytes(source.read())
                yield f"{folder.name}/{name}"


def check_against(crit: Crit, folder: Path) -> int:
    """Compare every file that crit could show; the number of entries that were equal."""
    entries = 0
    for name, printed in crit.shown.items():
        assert isinstance(printed, dict), (name, printed)
        ours = crit.expected(shown(printed["magic"], (folder / name).read_bytes()))
        assert json.dumps(ours) == json.dumps(printed["entries"]), name
        entries += len(ours)
    return entries


@pytest.mark.real
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_real_images_are_shown_as_the_real_crit_shows_them(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    names = list(unpack(archive, tmp_path / "image"))
    assert check_against(run_crit(tmp_path, names), tmp_path) > len(names)


# What crit before 4.2 shows otherwise, see as_older_crit; and what no version can: it fails on lengths but 1 and 4.
NEW_IN_4_2 = {"inventory_entry.allow_uprobes", "vma_entry.flags", "vma_entry.status"}
ADDRESSES = {"src_addr", "dst_addr", "local", "remote", "rd_prefix", "relay_prefix"}
LENGTHS = {"bytes", "length", "inq_len", "outq_len", "keys_bytes", "values_bytes", "nsems", "qnum"}
# crit has no handler for these.
NOT_SHOWN = {"BINFMT_MISC", "PIDFD", "SIGNAL"}


def random_value(rng: random.Random, field: Any) -> object:
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if field.cpp_type == field.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.type == field.TYPE_STRING:
        return "".join(rng.choices('ab/"\\ \n\0\u00e9\u20ac\U0001f600', k=rng.randrange(9)))
    if field.type == field.TYPE_BYTES:
        return bytes(rng.choices(b"ab= _.\t\r\n\0\xff", k=rng.choice((0, 3, 20, 120))))
    bits = 32 if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_INT32) else 64
    value = rng.choice((rng.randrange(18), 1 << rng.randrange(bits), rng.getrandbits(bits)))
    signed = field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def random_message(rng: random.Random, name: str, depth: int = 6) -> Any:
    """A message with about three in four of its fields set, unless crit cannot show it so or versions differ."""
    message = message_class(name)()
    for field in message.DESCRIPTOR.fields:
        left_out = rng.random() < 0.25 and field.name not in LENGTHS  # crit fails if a length is absent
        if left_out or f"{name}.{field.name}" in NEW_IN_4_2:
            continue
        count = rng.choice((1, 4)) if field.name in ADDRESSES else rng.randrange(4)
        if field.message_type is not None:
            for _ in range(1 if field.has_presence else count if depth else 0):
                value = random_message(rng, field.message_type.name, depth - 1)
                target = getattr(message, field.name)
                (target if field.has_presence else target.add()).MergeFrom(value)
        elif field.has_presence:
            setattr(message, field.name, rng.randrange(9) if field.name in LENGTHS else random_value(rng, field))
        else:
            getattr(message, field.name).extend(random_value(rng, field) for _ in range(count))
    return message


def framed(message: Any) -> bytes:
    data = message.SerializeToString()
    return struct.pack("<I", len(data)) + bytes(data)


def random_payload(rng: random.Random, image_type: str, message: Any) -> bytes:
    if image_type == "IPCNS_MSG":
        parts = [message_class("ipc_msg")(mtype=rng.randrange(9), msize=rng.randrange(20)) for _ in range(message.qnum)]
        return b"".join(framed(part) + rng.randbytes(up(part.msize, 8)) for part in parts)  # type: ignore[attr-defined]
    return rng.randbytes(payload_length(image_type, message, b""))


def random_image(rng: random.Random, image_type: str) -> bytes:
    magic, name = IMAGES[image_type]
    common = {"INVENTORY": b"", "STATS": b"\x40\x59\x10\x55", "IRMAP_CACHE": b"\x40\x59\x10\x55"}
    image = common.get(image_type, b"\x19\x43\x56\x54") + struct.pack("<I", magic)
    if image_type == "PAGEMAP":
        image += framed(random_message(rng, "pagemap_head"))
    for _ in range(1 if image_type == "GHOST_FILE" else 12):
        message = random_message(rng, name)
        if image_type == "GHOST_FILE":
            message.chunks = False
        if image_type == "IPCNS_SHM":  # in_pagemaps: crit swallows the next item, and we do not
            message.in_pagemaps = False
            message.size = rng.randrange(9)
        image += framed(message) + random_payload(rng, image_type, message)
    return image + (rng.randbytes(99) if image_type == "GHOST_FILE" else b"")


@pytest.mark.real
def test_random_messages_of_every_kind_are_shown_as_the_real_crit_shows_them(tmp_path: Path) -> None:
    rng = random.Random(20)
    for image_type in sorted(IMAGES.keys() - NOT_SHOWN):
        for number in range(20):
            (tmp_path / f"{image_type}-{number}").write_bytes(random_image(rng, image_type))
    crit = run_crit(tmp_path, sorted(path.name for path in tmp_path.iterdir()))
    assert check_against(crit, tmp_path) > 10_000
