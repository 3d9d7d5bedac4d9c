"""CRIU's `parent` links: from an image directory to the older ones it builds on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from objref.archive.paths import AnyPath, OnSkip, refuse, shown
from objref.errors import FormatError, LimitError, SourceError, UsageError
from objref.limits import DEFAULT, Limits

__all__ = ["image_roots"]


def image_roots(
    path: AnyPath, root: AnyPath | None = None, *, on_skip: OnSkip = refuse, limits: Limits = DEFAULT
) -> tuple[Path, list[bytes]]:
    """Follow CRIU's `parent` links from an image directory: (what to read, `only` for `read_directory`).

    A parent link is followed if it is relative and leads, without other symlinks on its way, to a directory
    inside `root` (default: the folder that holds `path`). That folder then is what to read, and the names are
    those of the chain's directories, newest first. Without such a link: (path, []). A link that is not
    followed is kept as it is and reported. Errors: FormatError for a cycle, LimitError beyond
    `limits.parents` links.
    """
    newest = os.path.realpath(os.fsencode(path))
    top = os.path.dirname(newest) if root is None else os.path.realpath(os.fsencode(root))
    if root is not None and not _is_inside(newest, top):
        raise UsageError(f"{shown(newest)} does not lie inside the root {shown(top)}")
    chain, refused = [newest], ""
    while not refused:
        target = _parent_link(chain[-1])
        if target is None:
            break
        older, refused = _follow(chain[-1], target, top)
        if not refused:
            _extend_chain(chain, older, limits)
    if len(chain) == 1:
        base, names = newest, []
    else:
        base, names = top, [os.path.relpath(folder, top) for folder in chain]
    if refused:
        on_skip(os.path.relpath(chain[-1] + b"/parent", base), refused)
    return Path(os.fsdecode(base)), names


def _is_inside(path: bytes, top: bytes) -> bool:
    return path.startswith(top.rstrip(b"/") + b"/")


def _parent_link(folder: bytes) -> bytes | None:
    link = folder + b"/parent"
    try:
        return os.readlink(link)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):  # nothing there, or not a symlink
            return None
        raise SourceError(f"{shown(link)}: {error.strerror}") from error


def _follow(folder: bytes, target: bytes, top: bytes) -> tuple[bytes, str]:
    """Where a parent link leads and why it is not followed, if it is not."""
    kept = f"parent link to {shown(target)} not followed, kept as a link: "
    if target.startswith(b"/"):
        return b"", kept + "it is absolute"
    steps = os.path.relpath(folder, top).split(b"/")
    for step in target.split(b"/"):
        if step == b"..":
            if not steps:
                return b"", kept + "it leads outside"
            steps.pop()
        elif step not in (b"", b"."):
            steps.append(step)
    older = os.path.join(top, *steps)
    if older == top or not steps:
        return b"", kept + "it leads to the folder that holds the images"
    if not os.path.isdir(older):
        return b"", kept + "no directory is there"
    if os.path.realpath(folder + b"/" + target) != older:
        return b"", kept + "another symlink lies on its way"
    return older, ""


def _extend_chain(chain: list[bytes], older: bytes, limits: Limits) -> None:
    if older in chain:
        raise FormatError(f"{shown(chain[-1])}: its parent link leads back to {shown(older)}, a cycle")
    if len(chain) > limits.parents:
        raise LimitError(f"{shown(chain[0])}: more than {limits.parents} parent links")
    chain.append(older)
