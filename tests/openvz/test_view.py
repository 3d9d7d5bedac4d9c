"""What `objref show` and `objref ls` say: the names of the facts, positions as objrefs, only what is there."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from objref.dialects.openvz import DIALECT
from objref.dialects.openvz.kinds import KIND_OF, KINDS, NUMBER
from objref.dialects.openvz.layouts import layout, layouts
from objref.errors import TruncatedError, UsageError
from openvz.collecting import collect
from openvz.making import FLAVOURS, Maker, scene
from openvz.test_examples import ONE_FILE, SMALLEST


class Shown:
    """What the view asks of an object of an image."""

    def __init__(self, kind: str, data: bytes, architecture: int = 1) -> None:
        self.kind, self.objref = kind, f"{kind}:0x60"
        self._data = data
        self._image = {"header:0x0": Header(architecture)}
        self.size = len(data)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        return self._data[start:stop]

    bytes = property(lambda self: self._data)


class Header:
    """The header of that image."""

    def __init__(self, architecture: int) -> None:
        self._architecture = architecture

    def read(self, start: int, stop: int) -> bytes:
        return bytes(struct.pack("<8xH", self._architecture)[start:stop])


def shown(kind: str, data: bytes, architecture: int = 1) -> Any:
    return Shown(kind, data, architecture)


def made(name: str, content: int = 0, body: bytes = b"", **fields: Any) -> Any:
    m = Maker()
    position = m.leaf(name, content, body, **fields)
    kind = "signal-struct" if name == "SIGNAL" else name.lower().replace("_", "-")
    return shown(kind, bytes(m.out[position:]))


def test_the_facts_examples() -> None:
    header = DIALECT.decode(shown("header", ONE_FILE[:80]))
    assert header["cpt_signature"] == "791c0163"
    assert (header["cpt_image_version"], header["cpt_os_arch"], header["cpt_pagesize"], header["cpt_hz"]) == (0x803, 1, 4096, 1000)
    section = DIALECT.decode(shown("section", ONE_FILE[80:216]))
    assert section == {"cpt_next": 136, "cpt_section": 2, "cpt_hdrlen": 16, "cpt_align": 0, "name": "files"}
    file = DIALECT.decode(shown("file", ONE_FILE[96:216]))
    assert {k: file[k] for k in ("cpt_flags", "cpt_mode", "cpt_i_mode", "cpt_inode", "cpt_priv", "cpt_fown_fd", "cpt_vfsmount")} == {
        "cpt_flags": 0o100002, "cpt_mode": 3, "cpt_i_mode": 0o100644, "cpt_inode": None, "cpt_priv": None,
        "cpt_fown_fd": None, "cpt_vfsmount": None,
    }  # fmt: skip
    assert DIALECT.decode(shown("filedesc", ONE_FILE[264:304])) == {
        "cpt_next": 40, "cpt_object": 1025, "cpt_hdrlen": 40, "cpt_content": 0, "cpt_fd": 3, "cpt_flags": 0,
        "cpt_file": "pos:0x60", "cpt_uid": 0,
    }  # fmt: skip
    assert DIALECT.decode(shown("name", ONE_FILE[192:216]))["name"] == "/etc/a"
    trailer = DIALECT.decode(shown("trailer", SMALLEST[96:]))
    assert trailer["cpt_sections"] == [None] * 23 + ["pos:0x50"] + [None] * 3
    assert (trailer["cpt_nsect"], trailer["cpt_signature"]) == (27, "791c0163")
    assert DIALECT.brief(shown("header", ONE_FILE[:80])) == "version 0x803 (32_3), x86-64"
    assert DIALECT.brief(shown("file", ONE_FILE[96:216])) == "/etc/a"
    assert DIALECT.brief(shown("filedesc", ONE_FILE[264:304])) == "fd 3 is pos:0x60"


@pytest.mark.parametrize("name", sorted(set(layouts()) & set(NUMBER)))
def test_every_layout_decodes_at_every_length(name: str) -> None:
    """A shorter struct is an older one: fields past its end are not there."""
    known = layout(NUMBER[name], 1)
    assert known is not None
    kind = KINDS[KIND_OF[NUMBER[name]]].name
    for length in range(16, known.size + 1):
        data = struct.pack("<QIHH", known.size, NUMBER[name], length, 0) + bytes(range(256)) * 20
        fields = DIALECT.decode(shown(kind, data[: known.size]))
        json.dumps(fields)
        expected = {f.name for f in known.fields if f.end <= length}
        assert expected - {"cpt_saddr", "cpt_rcv_saddr"} <= set(fields)
        assert not {f.name for f in known.fields if f.end > length} & set(fields)
        assert isinstance(DIALECT.brief(shown(kind, data[: known.size])), str)


def test_no_two_fields_of_a_struct_overlap() -> None:
    for known in layouts().values():
        at = 0 if known.name == "HEADER" else 16
        for field in known.fields:
            assert field.offset >= at, (known.name, field.name)
            at = field.end
        assert at <= known.size
        assert all(16 <= older < known.size for older in known.older)


def test_text_and_numbers_that_follow_a_struct() -> None:
    assert DIALECT.decode(made("SEM", 8, struct.pack("<4I", 1, 100, 2, 101)))["semaphores"] == [
        {"semval": 1, "sempid": 100}, {"semval": 2, "sempid": 101},
    ]  # fmt: skip
    assert DIALECT.decode(made("UNDO_REC", 9, struct.pack("<3h", 1, -1, 2), align=False))["semadj"] == [1, -1, 2]
    w = scene()
    group, root = (w.data[w.where[n] :] for n in ("cgroup", "cgroup-root"))
    decoded = DIALECT.decode(shown("cgroup", group[: int.from_bytes(group[:8], "little")]))
    assert (decoded["name"], decoded["processes"], decoded["cpt_parent"]) == ("web", [100, 101, 102, 103], 0)
    decoded = DIALECT.decode(shown("cgroup", root[:36]))
    assert ("name" not in decoded, decoded["processes"], decoded["cpt_parent"]) == (True, [], None)


def test_a_unix_socket_has_its_mount_where_others_have_addresses() -> None:
    unix = DIALECT.decode(made("SOCKET", o42=("H", 1), o424=("Q", 0x1970), o396=("I", 7)))
    assert unix["cpt_vfsmount_ref"] == "pos:0x1970"
    assert "cpt_saddr" not in unix
    inet = DIALECT.decode(made("SOCKET", o42=("H", 2), o424=("I", 0x7F000001)))
    assert (inet["cpt_saddr"], "cpt_vfsmount_ref" in inet) == (0x7F000001, False)


def test_structs_that_differ_on_i386() -> None:
    data = struct.pack("<QIHH", 64, 1031, 64, 0) + struct.pack("<IIQQIIIQI", 0, 100, 0, 9, 0, 1, 5, 77, 0)
    assert DIALECT.decode(shown("flock", data, 0))["cpt_lsid"] == 77
    assert "cpt_sifields" not in DIALECT.decode(shown("siginfo", struct.pack("<QIHH", 192, 1027, 192, 0) + bytes(176), 0))


def test_beancounters_are_rows() -> None:
    decoded = DIALECT.decode(made("UBC"))
    assert len(decoded["cpt_parms"]) == 64
    assert decoded["cpt_parms"][0] == dict.fromkeys(("barrier", "limit", "held", "maxheld", "minheld", "failcnt"), 0)
    assert decoded["cpt_parent"] is None


def test_what_is_not_known_is_shown_as_it_is() -> None:
    longer = struct.pack("<QIHH", 48, 1025, 48, 0) + bytes(range(32))
    assert DIALECT.decode(shown("filedesc", longer))["undecoded"] == bytes(range(32)).hex()
    assert not DIALECT.decodes(shown("unknown", longer))
    with pytest.raises(UsageError, match="objref get"):
        DIALECT.decode(shown("unknown", longer))
    with pytest.raises(TruncatedError):
        DIALECT.decode(shown("task", b"\0" * 7))
    assert DIALECT.brief(shown("task", b"\0" * 7)) == ""


def test_every_object_of_every_flavour_has_fields_and_a_line() -> None:
    for flavour in FLAVOURS:
        for thing in collect(scene(flavour).data).things:
            if thing.at is None:
                one = shown(thing.kind, thing.data, flavour.architecture)
                json.dumps(DIALECT.decode(one))
                assert "Error" not in DIALECT.brief(one)
