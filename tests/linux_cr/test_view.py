"""Objects decode with the field names of the facts, in every layout."""

from __future__ import annotations

from typing import Any

import pytest
from linux_cr.collecting import Collected, collect
from linux_cr.making import LAYOUTS, MACHINES, pid, scene

from objref.dialects.linux_cr import DIALECT
from objref.errors import UsageError


class FakeImage(dict[str, Any]):
    """As much of an image as a view asks for."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, got: Collected) -> None:
        super().__init__({name: FakeObject(self, name, data) for name, data in got.objects})
        self["layout"] = [int(name.split(":")[1]) for name, _ in got.objects if name.startswith("layout:")]


class FakeObject:
    def __init__(self, image: FakeImage, objref: str, data: bytes) -> None:
        self._image, self.objref, self.bytes = image, objref, data
        self.kind, self.size = objref.split(":")[0], len(data)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        return self.bytes[start:stop]


def image_of(layout: str, machine: str = "x86_64") -> FakeImage:
    return FakeImage(collect([bytes(scene(layout, machine).out)]))


def records(image: FakeImage, kind: str) -> list[dict[str, Any]]:
    found = next(v for k, v in image.items() if k.startswith(kind + ":"))
    return list(DIALECT.decode(found)["records"])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("machine", MACHINES)
def test_everything_decodes(layout: str, machine: str) -> None:
    image = image_of(layout, machine)
    for name, found in image.items():
        if name != "layout" and DIALECT.decodes(found):
            DIALECT.decode(found)
            DIALECT.brief(found)
    assert records(image, "file")[1]["f_mode"] == 3
    assert records(image, "cred")[1]["euid"] == 1000
    assert records(image, "header")[0]["rev"] == LAYOUTS[layout][0]
    assert [r["record"] for r in records(image, "task")][:2] == ["TASK", "STRING"]
    assert records(image, "signal")[0]["rlim"][15] == {"cur": 0, "max": 0}
    assert "exit_state" in records(image, "task")[0]
    objs = next(r for r in records(image, "task") if r["record"] == "TASK_OBJS")
    assert f"signal:{objs['signal_objref']}" in image
    assert f"sighand:{objs['sighand_objref']}" in image


def test_what_is_inside_buffers() -> None:
    image = image_of("v23-rc2")
    assert records(image, "tree")[1]["entries"][1]["vpid"] == 2
    assert len(records(image, "epoll")[1]["items"]) == 3
    assert DIALECT.decode(image["pid:1"]) == {"depth": 0, "numbers": [pid(1)]}
    assert DIALECT.decode(image["pid:2"]) == {"depth": 1, "numbers": [pid(2), 1]}
    chunks = [r for r in records(image, "mm") if "pages" in r]
    assert chunks[0]["at"] == ["0x10000000…0x10004000"]
    assert chunks[1]["at"][:2] == ["0x70000000", "0x70002000"]
    assert chunks[2]["at"] == ["0x0", "0x2…0x3"]


def test_briefs() -> None:
    image = image_of("v20")
    assert DIALECT.brief(image[f"task:{pid(1)}"]) == "task-1"
    assert DIALECT.brief(image["header:0"]) == "rev 6, layout v20, x86_64"
    briefs = {name.split(":")[0]: DIALECT.brief(found) for name, found in image.items() if name != "layout"}
    assert briefs["file-table"] == "11 descriptors"
    assert briefs["cred"] == "uid 1000 gid 1000"
    assert briefs["uts-ns"] == "node 2.6.33"
    files = [DIALECT.brief(v) for k, v in image.items() if k.startswith("file:")]
    assert {"/tmp/file-0", "fifo /tmp/fifo", "epoll", "socket"} <= set(files)


def test_memory_has_no_fields() -> None:
    image = image_of("v20")
    mem = next(v for k, v in image.items() if k.startswith("mem:"))
    assert not DIALECT.decodes(mem)
    with pytest.raises(UsageError, match="no fields"):
        DIALECT.decode(mem)
