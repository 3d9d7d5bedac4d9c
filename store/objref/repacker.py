"""Repack: the same image stored in another way. Stream, objects, references and notes stay what they are.

Groups end where they ended, so each object still lies within one: its new address follows from where its group's piece
of the strand begins. All of it is read back from the file that was made, before that gets its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from objref.container import format as f
from objref.container.options import Options
from objref.container.output import Output
from objref.container.page_dictionary import choose_dictionary
from objref.container.reader import Container
from objref.container.writer import ContainerWriter, TableData
from objref.ending import canonical_json
from objref.errors import FormatError, IntegrityError, LostError, UnsupportedError, UsageError
from objref.image import Image, open_image
from objref.limits import DEFAULT, Limits
from objref_index.objects import LISTED, NOWHERE

__all__ = ["Repacked", "repack_image"]

Words = Any
"""npt.NDArray[np.uint64]"""
NAMES = {number: name for name, number in f.TABLE_IDS.items()}
MOVED = ("objects", "extents", "META")
"""Tables that are not carried over as they are: addresses change, and META says how it is stored."""
PROGRESS = 1 << 20


class Repacked(NamedTuple):
    """What a repack made. Lengths in bytes."""

    path: str
    stream_length: int
    stream_sha256: str
    file_length: int
    length_before: int
    objects: int


def repack_image(
    image: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    options: Options | None = None,
    replace: bool = False,
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Repacked:
    """Store an image in another way, "smallest" by default: `Options.preset` names the ways.

    image     an image file
    dest      the file to make, which appears only when it was read back and is right; with `replace` it may be `image`
    progress  called with the bytes done of twice the stream: once for writing, once for reading back

    Memory: the tables of the index, and what an import takes. Errors: UsageError, SourceError, FormatError and its
    kin (the image is damaged), UnsupportedError (a later version put something in it that would be lost).
    """
    options = options or Options.preset("smallest")
    with open_image(image, access="pread", limits=limits) as old, Output(dest, replace=replace) as output:
        container = _container(old)
        _only_what_is_known(container)
        dictionary = choose_dictionary(container, options)
        learnt = options.dictionary_log2 if dictionary else 0
        options = options._replace(seen_pages=limits.seen_pages, dictionary_log2=learnt)
        writer, told = ContainerWriter(output, options, dictionary), _Told(progress)
        try:
            footer = _Repack(container, old.meta, writer, told).run()
        finally:
            writer.close()
        source = output.source()
        try:
            _verify(container, Container(source, limits), told)
        finally:
            source.close()
        output.commit()
        return Repacked(
            os.fspath(dest), footer.stream_length, footer.stream_digest.hex(), footer.file_length,
            container.footer.file_length, footer.objects,
        )  # fmt: skip


class _Told:
    """Bytes done, told about once a MiB. Mutable."""

    def __init__(self, tell: Callable[[int], None] | None) -> None:
        self._tell = tell
        self._done = self._last = 0

    def add(self, length: int) -> None:
        self._done += length
        if self._tell is not None and self._done - self._last >= PROGRESS:
            self._last = self._done
            self._tell(self._done)


def _container(image: Image) -> Container:
    """What an image is kept in. UsageError for a stream with an index beside it, which stays as it is."""
    found = image.container
    if type(found) is Container:
        return found
    name = found.source.name
    raise UsageError(f"{name}: a stream that stays as it is, with an index beside it; put it into one file with "
                     f"`objref import {name} -o IMAGE --preset small`, which can be repacked")  # fmt: skip


def _only_what_is_known(container: Container) -> None:
    """What a later version added cannot be carried over by one that does not know what it says of the rest."""
    if container.lost_bytes():
        raise LostError(f"{container.source.name}: has lost bytes, and stays as it was recovered")
    strange = [f"array {what}" for what in container.foreign_arrays()]
    strange += [f"section {s.name}" for s in container.sections.values() if s.role >= len(f.ROLE_NAMES)]
    strange += [f"table {t.what}" for t in container.tables() if t.what not in NAMES]
    if strange:
        raise UnsupportedError(f"{container.source.name}: {strange[0]} is unknown to this version, and would be lost")


class _Repack:
    """One image on its way into a writer. Mutable."""

    def __init__(self, container: Container, meta: dict[str, Any], writer: ContainerWriter, told: _Told) -> None:
        self._container, self._old, self._writer, self._told = container, meta, writer, told
        self._sections: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        """Where a group's part of a strand began, and where it begins now, both as section << 48 | address."""

    def run(self) -> f.Footer:
        """Write all of it."""
        self._make_sections()
        self._copy_stream()
        container = self._container
        footer = container.footer
        if (self._writer.stream_digest(), self._writer.stream_length) != (footer.stream_digest, footer.stream_length):
            raise IntegrityError(f"{container.source.name}: the stream is not what its footer says: it is damaged")
        return self._writer.finish(
            list(self._tables()), container.spaces, container.kinds, container.roles, footer.objects, footer.references
        )

    def _make_sections(self) -> None:
        strands = [s for s in self._container.sections.values() if s.role in (f.STRAND, f.PAGE_TABLE)]
        if len({(s.role, s.name) for s in strands}) < len(strands):
            raise FormatError("two sections have the same name: they cannot be told apart")
        for s in strands:
            new = self._writer
            made = new.page_section if s.role == f.PAGE_TABLE else new.section(s.name, bulk=bool(s.flags & f.BULK))
            self._sections[s.id] = made
            self._starts[s.id << 48] = made << 48

    def _copy_stream(self) -> None:
        """Chunk by chunk, group by group."""
        ends = [group.stream_to for group in self._container.groups][:-1]
        firsts = self._firsts()
        group = done = 0
        begun: set[int] = set()
        for strand, chunk in self._container.runs():
            where = self._append(strand, chunk)
            if strand not in begun:
                begun.add(strand)
                self._starts[firsts.get((strand, group), strand << 48)] = where
            done += len(chunk)
            self._told.add(len(chunk))
            while group < len(ends) and done >= ends[group]:
                if done > ends[group]:
                    raise FormatError(f"braid: group {group} ends inside a run (R10)")
                self._writer.end_group()
                group, begun = group + 1, set()

    def _append(self, strand: int, chunk: bytes | memoryview) -> int:
        number = self._sections[strand]
        if self._container.sections[strand].role == f.PAGE_TABLE:
            return number << 48 | self._writer.append_pages(memoryview(chunk))
        return number << 48 | self._writer.append(number, chunk)

    def _firsts(self) -> dict[tuple[int, int], int]:
        """Where each strand begins in each group."""
        found: dict[tuple[int, int], int] = {}
        for number in self._sections:
            for piece in self._container.pieces(number):
                address = piece.address * _scale(self._container.sections[number])
                found.setdefault((number, piece.group), number << 48 | address)
        return found

    # -- tables --------------------------------------------------------------------------------------------

    def _tables(self) -> Iterator[TableData]:
        for entry in self._container.tables():
            name = NAMES[entry.what]
            if name not in MOVED:
                yield TableData(name, entry.owner, self._container.table(name, entry.owner))
        for name, words, at in _addresses(self._container):
            words[at] = self._moved(words[at])
            if len(words):
                yield TableData(name, 0, words.tobytes())
        yield TableData("META", 0, canonical_json(self._meta()))

    def _moved(self, where: Words) -> Words:
        """New section and address of each."""
        import numpy as np

        known = np.array(sorted(self._starts), np.uint64)
        target = np.array([self._starts[int(start)] for start in known], np.uint64)
        i = np.searchsorted(known, where, "right") - 1
        if not np.array_equal(known[i] >> np.uint64(48), where >> np.uint64(48)):
            raise FormatError("table objects names a section that does not exist (R17)")
        moved: Words = target[i] + (where - known[i])
        return moved

    def _meta(self) -> dict[str, Any]:
        from objref._version import library_versions, version

        old = self._old
        before = {name: old[name] for name in ("producer", "libraries", "options") if name in old}
        return (
            old
            | self._writer.about()
            | {
                "producer": f"objref {version()}",
                "libraries": library_versions(),
                "packed_from": before | {"file_length": self._container.footer.file_length},
            }
        )


