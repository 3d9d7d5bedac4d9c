"""A tar stream written as a directory, safely: the archive may be hostile.

The tree grows in a folder beside its destination, of mode 0700, and takes its final name when all is there.
Names are taken apart, and every step is an open relative to an open directory that follows no symlink:
nothing outside the folder can be touched, whatever the archive says. Refused, before anything is written for
the member: names that are empty, absolute, or hold `..` or NUL; a second member of one name; members below
anything but a directory; hard links to what the archive has not made before; devices, unless asked for;
unknown types.

Symlinks are made as they are and never followed. One that leads outside is kept, since the copy must be
faithful (a CRIU `parent` link may be absolute) and it does no harm until somebody follows it; each is noted.

Owners are restored by root only (or as `owners` says). Set-user-id and set-group-id bits of files are
restored only with the owner: without it they would lend the rights of whoever runs the export to everybody.

Nothing is synced to disk: the container remains the durable copy, and an export can be repeated. After a
crash of the machine the destination may hold files that are empty or partial.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from objref.archive.extract_place import Place
from objref.archive.extract_tree import (
    OPEN_FOLDER,
    REASONS,
    File,
    Steps,
    Tree,
    creating,
    leads_outside,
    refusal,
    take_apart,
)
from objref.archive.paths import AnyPath, naming, shown
from objref.archive.tar import Begin, Content, End, Event, Header, Member, TarSplitter
from objref.errors import SourceError, UsageError
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

__all__ = ["DirectoryWriter", "Note", "extract"]

Devices = Literal["refuse", "create"]
Owners = Literal["auto", "restore", "ignore"]

SET_ID = stat.S_ISUID | stat.S_ISGID
DEVICE_TYPES = {"chardev": stat.S_IFCHR, "blockdev": stat.S_IFBLK}


class Note(NamedTuple):
    """Something that the copy does not hold as the archive has it, or that deserves a look."""

    name: bytes
    text: str


class DirectoryWriter:
    """Recreates the tree of a tar stream under `dest`, which must be absent or an empty directory.

    Mutable, and unusable after its first error. Use it in a `with`: leaving it normally puts the tree in
    place, leaving it with an error removes all of it. `notes` tells what differs from the archive (the first
    `limits.notes`; `notes_dropped` counts the others).

    Without a `./` member the folder has the mode of the empty directory it replaces, else 0700, for memory
    holds secrets. Directories that only occur within names have mode 0700, too.

    Errors: UsageError for `dest`; FormatError for what is refused; SourceError for what the system refused.
    """

    def __init__(
        self,
        dest: AnyPath,
        *,
        devices: Devices = "refuse",
        owners: Owners = "auto",
        limits: Limits = DEFAULT,
    ) -> None:
        self.notes: list[Note] = []
        self.notes_dropped = 0
        self._devices = devices
        self._owners = owners == "restore" or (owners == "auto" and os.geteuid() == 0)
        self._limits = limits
        self._state: Literal["open", "failed", "closed"] = "open"
        self._file: File | None = None
        self._folders: dict[Steps, Member] = {}
        self._noted: set[str] = set()
        self._place = Place(dest)
        self._tree = Tree(self._place.open())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.discard()

    def write(self, event: Event) -> None:
        """Take the next event of a TarSplitter."""
        if self._state != "open":
            raise UsageError(f"this DirectoryWriter is {self._state}")
        try:
            WRITE[type(event)](self, event)
        except BaseException:
            self._state = "failed"
            raise

    def finish(self) -> None:
        """Restore what directories are, and move the tree to its place. Does nothing when called again."""
        if self._state == "closed":
            return
        try:
            if self._state == "failed" or self._file is not None:
                raise UsageError("the tree is not complete: it cannot be put in place")
            self._finish_folders()
            self._place.commit()
        except BaseException:
            self.discard()
            raise
        self._close()

    def discard(self) -> None:
        """Remove all that was written. Does nothing when called again, or after `finish`."""
        if self._state == "closed":
            return
        self._close()
        self._place.discard(self._note)

    def _close(self) -> None:
        self._state = "closed"
        if self._file is not None:
            with suppress(OSError):  # it is on its way out
                os.close(self._file.fd)
            self._file = None
        self._tree.close()

    def _note(self, name: bytes, text: str) -> None:
        if len(self.notes) < self._limits.notes:
            self.notes.append(Note(name, text))
        else:
            self.notes_dropped += 1

    def _note_once(self, name: bytes, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self._note(name, text)

    # Events

    def _ignore(self, _: Header) -> None:
        """Headers were understood by the splitter."""

    def _begin(self, event: Begin) -> None:
        member = event.member
        steps = take_apart(member.name, member.name)
        if not steps and member.type != "dir":
            raise refusal(member.name, f"the root of the tree cannot be a {member.type}")
        MAKE[member.type](self, member, steps)

    def _content(self, event: Content) -> None:
        if self._file is not None:
            with naming(self._file.member.name):
                self._file.write(event.data)

    def _end(self, _: End) -> None:
        if self._file is None:
            return
        member, fd = self._file.member, self._file.fd
        with creating(member.name):
            self._restore(member, fd)
            self._file = None  # closed below, whatever closing says
            os.close(fd)

    # Members

    def _parent(self, member: Member, steps: Steps) -> int:
        return self._tree.enter(steps[:-1], missing="create", whose=member.name)

    def _make_file(self, member: Member, steps: Steps) -> None:
        folder = self._parent(member, steps)
        with creating(member.name):
            self._file = File(member, steps[-1], folder)

    def _make_folder(self, member: Member, steps: Steps) -> None:
        if steps in self._folders:
            raise refusal(member.name, REASONS[errno.EEXIST])
        self._tree.enter(steps, missing="create", whose=member.name)
        self._folders[steps] = member
        if member.size:
            self._note(member.name, "the list of names in this directory (GNU incremental) is not written")

    def _make_symlink(self, member: Member, steps: Steps) -> None:
        if not member.linkname or b"\0" in member.linkname:
            raise refusal(member.name, f"a symlink to {shown(member.linkname)} cannot be")
        folder = self._parent(member, steps)
        with creating(member.name):
            os.symlink(member.linkname, steps[-1], dir_fd=folder)
            self._restore_at(member, steps[-1], folder)
        if leads_outside(steps[:-1], member.linkname):
            self._note(member.name, f"symlink leads outside: {shown(member.linkname)}")

    def _make_hardlink(self, member: Member, steps: Steps) -> None:
        target = take_apart(member.linkname, member.name)
        if not target:
            raise refusal(member.name, "a hard link to the root cannot be")
        source = os.dup(self._find(member, target[:-1]))
        try:
            folder = self._parent(member, steps)
            self._link(member, source, target[-1], folder, steps[-1])
        finally:
            os.close(source)

    def _find(self, member: Member, steps: Steps) -> int:
        try:
            return self._tree.enter(steps, missing="refuse", whose=member.name)
        except SourceError as error:
            raise refusal(member.name, _no_target(member)) from error

    def _link(self, member: Member, source: int, target: bytes, folder: int, name: bytes) -> None:
        with creating(member.name):
            try:
                if stat.S_ISDIR(os.lstat(target, dir_fd=source).st_mode):
                    raise refusal(member.name, f"its target {shown(member.linkname)} is a directory")
                os.link(target, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError as error:
                raise refusal(member.name, _no_target(member)) from error

    def _make_fifo(self, member: Member, steps: Steps) -> None:
        folder = self._parent(member, steps)
        with creating(member.name):
            os.mkfifo(steps[-1], 0o600, dir_fd=folder)
            self._restore_at(member, steps[-1], folder)

    def _make_device(self, member: Member, steps: Steps) -> None:
        if self._devices == "refuse":
            raise refusal(member.name, "a device node; only --devices create makes them")
        folder = self._parent(member, steps)
        with creating(member.name):
            number = os.makedev(member.devmajor, member.devminor)
            os.mknod(steps[-1], DEVICE_TYPES[member.type] | 0o600, number, dir_fd=folder)
            self._restore_at(member, steps[-1], folder)

    def _make_other(self, member: Member, _: Steps) -> None:
        if member.typeflag != b"V":
            raise refusal(member.name, f"its type {member.typeflag!r} is unknown")
        self._note(member.name, "the label of the archive is not written")

    # What members are, beside their content

    def _finish_folders(self) -> None:
        """Deepest first: a directory's time changes with its entries, and its mode may shut us out."""
        self._folders.setdefault((), self._place.default_root())
        for steps in sorted(self._folders, reverse=True):
            member = self._folders[steps]
            if not steps:
                with creating(member.name):
                    self._restore(member, self._tree.root)
                return
            folder = self._tree.enter(steps[:-1], missing="refuse", whose=member.name)
            with creating(member.name):
                fd = os.open(steps[-1], OPEN_FOLDER, dir_fd=folder)
                try:
                    self._restore(member, fd)
                finally:
                    os.close(fd)

    def _restore(self, member: Member, fd: int) -> None:
        """Owner, mode, time, in this order: chown drops set-id bits."""
        if self._may_own(member):
            os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, self._mode(member))
        if member.name:
            os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))
            self._check_time(member, os.fstat(fd))

    def _restore_at(self, member: Member, name: bytes, folder: int) -> None:
        """The same for what cannot be opened."""
        if self._may_own(member):
            os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
        if member.type != "symlink":
            # Python's chmod follows links; but we have just made what stands here, and the folder is ours.
            os.chmod(name, self._mode(member), dir_fd=folder)
        times = (member.mtime_ns, member.mtime_ns)
        os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)
        self._check_time(member, os.lstat(name, dir_fd=folder))

    def _check_time(self, member: Member, found: os.stat_result) -> None:
        """File systems round and clamp without a word."""
        if found.st_mtime_ns != member.mtime_ns:
            self._note_once(member.name, "this file system cannot hold the exact time, here and maybe below")

    def _may_own(self, member: Member) -> bool:
        if not member.name:
            return False
        if self._owners:
            if not (0 <= member.uid < 2**32 - 1 and 0 <= member.gid < 2**32 - 1):
                raise OverflowError(f"uid {member.uid}, gid {member.gid}")  # -1 would mean: leave it as it is
            return True
        self._note_once(member.name, "owners are not restored (only root can), here and below")
        return False

    def _mode(self, member: Member) -> int:
        if self._owners or member.type == "dir" or not member.mode & SET_ID:
            return member.mode
        self._note(member.name, f"set-id bits of mode {member.mode:o} dropped, as its owner is not restored")
        return member.mode & ~SET_ID


