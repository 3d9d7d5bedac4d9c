"""Import: source → splitter → container, in one pass.

The collector below is the only place where events of a dialect meet the writer: it appends the runs, turns tokens into
extents, and keeps the columns of the index.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, get_args

from objref.archive.paths import AnyPath
from objref.archive.sources import Source, open_source
from objref.container.output import Output
from objref.container.writer import ContainerWriter, Options
from objref.dialects import events as ev
from objref.dialects.dialect import Dialect
from objref.dialects.registry import expected, find, is_known
from objref.ending import build_index, claims_of, write_end, written_by
from objref.errors import FormatError, IntegrityError, LimitError, TruncatedError, UsageError
from objref.limits import DEFAULT, Limits
from objref.native import MAGIC
from objref_index.build import Alias, Columns
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE, SPARSE

__all__ = [
    "CUTS", "Options", "Partial", "Report", "check_partial", "collect", "import_image", "partial_of", "shortened",
]  # fmt: skip

NOTE_TEXT = 1024
"""Characters of a note's name and of its text: names in a tar may have a megabyte, and readers take 64 MiB of notes."""
CUTS = 100
"""Places where a stream is cut that META tells of: it has one, or two when it was compressed."""

Partial = Literal["refuse", "keep"]


class Report(NamedTuple):
    """What an import made. Lengths in bytes."""

    path: str
    stream_length: int
    stream_sha256: str
    file_length: int
    objects: int
    references: int
    dangling: int
    notes: list[ev.Note]
    notes_left_out: int
    cuts: list[ev.Note]
    """Where the source ends too early and what is missing; empty when it is whole."""
    seal: str = ""
    """Of a native stream, what stands for all of it (docs/native.md, section 8); else, and when it is cut, empty."""
    native: bool = False
    """Whether it was a native stream."""