def _scale(section: f.Section) -> int:
    """Addresses of the page table count bytes of pages, its pieces those of its own entries."""
    return f.PAGE // 4 if section.role == f.PAGE_TABLE else 1


def _addresses(container: Container) -> Iterator[tuple[str, Words, Words]]:
    """Of objects and extents: the table as little-endian words, and the places of those that name an address."""
    import numpy as np

    for name, width, word in (("objects", 2, 0), ("extents", 3, 1)):
        words = np.frombuffer(container.table(name), "<u8").copy()
        at = np.arange(word, len(words), width)
        section = words[at] >> np.uint64(48)
        # The heads of extent lists have the number of their rows there, which reads as section 0.
        yield name, words, at[(section != NOWHERE) & (section != LISTED)]


# -- verified ---------------------------------------------------------------------------------------------------


def _verify(old: Container, new: Container, told: _Told) -> None:
    """Read back what was written, and compare what must not have changed."""
    for chunk in new.stream():
        told.add(len(chunk))
    a, b = old.footer, new.footer
    same: dict[str, bool] = {
        "the stream": (a.stream_digest, a.stream_length) == (b.stream_digest, b.stream_length),
        "the counts": (a.objects, a.references) == (b.objects, b.references),
        "the directory": (old.spaces, old.kinds, old.roles) == (new.spaces, new.kinds, new.roles),
        "the list of tables": {(t.what, t.owner) for t in old.tables()} == {(t.what, t.owner) for t in new.tables()},
        "the objects": _same_places(old, new),
    }
    for entry in old.tables():
        name = NAMES[entry.what]
        if name not in MOVED:
            same[f"table {name} of {entry.owner}"] = old.table(name, entry.owner) == new.table(name, entry.owner)
    wrong = [what for what, right in same.items() if not right]
    if wrong:
        raise IntegrityError(f"repack: {wrong[0]} differs in what was written; nothing was kept")


def _same_places(old: Container, new: Container) -> bool:
    """Whether objects and extents name the same bytes of the same strands, whatever their addresses."""
    import numpy as np

    for (_, a, places), (_, b, others) in zip(_addresses(old), _addresses(new), strict=True):
        if not np.array_equal(places, others):
            return False
        if not np.array_equal(np.delete(a, places), np.delete(b, others)):
            return False
        if not np.array_equal(_offsets(old, a[places]), _offsets(new, b[others])):
            return False
    return True


def _offsets(container: Container, where: Words) -> Words:
    """Strand and offset in its bytes of each address, by what the directory says of sections and pieces."""
    import numpy as np

    order = sorted(container.sections.values(), key=lambda s: (s.role, s.name))
    rows: list[tuple[int, int, int]] = []
    for rank, s in enumerate(s for s in order if s.role in (f.STRAND, f.PAGE_TABLE)):
        rows.append((s.id << 48, rank, 0))
        done = 0
        for p in container.pieces(s.id):
            rows.append((s.id << 48 | p.address * _scale(s), rank, done))
            done += p.length * _scale(s)
    starts, ranks, before = np.array(sorted(rows), np.uint64).reshape(-1, 3).T
    i = np.searchsorted(starts, where, "right") - 1
    return np.stack([ranks[i], before[i] + (where - starts[i])])