def _no_target(member: Member) -> str:
    return f"hard link to {shown(member.linkname)}, which the archive has not made before"


WRITE: dict[type, Callable[[DirectoryWriter, Any], None]] = {
    Header: DirectoryWriter._ignore,
    Begin: DirectoryWriter._begin,
    Content: DirectoryWriter._content,
    End: DirectoryWriter._end,
}
MAKE: dict[str, Callable[[DirectoryWriter, Member, Steps], None]] = {
    "file": DirectoryWriter._make_file,
    "dir": DirectoryWriter._make_folder,
    "symlink": DirectoryWriter._make_symlink,
    "hardlink": DirectoryWriter._make_hardlink,
    "fifo": DirectoryWriter._make_fifo,
    "chardev": DirectoryWriter._make_device,
    "blockdev": DirectoryWriter._make_device,
    "other": DirectoryWriter._make_other,
}


def extract(
    chunks: Iterable[bytes],
    dest: AnyPath,
    *,
    devices: Devices = "refuse",
    owners: Owners = "auto",
    limits: Limits = DEFAULT,
) -> list[Note]:
    """Write a whole tar stream as a directory; see DirectoryWriter."""
    splitter = TarSplitter(limits=limits)
    with DirectoryWriter(dest, devices=devices, owners=owners, limits=limits) as writer:
        for chunk in chunks:
            for event in splitter.feed(chunk):
                writer.write(event)
        for event in splitter.finish():
            writer.write(event)
    return writer.notes