def import_image(
    source: str | os.PathLike[str] | BinaryIO,
    image: str | os.PathLike[str],
    *,
    options: Options | None = None,
    parent_root: str | os.PathLike[str] | None = None,
    partial: Partial = "refuse",
    replace: bool = False,
    seal: str | None = None,
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Read a checkpoint once, and write it to one file: a CRIU image directory, or a tar of it, a stream of another
    dialect, or the native stream of an image (plain, gzip, zstd, xz, bzip2).

    source       a directory, a file, or a binary file object such as a pipe
    image        the file to make; it appears only when it is whole
    options      how to store it
    parent_root  how far `parent` links of a directory may lead; default: the folder that holds the directory
    partial      what becomes of a source that is cut: "refuse" it, or "keep" what arrived whole, as an image that
                 says what is missing
    replace      whether an existing file may be replaced
    seal         take only the native stream with this seal, 64 hexadecimal digits
    progress     called with the number of stream bytes done, about once a MiB

    Errors: UsageError (a destination in use, a source that is no image), SourceError (the system refused),
    TruncatedError (a source that is cut), FormatError (a damaged archive). After an error nothing is left under the
    final name.
    """
    check_partial(partial)
    options = options or Options()
    noticed: list[ev.Note] = []

    def on_skip(name: bytes, reason: str) -> None:
        noticed.append(ev.Note("skipped", os.fsdecode(name), reason))

    def on_cut(text: str) -> None:
        noticed.append(ev.Note(ev.CUT, "", text))

    with (
        Output(image, replace=replace) as output,
        open_source(
            source,
            root=parent_root,
            on_skip=on_skip,
            on_cut=on_cut,
            known=_is_known,
            expected=expected("native"),
            limits=limits,
        ) as stream,
    ):
        _check_outside(output.path, stream.folders)
        writer = ContainerWriter(output, options._replace(seen_pages=limits.seen_pages))
        report = collect(writer, stream, noticed, limits, progress, partial)
        if stream.kind == "directory":
            _check_found(stream.name, report)
        if seal is not None:
            _check_seal(stream.name, report, seal)
        output.commit()
    return report._replace(path=os.fspath(image))


def check_partial(partial: str) -> None:
    """UsageError for what is no decision about a source that is cut."""
    if partial not in get_args(Partial):
        raise UsageError(f'partial must be "refuse" or "keep", not {partial!r}')


def _is_known(head: bytes) -> bool:
    return head.startswith(MAGIC) or is_known(head)


def _check_found(name: str, report: Report) -> None:
    """FormatError for a directory with nothing in it that is looked for: it is not the one that was meant."""
    for note in report.notes:
        if note.what == ev.NOTHING:
            raise FormatError(f"{name}: {note.text}; expected the directory that holds them")


def _check_seal(name: str, report: Report, wanted: str) -> None:
    if not report.native:
        raise IntegrityError(f"{name}: not a native stream, so it has no seal; expected the one with {wanted}")
    if report.seal != wanted.lower():
        raise IntegrityError(f"{name}: its seal is {report.seal or 'missing (it is cut)'}, expected {wanted}")


def _check_outside(image: str, folders: Sequence[AnyPath]) -> None:
    """UsageError for an image that would be made inside what it is made of, and so be read while it grows."""
    read = {_identity(folder): folder for folder in folders}
    above, folder = "", os.path.realpath(os.path.dirname(image))
    while folder != above:
        inside = read.get(_identity(folder))
        if inside is not None:
            raise UsageError(f"{image}: lies inside {os.fsdecode(inside)}, which it is made of; choose another place")
        above, folder = folder, os.path.dirname(folder)


def _identity(folder: AnyPath) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _refused(name: str, cuts: list[ev.Note]) -> TruncatedError:
    texts = "; ".join(f"{cut.where}: {cut.text}" if cut.where else cut.text for cut in cuts)
    return TruncatedError(f"{name}: {texts}; --keep-partial imports what is there")


def collect(
    writer: ContainerWriter,
    stream: Source,
    noticed: list[ev.Note],
    limits: Limits,
    progress: Callable[[int], None] | None = None,
    partial: Partial = "refuse",
) -> Report:
    """Read a source to its end and write what its dialect makes of it. The output still has to be committed."""
    try:
        chunks = iter(stream)
        head = next(chunks, b"")
        collector = _collector_of(head, writer, limits)
        for chunk in chain([head], chunks):
            collector.feed(chunk)
            if progress is not None:
                progress(writer.stream_length)
        collector.end(noticed)
        if collector.cuts and partial == "refuse":
            raise _refused(stream.name, collector.cuts)
        return collector.finish(_about_source(stream))
    finally:
        writer.close()


class Collecting(Protocol):
    """Takes the bytes of a source and fills a writer with them. Mutable."""

    cuts: list[ev.Note]

    def feed(self, data: bytes) -> None:
        """The next bytes of the source."""

    def end(self, noticed: list[ev.Note]) -> None:
        """The source has ended; what was noticed while it was read."""

    def finish(self, source: dict[str, Any]) -> Report:
        """Build the index and write it."""


def _collector_of(head: bytes, writer: ContainerWriter, limits: Limits) -> Collecting:
    """What a source that starts like this is collected by."""
    if head.startswith(MAGIC):
        from objref.native.collecting import NativeCollector

        return NativeCollector(writer, limits)
    return _Splitting(writer, find(head), limits)


def _about_source(stream: Any) -> dict[str, Any]:
    return {"kind": stream.kind, "compression": stream.compression}


class _Extents:
    """Where the bytes of a token went, in order. Mutable."""

    __slots__ = ("ends", "length", "lengths", "where")

    def __init__(self) -> None:
        self.where = array("Q")
        self.lengths = array("Q")
        self.ends = array("Q")
        self.length = 0

    def add(self, where: int, length: int, merge: bool = True) -> None:
        """`where` is section << 48 | address."""
        self.length += length
        if merge and self.where and self.where[-1] + self.lengths[-1] == where:
            self.lengths[-1] += length
            self.ends[-1] += length
            return
        self.where.append(where)
        self.lengths.append(length)
        self.ends.append(self.length)

    def span(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(where, length) of the extents that hold these bytes."""
        i = bisect_right(self.ends, offset)
        while length:
            inside = offset - (self.ends[i] - self.lengths[i])
            part = min(length, self.lengths[i] - inside)
            yield self.where[i] + inside, part
            offset += part
            length -= part
            i += 1


class _Collector:
    """Takes events, fills the writer and the index. Mutable."""

    def __init__(self, writer: ContainerWriter, dialect: Dialect, limits: Limits) -> None:
        self._writer = writer
        self._dialect = dialect
        self._limits = limits
        self._columns = Columns()
        self._columns.names[0] = []
        self._tokens: dict[int, _Extents] = {}
        self._paged: set[int] = set()
        self._last = 0
        self._notes: list[ev.Note] = []
        self._notes_left_out = 0
        self.cuts: list[ev.Note] = []
        """Where the stream is cut."""
        self._layers: list[str] = []
        self._late: list[ev.Retarget | ev.Forget] = []
        self._numbers: list[int] | None = None
        self._on: dict[type, Callable[[Any], None]] = {
            ev.Run: self._run,
            ev.Pages: self._pages,
            ev.Woven: self._woven,
            ev.Objects: self._objects,
            ev.Whole: self._whole,
            ev.Derived: self._derived,
            ev.Edges: self._edges,
            ev.Alias: self._alias,
            ev.Retarget: self._late.append,
            ev.Forget: self._late.append,
            ev.Layers: self._set_layers,
            ev.Note: self._note,
        }

    def take(self, events: Iterator[ev.Event] | Sequence[ev.Event]) -> None:
        """All of these events."""
        on = self._on
        for event in events:
            on[type(event)](event)

    # -- bytes ---------------------------------------------------------------------------------------------

    def _run(self, run: ev.Run) -> None:
        section = self._writer.section(run.section, bulk=run.bulk)
        where = section << 48 | self._writer.append(section, run.data)
        self._last = where
        for token, start, length, new in run.parts:
            self._extents(token).add(where + start, length, merge=not new)

    def _pages(self, pages: ev.Pages) -> None:
        self._paged.update(pages.tokens)
        if not len(pages.data):  # only to say that these tokens are of pages
            return
        where = self._writer.page_section << 48 | self._writer.append_pages(pages.data)
        for token in pages.tokens:
            self._extents(token).add(where, len(pages.data))

    def _woven(self, woven: ev.Woven) -> None:
        self._paged.update((woven.token, *woven.tokens))
        section, turns = self._writer.section(woven.section), iter(woven.turns)
        whole, others = self._extents(woven.token), [self._extents(token) for token in woven.tokens]
        marks = section << 48, self._writer.page_section << 48
        for at, page, n in self._writer.append_woven(section, woven.data, woven.turns):
            first = page = marks[1] | page
            at |= marks[0]
            for length, pages in islice(zip(turns, turns, strict=True), n):
                whole.add(at, length)
                whole.add(page, pages)
                at += length
                page += pages
            for extents in others:
                extents.add(first, page - first)

    def _extents(self, token: int) -> _Extents:
        found = self._tokens.get(token)
        if found is None:
            found = self._tokens[token] = _Extents()
        return found

    # -- objects -------------------------------------------------------------------------------------------

    def _objects(self, objects: ev.Objects) -> None:
        import numpy as np

        where = np.array(objects.starts, np.uint64) + np.uint64(self._last)
        what = np.array(objects.lengths, np.uint64) | np.uint64(objects.kind << 48)
        self._columns.add(objects.layer, objects.keys, where, what)

    def _add(self, kind: int, layer: int, key: int, where: int, length: int) -> None:
        if length > ADDRESS_MASK:  # a sparse member may claim any size, and so may what is mapped from it
            name = self._dialect.kinds[kind].name
            raise LimitError(f"a {name} of {length} bytes (most of it holes), limit {ADDRESS_MASK}")
        self._columns.add(layer, [key], [where], [kind << 48 | length])

    def _whole(self, whole: ev.Whole) -> None:
        extents = self._tokens.get(whole.token) or _Extents()
        key = whole.key
        if isinstance(key, bytes):
            names = self._columns.names[whole.kind]
            names.append(key)
            key = len(names) - 1
        where, length = self._place(extents, whole)
        self._add(whole.kind, whole.layer, key, where, length)
        if (whole.kind == 0 or not whole.merge) and whole.token not in self._paged:
            self._tokens.pop(whole.token, None)

    def _place(self, extents: _Extents, whole: ev.Whole) -> tuple[int, int]:
        if whole.runs is not None:
            return self._listed(False, _with_holes(extents, whole.runs, whole.size)), whole.size
        if not extents.length:
            return NOWHERE, 0
        if len(extents.where) == 1:
            return extents.where[0], extents.length
        rows = ((end - length, where, length) for end, where, length in
                zip(extents.ends, extents.where, extents.lengths, strict=True))  # fmt: skip
        return self._listed(False, rows), extents.length

    def _listed(self, sparse: bool, rows: Iterator[tuple[int, int, int]]) -> int:
        """Put an extent list into the extents table; returns the first word of the object's row."""
        words = array("Q", [SPARSE if sparse else 0, 0, 0])
        for at, where, length in rows:
            words.extend((at, where, length))
        words[1] = len(words) // 3 - 1
        words[2] = sum(words[5::3])
        index = self._columns.extents.count // 3
        self._columns.extents.extend(words)
        return LISTED << 48 | index

    def _derived(self, made: ev.Derived) -> None:
        if not made.at:
            where, length = (self._listed(True, iter(())) if made.sparse else NOWHERE), 0
        else:
            where, length = self._listed(made.sparse, self._spans(made)), sum(made.lengths)
        self._add(made.kind, made.layer, made.key, where, length)

    def _spans(self, made: ev.Derived) -> Iterator[tuple[int, int, int]]:
        for at, token, offset, length in zip(made.at, made.tokens, made.offsets, made.lengths, strict=True):
            if not token:
                yield at, NOWHERE, length
                continue
            for where, part in self._tokens[token].span(offset, length):
                yield at, where, part
                at += part

    # -- the rest ------------------------------------------------------------------------------------------

    def _edges(self, edges: ev.Edges) -> None:
        self._columns.refer(edges.sources, edges.roles, edges.layer, edges.kinds, edges.keys)

    def _alias(self, alias: ev.Alias) -> None:
        import numpy as np

        keys, ordinals = np.array(alias.keys, np.uint64), np.array(alias.ordinals, np.uint32)
        self._columns.aliases.append(Alias(alias.kind, alias.layer, keys, ordinals))

    def _set_layers(self, layers: ev.Layers) -> None:
        self._numbers, self._layers = layers.numbers, layers.paths

    def _note(self, note: ev.Note) -> None:
        note = shortened(note)
        if note.what == ev.CUT and len(self.cuts) < CUTS:
            self.cuts.append(note)
        if len(self._notes) < self._limits.notes:
            self._notes.append(note)
        else:
            self._notes_left_out += 1

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self, source: dict[str, Any]) -> Report:
        """Build the index and write it."""
        for late in self._late:
            if isinstance(late, ev.Retarget):
                self._columns.retarget(*late)
            else:
                self._columns.forget(*late)
        if self._numbers:
            self._columns.relayer(self._numbers)
        kinds = self._dialect.kinds
        index = build_index(self._writer, self._columns, kinds)
        for note in claims_of(index, kinds):
            self._note(note)
        footer = write_end(self._writer, index, kinds, self._dialect.roles, self._meta(source), self._notes)
        return Report(
            "", footer.stream_length, footer.stream_digest.hex(), footer.file_length, index.objects, index.references,
            index.dangling, self._notes, self._notes_left_out, self.cuts,
        )  # fmt: skip

    def _meta(self, source: dict[str, Any]) -> dict[str, Any]:
        return {
            "dialect": self._dialect.name,
            "source": source,
            "layers": self._layers,
            "notes_left_out": self._notes_left_out,
            "partial": partial_of(self.cuts),
            **written_by(self._writer),
        }


