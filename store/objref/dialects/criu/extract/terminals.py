"""Terminals whose other end is left out: a slave without its master, a master without its slave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.criu.extract.outside import outsider
from objref.dialects.criu.schema import message_class

if TYPE_CHECKING:
    from collections.abc import Container

    from objref.dialects.criu.extract.draft import Draft, OpenFile
    from objref.object import Reference

__all__ = ["settle_terminals"]

TTY, PTY, REG = 11, 1, 1
MASTER = 1
"""Bit of a tty's id."""
READ_WRITE = 2
NULL = "/dev/null"


def settle_terminals(draft: Draft) -> None:
    """Decide about each end of a pty whose other end no kept task holds, but somebody held before."""
    open_ends = {file.body.tty_info_id for file in draft.files.values() if file.type == TTY}
    for file in [file for file in draft.files.values() if file.type == TTY]:
        number = file.body.tty_info_id
        if not _is_pty(draft, number) or number ^ MASTER in open_ends:
            continue
        other, holder = _other_end(draft, number)
        if not number & MASTER and "--shell-job" in draft.options:
            continue  # criu's caller lends its own
        if holder is None and number & MASTER:
            continue  # nobody had the slave open: as before
        _cut(draft, file, other, holder)


def _is_pty(draft: Draft, number: int) -> bool:
    info = draft.side.get("tty", {}).get(number)
    return info is not None and draft.links.message(info).type == PTY


def _other_end(draft: Draft, number: int) -> tuple[str, str | None]:
    """Objref of the other end, and a task that holds it."""
    info = draft.links.find("tty", number ^ MASTER)
    for file in draft.links.to(info, "tty") if info is not None else ():
        holder = outsider(draft, file)
        if holder is not None:
            return file.objref, holder
    return draft.links.name("tty", number ^ MASTER), None


def _cut(draft: Draft, file: OpenFile, other: str, holder: str | None) -> None:
    end = "slave" if file.body.tty_info_id & MASTER else "master"
    where = f"was {holder}" if holder else "was outside of the image"
    choices = ("drop",) if end == "slave" else ("drop", "null")
    meaning = f"the holder of the terminal's {end} {where}; the programs would find that it hung up"
    policy = draft.cuts.add("terminal", file.objref, "other-end", other, meaning, choices)
    if policy == "null":
        _to_null(draft, file)


def _to_null(draft: Draft, file: OpenFile) -> None:
    """Let every descriptor of the terminal mean /dev/null, and the terminal go."""
    null = next((one for one in draft.files.values() if one.found is None and one.body.name == NULL), None)
    if null is None:
        null = draft.add_file(_null(draft))
    for table, fd in draft.held.pop(file.id, []):
        table.point(fd, null)
        draft.held.setdefault(null.id, []).append((table, fd))
    del draft.files[file.id]
    _drop_unused(draft, file)


def _drop_unused(draft: Draft, gone: OpenFile) -> None:
    """What only this terminal needed: both ends of its pty, their data, the path that it was opened by."""
    pair = {gone.body.tty_info_id, gone.body.tty_info_id ^ MASTER}
    if not any(file.type == TTY and file.body.tty_info_id in pair for file in draft.files.values()):
        for kind, number in ((kind, number) for kind in ("tty", "tty-data") for number in pair):
            draft.side.get(kind, {}).pop(number, None)
    for path in draft.links.of(gone.found, "regular") if gone.found is not None else ():
        number = draft.links.key(path)
        if number not in draft.held and not any(
            _is_kept(draft, user) for user in draft.links.image.referrers(path.ordinal)
        ):
            draft.files.pop(number, None)


def _is_kept(draft: Draft, reference: Reference) -> bool:
    """Whether what refers to an open file is in the result; descriptors are in `Draft.held`."""
    user = reference.source
    if user.kind in ("fd", "fdtable"):
        return False
    kept: dict[str, Container[int]] = {"file": draft.files, "mm": draft.tasks, "fs": draft.tasks}
    return user.kind not in kept or draft.links.key(user) in kept[user.kind]


def _null(draft: Draft) -> Any:
    """Opened where the root's own files are: a path alone does not say in which mount namespace."""
    nobody = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
    root = draft.links.message(draft.links.one(draft.links.one(draft.root.found, "fs"), "root")).reg
    reg = {"id": 0, "flags": READ_WRITE, "pos": 0, "fown": nobody, "name": NULL, "mnt_id": root.mnt_id}
    return message_class("file_entry")(type=REG, id=0, reg=reg)
