"""The CRIU dialect: a tar stream of image directories becomes objects and references (docs/criu.md).

Every byte of the tar is kept: headers and pads in the section `tar`, the content of image files in the section of their
kind, memory pages in the page sections. A folder that holds image files is a layer.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from objref.archive import tar
from objref.dialects.criu.files import open_file
from objref.dialects.criu.finish import Folder, Storage, finish_folders
from objref.dialects.criu.kinds import KIND, KINDS, ROLES, parse_name
from objref.dialects.criu.member import File, Member, Numbering, PagesFile
from objref.dialects.criu.pagemap import PagemapFile
from objref.dialects.criu.state import LayerState
from objref.dialects.events import CUT, NOTHING, Event, Note, Run, Whole
from objref.errors import TruncatedError
from objref.limits import DEFAULT, Limits

__all__ = ["CriuSplitter"]

SERVICE_NAMES = ("stats-dump", "stats-restore", "irmap-cache.img")
"""Files that CRIU may write to another folder: alone they make no layer."""
FOLDERS_MAX = 4096
FOLDER_NAMES_MAX = 1 << 17
"""Image folders and the bytes of their names. Each costs some KiB of memory, and their names stand in META (1 MiB)."""


class CriuSplitter:
    """Splits the (uncompressed) tar stream of a CRIU image. Mutable; see `events.Splitter`."""

    kinds = KINDS
    roles = ROLES

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._tar = tar.TarSplitter(limits=limits)
        self._numbering = Numbering()
        self._folders: dict[str, Folder] = {}
        self._folder_names = 0
        self._folders_full = False
        self._file: File | None = None
        self._member: tar.Member | None = None
        self._arrived = 0  # bytes of the member's content

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """The next bytes of the tar."""
        for event in self._tar.feed(bytes(data)):
            yield from self._take(event)

    def finish(self) -> Iterator[Event]:
        """The tar has ended."""
        try:
            for event in self._tar.finish():
                yield from self._take(event)
        except TruncatedError as error:
            yield from self._cut(str(error))
        if self._tar.stray_at is not None:
            yield Note(
                "trailing", "", f"data after the end of the archive at {self._tar.stray_at}: kept, not looked into"
            )
        if not any(folder.has_images for folder in self._folders.values()):
            yield Note(NOTHING, "", "no CRIU image files (inventory.img, pstree.img, core-1.img and so on) in it")
        yield from finish_folders(list(self._folders.values()), self._numbering)

    def _take(self, event: tar.Event) -> Iterator[Event]:
        if isinstance(event, tar.Header):
            yield Run("tar", event.data)
        elif isinstance(event, tar.Content):
            if self._file is not None:
                self._arrived += len(event.data)
                yield from self._file.feed(memoryview(event.data))
        elif isinstance(event, tar.Begin):
            yield from self._begin(event.member)
        else:
            yield from self._end()

    def _begin(self, member: tar.Member) -> Iterator[Note]:
        self._member = member
        path = member.path.decode("utf-8", "surrogateescape")
        folder_name, base = posixpath.split(path)
        name, folder = parse_name(base), None
        if name is not None and member.type != "file":
            if member.type in ("hardlink", "symlink"):
                target = member.linkname.decode("utf-8", "surrogateescape")
                yield Note("link", path, f"is a {member.type} to {target!r}: it has no objects of its own")
            name = None
        if name is not None or base == "parent":
            folder = self._folder(folder_name)
            if folder is None and not self._folders_full:
                self._folders_full = True
                yield Note("folders", folder_name, "more folders with images than can be layers: kept, not looked into")
        if folder is None:
            name = None
        elif name is not None:
            folder.has_images |= base not in SERVICE_NAMES
            folder.state.present.setdefault(name.spec.kind, set()).add(name.number)
            folder.state.has_files_img |= base == "files.img"
        elif member.type == "symlink":
            folder.parent = member.linkname.decode("utf-8", "surrogateescape")
        layer, state = (folder.number, folder.state) if folder is not None else (0, LayerState())
        about = Member(path, layer, self._numbering.new_token(), member.size, member.sparse, member.real_size)
        self._file, self._arrived = open_file(name, about, self._numbering, state, self._limits), 0

    def _folder(self, name: str) -> Folder | None:
        """The folder of that name; None when there are too many. Number 0 is for what belongs to no folder."""
        found = self._folders.get(name)
        if found is None:
            size = len(name.encode("utf-8", "surrogateescape"))
            if len(self._folders) == FOLDERS_MAX or self._folder_names + size > FOLDER_NAMES_MAX:
                return None
            self._folder_names += size
            found = self._folders[name] = Folder(name, len(self._folders) + 1, LayerState())
        return found

    def _end(self) -> Iterator[Event]:
        file, member = self._file, self._member
        if file is None or member is None:
            return
        yield from file.end()
        self._remember(file)
        about = file.member
        self._numbering.take(1)
        yield Whole(KIND["member"], 0, member.path, about.token, True, about.runs, about.real_size)
        self._file = self._member = None

    def _cut(self, text: str) -> Iterator[Event]:
        """The stream ends too early, perhaps inside a member: that is no object, what came whole of it is."""
        file = self._file
        yield Note(CUT, file.member.path if file is not None else "", text)
        if file is not None:
            yield from file.cut()
            file.member = file.member.until(self._arrived)
            self._remember(file)

    def _remember(self, file: File) -> None:
        """What the end of the stream needs to know of a file."""
        if isinstance(file, PagesFile | PagemapFile):
            folder = self._folders[posixpath.dirname(file.member.path)]
            base = posixpath.basename(file.member.path)
            if isinstance(file, PagemapFile):
                if file.pagemap is not None:
                    folder.pagemaps[base] = file.pagemap
            else:
                member = file.member
                folder.pages[base] = Storage(member.token, member.size, member.runs, member.real_size)
