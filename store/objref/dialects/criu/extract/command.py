"""How the result is restored: criu's options, and the files that must be on disk."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft

__all__ = ["command_of", "on_disk"]

REG = 1
NULL = "/dev/null"
EXTERNAL_UNIX = 1
"""Bit of unix_sk_entry.uflags: the peer was outside of the dump from the start."""


def command_of(draft: Draft) -> tuple[str, ...]:
    """Words of the command line; `{}` is the folder."""
    words = ["criu", "restore", "-d", "-D", "{}"]
    if not draft.links.has("cgroup"):
        words.append("--manage-cgroups=ignore")
    for file in draft.files.values():
        if file.type == UNIX and file.body.uflags & EXTERNAL_UNIX:
            draft.options["--ext-unix-sk"] = None
    for option in draft.options:
        words += option.split(" ", 1)
    return tuple(words)


UNIX = 5


def on_disk(draft: Draft) -> tuple[str, ...]:
    """Paths of regular files that CRIU opens: sizes must be as they were."""
    remapped = draft.side.get("remap", {})
    names = set()
    for file in draft.files.values():
        if file.type == REG and file.id not in remapped:
            reg = file.body
            if not (reg.HasField("mode") and not stat.S_ISREG(reg.mode)) and reg.name not in ("", "/", NULL):
                names.add(reg.name)
    return tuple(sorted(names))