class _Splitting(_Collector):
    """A dialect's splitter before the collector. Mutable."""

    def __init__(self, writer: ContainerWriter, dialect: Dialect, limits: Limits) -> None:
        super().__init__(writer, dialect, limits)
        self._splitter = dialect.splitter(limits)

    def feed(self, data: bytes) -> None:
        """The next bytes of the source."""
        self.take(self._splitter.feed(data))
        self._writer.end_batch()

    def end(self, noticed: list[ev.Note]) -> None:
        """The source has ended."""
        self.take(self._splitter.finish())
        self.take(noticed)


def partial_of(cuts: list[ev.Note]) -> list[dict[str, str]]:
    """What META says of where a source is cut."""
    return [{"where": cut.where, "text": cut.text} for cut in cuts]


def _with_holes(extents: _Extents, runs: tuple[tuple[int, int], ...], size: int) -> Iterator[tuple[int, int, int]]:
    """Rows of a file with holes: data from the extents, zero bytes between."""
    stored = at = 0
    for offset, length in (*runs, (size, 0)):
        if offset > at:
            yield at, NOWHERE << 48, offset - at
        at = offset
        for where, part in extents.span(stored, length):
            yield at, where, part
            at += part
        stored += length


def shortened(note: ev.Note) -> ev.Note:
    """The note, no longer than notes are kept."""
    where, text = (t if len(t) <= NOTE_TEXT else t[: NOTE_TEXT - 1] + "…" for t in (note.where, note.text))
    return ev.Note(note.what, where, text)
