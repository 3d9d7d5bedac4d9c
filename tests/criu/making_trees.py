"""Process trees made by hand, for extracts: who descends from whom, who holds which file, and what is wrong with it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from criu.making import COMMON, PAGE, PRESENT, Folder, add_task, archive, inventory, item, members_of, page

import objref
from objref.dialects.criu.schema import message_class

REG, PIPE, UNIX, EPOLL, TTY = 1, 2, 5, 7, 11
READ, WRITE = 0, 1
NOBODY = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}


class Someone(NamedTuple):
    """A task. `files`: fd → file id."""

    pid: int
    ppid: int = 0
    sid: int = 0
    pgid: int = 0
    files: Mapping[int, int] = {}
    pages: int = 2


def reg(number: int, name: str, **more: Any) -> dict[str, Any]:
    """A file_entry of a regular file."""
    return {"id": number, "type": REG, "reg": {"id": number, "name": name, "flags": 0, "pos": 0, "fown": NOBODY} | more}


def pipe(number: int, pipe_id: int, flags: int) -> dict[str, Any]:
    """A file_entry of an end of a pipe."""
    return {"id": number, "type": PIPE, "pipe": {"id": number, "pipe_id": pipe_id, "flags": flags, "fown": NOBODY}}


def unix(number: int, ino: int, peer: int, kind: int = 1) -> dict[str, Any]:
    """A file_entry of a connected unix socket."""
    fields = {"id": number, "ino": ino, "peer": peer, "type": kind, "state": 1, "fown": NOBODY}
    return {"id": number, "type": UNIX, "usk": fields}


COMMON_FILES = (reg(1, "/"), reg(2, "/bin/t"))


def tree(*tasks: Someone, files: Sequence[dict[str, Any]] = ()) -> Folder:
    """A sound dump of these tasks, each with a table (of its pid's number), an address space and pages of its own."""
    f = Folder()
    f.write("inventory.img", inventory())
    entries = [
        {"pid": t.pid, "ppid": t.ppid, "sid": t.sid or t.pid, "pgid": t.pgid or t.sid or t.pid, "threads": [t.pid]}
        for t in tasks
    ]
    f.write("pstree.img", *(item(f"task:{e['pid']}", "pstree_entry", e) for e in entries))
    everything = (*COMMON_FILES, *files)
    f.write("files.img", *(item(f"file:{e['id']}", "file_entry", e) for e in everything))
    types = {e["id"]: e["type"] for e in everything}
    for number, t in enumerate(tasks, 1):
        add_task(f, t.pid, files=t.pid)
        f.table(t.pid, *((fd, one, types.get(one, REG)) for fd, one in t.files.items()))
        f.pagemap(t.pid, number, {"vaddr": PAGE * t.pid, "compat_nr_pages": t.pages, "flags": PRESENT})
        f.pages(number, b"".join(page(t.pid * 100 + n) for n in range(t.pages)))
    return f


def imported(folder: Folder, to: Path) -> objref.Image:
    """An open image of it."""
    objref.import_image(io.BytesIO(archive(members_of([folder]))), to, replace=True)
    return objref.open(to)


class Small(NamedTuple):
    """An extract, read in the plainest way."""

    files: dict[str, bytes]

    def items(self, name: str, message: str, payload: str = "") -> list[Any]:
        """Messages of an image file. `payload`: the field that says how many bytes follow each."""
        data, found = self.files.get(name, b""), []
        at = 8 if int.from_bytes(data[:4], "little") == COMMON else 4
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            found.append(message_class(message).FromString(data[at + 4 : at + 4 + size]))
            at += 4 + size + (getattr(found[-1], payload) if payload else 0)
        return found

    def unsound(self) -> list[str]:
        """What CRIU would not take: more than one root, a parent that comes later, an item nobody holds or that is
        missing, memory that is not there."""
        wrong, pids = [], set()
        tasks = self.items("pstree.img", "pstree_entry")
        wrong += [f"{len(roots)} roots"] if len(roots := [t.pid for t in tasks if not t.ppid]) != 1 else []
        for t in tasks:
            wrong += [f"{t.pid} before its parent {t.ppid}"] if t.ppid and t.ppid not in pids else []
            pids.add(t.pid)
        root = tasks[0]
        wrong += [f"root's session {root.sid}"] if root.sid != root.pid or root.pgid != root.pid else []
        listed = [f.id for f in self.items("files.img", "file_entry")]
        wrong += ["a file twice"] if len(set(listed)) < len(listed) else []
        reached = self._reached(wrong, pids)
        wrong += [f"file {n} is missing" for n in reached - set(listed)]
        wrong += [f"nobody holds file {n}" for n in set(listed) - reached]
        return wrong

    def _reached(self, wrong: list[str], pids: set[int]) -> set[int]:
        found: set[int] = set()
        for pid in pids:
            if f"ids-{pid}.img" not in self.files:
                continue
            table = self.items(f"ids-{pid}.img", "task_kobj_ids_entry")[0].files_id
            found |= {fd.id for fd in self.items(f"fdinfo-{table}.img", "fdinfo_entry")}
            fs, mm = self.items(f"fs-{pid}.img", "fs_entry")[0], self.items(f"mm-{pid}.img", "mm_entry")[0]
            found |= {fs.cwd_id, fs.root_id, mm.exe_file_id} | {v.shmid for v in mm.vmas if v.status >> 6 & 3}
            wrong += self._memory(pid)
        for one in self.items("files.img", "file_entry"):
            found |= {one.tty.regf_id} - {0} if one.type == TTY else set()
            found |= {one.fifo.regf_id} - {0} if one.type == 3 else set()
        for packet in self.items("sk-queues.img", "sk_packet_entry", "length"):
            found |= {number for scm in packet.scm for number in scm.rights}
        found |= {r.remap_id for r in self.items("remap-fpath.img", "remap_file_path_entry") if r.remap_type == 0}
        return found

    def _memory(self, pid: int) -> list[str]:
        data = self.files[f"pagemap-{pid}.img"]
        size = int.from_bytes(data[8:12], "little")
        head = message_class("pagemap_head").FromString(data[12 : 12 + size])
        rest = Small({"x": data[:8] + data[12 + size :]}).items("x", "pagemap_entry")
        pages = self.files.get(f"pages-{head.pages_id}.img", b"")
        wanted = sum((e.nr_pages or e.compat_nr_pages) * PAGE for e in rest if not e.HasField("flags") or e.flags & 4)
        return [f"pages of {pid}: {len(pages)}, described {wanted}"] if len(pages) != wanted else []


def extracted(image: objref.Image, *objrefs: str, **how: Any) -> Small:
    """An extract, through a tar that tarfile takes apart."""
    out = io.BytesIO()
    image.extract(*objrefs, dest=out, **how)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        members = [member for member in archive if member.isfile()]
        return Small({member.name: archive.extractfile(member).read() for member in members})  # type: ignore[union-attr]
