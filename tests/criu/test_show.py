"""What `crit show` prints: golden messages and hostile bytes. The real crit is asked in test_against_crit.py."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest

from objref.dialects.criu.schema import message_class
from objref.dialects.criu.show import (
    RULES,
    DecodeError,
    parse,
    payload_to_crit,
    to_crit,
    unknown_fields,
)
from objref.errors import FormatError, UsageError


def made(message_name: str, **fields: Any) -> bytes:
    return message_class(message_name)(**fields).SerializeToString()


# (message, fields, what crit 4.2.1 printed for it)
GOLDEN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("seccomp_entry", {}, {}),
    ("pstree_entry", {"pid": 7, "threads": [7, 8]}, {"pid": 7, "threads": [7, 8]}),
    (
        "vma_entry",
        {"start": 4096, "end": 2**64 - 1, "pgoff": 8192, "shmid": 3, "prot": 5, "flags": 0x32, "status": 513, "fd": -1},
        {
            "start": "0x1000",
            "end": "0xffffffffffffffff",
            "pgoff": 8192,
            "shmid": 3,
            "prot": "PROT_READ | PROT_EXEC",
            "flags": "MAP_PRIVATE | MAP_ANON | 0x10",
            "status": "VMA_AREA_REGULAR | VMA_ANON_PRIVATE",
            "fd": -1,
        },
    ),
    ("vma_entry", {"prot": 0, "status": 0x80000010}, {"prot": "", "status": "VMA_UNSUPP | 0x10"}),
    ("vma_entry", {"flags": 8, "status": 0x30000}, {"flags": "MAP_DROPPABLE", "status": "VMA_AREA_UPROBES | 0x10000"}),
    ("inventory_entry", {"img_version": 2, "allow_uprobes": True}, {"img_version": 2, "allow_uprobes": True}),
    (
        "pagemap_entry",
        {"vaddr": 0x420000, "compat_nr_pages": 0, "flags": 6, "nr_pages": 3},
        {"vaddr": "0x420000", "compat_nr_pages": 0, "flags": "PE_LAZY | PE_PRESENT", "nr_pages": 3},
    ),
    ("fdinfo_entry", {"id": 1, "flags": 2, "type": 65534, "fd": 0}, {"id": 1, "flags": 2, "type": "CTL_TTY", "fd": 0}),
    ("reg_file_entry", {"flags": 0o100002, "name": "/a"}, {"flags": "O_RDWR | O_LARGEFILE", "name": "/a"}),
    ("unix_sk_entry", {"flags": 2, "name": b"\0abs=\xff"}, {"flags": "0x2", "name": "=00abs=3D=FF"}),
    (
        "inet_sk_entry",
        {"family": 10, "type": 1, "proto": 6, "state": 11, "src_addr": [0, 0, 0, 0x01000000], "dst_addr": [0x0100007F]},
        {
            "family": "INET6",
            "type": "STREAM",
            "proto": "TCP",
            "state": 11,
            "src_addr": ["::1"],
            "dst_addr": ["127.0.0.1"],
        },
    ),
    ("mnt_entry", {"fstype": 5, "root_dev": 0x800001}, {"fstype": 5, "root_dev": "8:1"}),
    ("ghost_file_entry", {"dev": 0x800001, "rdev": 0x801}, {"dev": "8:1", "rdev": "8:1"}),
    ("irmap_cache_entry", {"dev": 0x12345678}, {"dev": "1110:74616"}),
    ("memfd_inode_entry", {"seals": 0x29}, {"seals": "F_SEAL_SEAL | F_SEAL_WRITE | 0x20"}),
    ("net_device_entry", {"type": 1, "address": bytes(6)}, {"type": "LOOPBACK", "address": "AAAAAAAA\n"}),
    ("siginfo_entry", {"siginfo": bytes(58)}, {"siginfo": "A" * 76 + "\n" + "AA==\n"}),
    ("sa_entry", {"flags": 4, "compat_sigaction": True}, {"flags": "0x4", "compat_sigaction": True}),
    (
        "core_entry",
        {
            "mtype": 1,
            "thread_info": {"clear_tid_addr": 16, "gpregs": {"ip": 255, "mode": 2}, "fpregs": {"xmm_space": [1, 2]}},
            "tc": {"task_state": 3, "comm": "sh", "rlimits": {"rlimits": [{"cur": 1, "max": 2}]}},
        },
        {
            "mtype": "X86_64",
            "thread_info": {
                "clear_tid_addr": "0x10",
                "gpregs": {"ip": "0xff", "mode": "COMPAT"},
                "fpregs": {"xmm_space": [1, 2]},
            },
            "tc": {"task_state": "Zombie", "comm": "sh", "rlimits": {"rlimits": [{"cur": 1, "max": 2}]}},
        },
    ),
    ("thread_info_s390", {"gpregs": {"gprs": [10, 11]}}, {"gpregs": {"gprs": ["0xa", "0xb"]}}),
    (
        "thread_info_ppc64",
        {"gpregs": {"gpr": [10]}, "tmstate": {"gpregs": {"gpr": [10]}}},
        {"gpregs": {"gpr": ["0xa"]}, "tmstate": {"gpregs": {"gpr": [10]}}},
    ),
]


@pytest.mark.parametrize(("name", "fields", "expected"), GOLDEN, ids=[name for name, *_ in GOLDEN])
def test_golden(name: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json.dumps(to_crit(name, made(name, **fields))) == json.dumps(expected)


def test_fields_come_in_order_of_number() -> None:
    assert list(to_crit("core_entry", made("core_entry", ti_arm={}, tc={}, mtype=2))) == ["mtype", "tc", "ti_arm"]


@pytest.mark.parametrize(
    ("number", "shown"), [(0, 0), (1, "Alive"), (2, 2), (3, "Zombie"), (4, 4), (5, 5), (6, "Stopped"), (7, 7)]
)
def test_task_states_as_crit_swaps_them(number: int, shown: object) -> None:
    assert to_crit("task_core_entry", made("task_core_entry", task_state=number)) == {"task_state": shown}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([0], ["0.0.0.0"]),
        ([0, 0, 0xFFFF0000, 0x0100007F], ["::ffff:127.0.0.1"]),
        ([1, 2, 3, 4, 5], ["100:0:200:0:300:0:400:0"]),
        ([1, 2], ["0x1", "0x2"]),
    ],
)
def test_addresses_go_by_their_number_of_words(words: list[int], shown: list[str]) -> None:
    assert to_crit("sit_entry", made("sit_entry", local=words)) == {"local": shown}


def test_text_that_is_not_utf8_is_shown_like_crit_does() -> None:
    shown = to_crit("utsns_entry", b"\x0a\x04caf\xe9\x12\x03a\x00b")
    assert shown == {"nodename": "b'caf\\xe9'", "domainname": "a\0b"}


def test_a_value_that_the_enum_lacks_is_left_out_and_reported() -> None:
    data = b"\x08\x01\x18\x63\x20\x03"
    assert to_crit("fdinfo_entry", data) == {"id": 1, "fd": 3}
    assert unknown_fields("fdinfo_entry", data) == [3]


def test_unknown_fields_are_reported_once_each() -> None:
    data = b"\x08\x01" + b"\xf8\x3f\x01" * 2 + b"\x32\x02hi" + b"\x1d\0\0\0\0"
    assert to_crit("fdinfo_entry", data) == {"id": 1}
    assert unknown_fields("fdinfo_entry", data) == [3, 6, 1023]  # 3 is known, but not as 4 bytes
    assert unknown_fields("fdinfo_entry", b"\x08\x01") == []


def test_every_rule_is_of_a_field_that_exists() -> None:
    for name, field in RULES:
        assert field in message_class(name).DESCRIPTOR.fields_by_name, (name, field)


# ---- hostile bytes ----


@pytest.mark.parametrize("data", [b"\x08", b"\xff\xff", b"\x0c", b"\x00\x01", b"\x12\x05ab"])
def test_what_is_no_message_is_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="cgroup_dir_entry of"):
        to_crit("cgroup_dir_entry", data)
    with pytest.raises(FormatError):
        unknown_fields("cgroup_dir_entry", data)


def test_depth_is_bounded() -> None:
    data = b""
    for _ in range(1000):
        length = len(data)
        prefix = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        data = b"\x12" + prefix + data
    with pytest.raises(DecodeError):
        to_crit("cgroup_dir_entry", data)


def test_a_message_cut_at_every_byte_is_shown_or_refused() -> None:
    name, fields, _ = next(golden for golden in GOLDEN if golden[0] == "core_entry")
    data = made(name, **fields)
    for length in range(len(data)):
        try:
            json.dumps(to_crit(name, data[:length]))
        except DecodeError:
            continue


def test_random_bytes_are_shown_or_refused() -> None:
    rng = random.Random(7)
    for _ in range(3000):
        try:
            json.dumps(to_crit("file_entry", rng.randbytes(rng.randrange(60))))
        except DecodeError:
            continue


def test_a_message_that_is_not_in_the_schema() -> None:
    with pytest.raises(UsageError):
        to_crit("no_such_entry", b"")


# ---- payload ----


def extra(image_type: str, payload: bytes, message: str, **fields: Any) -> object:
    return payload_to_crit(image_type, payload, parse(message, made(message, **fields)))


MESSAGES = struct.pack("<I", 4) + made("ipc_msg", mtype=9, msize=3) + b"abc" + bytes(5)


@pytest.mark.parametrize(
    ("image_type", "payload", "message", "fields", "shown"),
    [
        ("PIPES_DATA", b"abc", "pipe_data_entry", {"bytes": 3}, "YWJj\n"),
        ("FIFO_DATA", b"", "pipe_data_entry", {"bytes": 0}, ""),
        ("SK_QUEUES", b"abc", "sk_packet_entry", {"length": 3}, "YWJj\n"),
        ("TCP_STREAM", b"abcd", "tcp_stream_entry", {"inq_len": 1, "outq_len": 3}, {"inq": "YQ==\n", "outq": "YmNk\n"}),
        ("BPFMAP_DATA", b"abcd", "bpfmap_data_entry", {"keys_bytes": 1, "values_bytes": 3}, "YWJjZA==\n"),
        ("IPCNS_SEM", b"\x01\0\xff\xff" + bytes(4), "ipc_sem_entry", {"nsems": 2}, [1, 65535]),
        ("IPCNS_SHM", b"abc\0", "ipc_shm_entry", {"size": 3}, "YWJj\n"),
        ("IPCNS_SHM", b"", "ipc_shm_entry", {"size": 4096, "in_pagemaps": True}, ""),
        ("IPCNS_MSG", b"", "ipc_msg_entry", {"qnum": 0}, []),
        ("IPCNS_MSG", MESSAGES, "ipc_msg_entry", {"qnum": 1}, [{"mtype": 9, "msize": 3}, "YWJj\n"]),
        ("GHOST_FILE", b"abc", "ghost_file_entry", {}, "YWJj\n"),
        ("GHOST_FILE", b"", "ghost_file_entry", {"chunks": True}, None),
        ("GHOST_FILE", b"abc", "ghost_chunk_entry", {"len": 3, "off": 9}, "YWJj\n"),
        ("PSTREE", b"", "pstree_entry", {}, None),
    ],
)
def test_payload(image_type: str, payload: bytes, message: str, fields: dict[str, Any], shown: object) -> None:
    assert extra(image_type, payload, message, **fields) == shown


def test_a_payload_cut_short_is_an_error() -> None:
    cut = [
        ("PIPES_DATA", b"abc", "pipe_data_entry", {"bytes": 4}),
        ("TCP_STREAM", b"abc", "tcp_stream_entry", {"inq_len": 3, "outq_len": 1}),
        ("IPCNS_SEM", b"\0", "ipc_sem_entry", {"nsems": 2**32 - 1}),
        ("IPCNS_SHM", b"", "ipc_shm_entry", {"size": 2**64 - 1}),
        ("IPCNS_MSG", MESSAGES, "ipc_msg_entry", {"qnum": 2**32 - 1}),
    ]
    for image_type, payload, message, fields in cut:
        with pytest.raises(DecodeError, match="payload ends at byte"):
            extra(image_type, payload, message, **fields)
    for length in range(len(MESSAGES) - 5):
        with pytest.raises(DecodeError):
            extra("IPCNS_MSG", MESSAGES[:length], "ipc_msg_entry", qnum=1)
