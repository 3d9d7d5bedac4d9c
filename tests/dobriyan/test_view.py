"""What `objref show` and `objref ls` say: the names of the facts, positions as objrefs."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast

import pytest
from dobriyan.collecting import read
from dobriyan.making import EXAMPLE, INFINITY, NAMES, realistic

from objref.dialects.dobriyan import DIALECT
from objref.errors import FormatError, UsageError


class Shown(NamedTuple):
    """What the view asks of an object."""

    objref: str
    bytes: bytes

    @property
    def kind(self) -> str:
        return self.objref.partition(":")[0]


def shown(data: bytes, name: str) -> Any:
    return cast(Any, Shown(name, read(data, 0).objects[name]))


def test_the_facts_example() -> None:
    assert DIALECT.decode(shown(EXAMPLE, "header:0")) == {
        "signature": "LinuxC/R", "image_version": 1, "kernel_release": "2.6.29-rc6", "architecture": 1,
    }  # fmt: skip
    assert DIALECT.decode(shown(EXAMPLE, "pid:0x58")) == {"cr_type": 15, "cr_len": 16, "level": 0, "nr": [1]}
    cred = DIALECT.decode(shown(EXAMPLE, "cred:0x68"))
    assert list(cred)[2:10] == ["uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid"]
    assert cred["bounding"] == f"{INFINITY:#x}"
    assert DIALECT.decode(shown(EXAMPLE, "file:0xb0")) == {
        "cr_type": 13, "cr_len": 56, "f_flags": 0, "pad": 0, "f_pos": 0, "pos_f_owner_pid": None, "owner_pid_type": 0,
        "owner_uid": 0, "euid": 0, "signum": 0, "pos_f_cred": "pos:0x68",
    }  # fmt: skip


def test_every_kind_decodes_to_json_and_has_a_line() -> None:
    w = realistic(3)
    seen = set()
    for name, data in read(bytes(w), 0).objects.items():
        found = cast(Any, Shown(name, data))
        assert DIALECT.decodes(found)
        json.dumps(DIALECT.decode(found))
        assert not DIALECT.brief(found).startswith("!")
        seen.add(found.kind)
    assert seen == {*NAMES, "header"}


def test_a_task() -> None:
    w = realistic(1)
    name = next(name for name in w.objects if name.startswith("task:"))
    task = DIALECT.decode(shown(bytes(w), name))
    assert task["comm"] == "worker-0"
    assert task["pids"] == ["pos:0x58"] * 3
    targets = {role: target.partition(":")[2] for source, role, target in w.edges if source == name}
    for field in ("mm", "fs", "files", "nsproxy", "signal", "sighand", "cred"):
        assert task[field] == f"pos:{targets[field]}"
    assert task["real_cred"] == f"pos:{targets['real-cred']}"
    assert DIALECT.brief(shown(bytes(w), name)) == "worker-0"


def test_limits_and_texts() -> None:
    w = realistic(1)
    signal = next(name for name in w.objects if name.startswith("signal:"))
    limits = DIALECT.decode(shown(bytes(w), signal))["resource_limits"]
    assert limits == [{"cur": 0, "max": 2**64 - 1}] * 16
    uts = next(name for name in w.objects if name.startswith("uts-ns:"))
    assert DIALECT.brief(shown(bytes(w), uts)) == "host0 2.6.29"
    assert DIALECT.decode(shown(bytes(w), uts))["domainname"] == "(none)"


def test_what_is_unknown_has_no_fields() -> None:
    unknown = cast(Any, Shown("unknown:0x58", bytes(8)))
    assert not DIALECT.decodes(unknown)
    assert DIALECT.brief(unknown) == ""
    with pytest.raises(UsageError, match="objref get"):
        DIALECT.decode(unknown)


def test_bytes_of_another_length_do_not_decode() -> None:
    """A container may claim anything."""
    for data in (b"", bytes(71), bytes(73)):
        with pytest.raises(FormatError, match="expected 72"):
            DIALECT.decode(cast(Any, Shown("cred:0x68", data)))
    assert DIALECT.brief(cast(Any, Shown("cred:0x68", b""))).startswith("! CRED of 0 bytes")
