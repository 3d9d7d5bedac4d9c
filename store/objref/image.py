"""Reading an image: objects by id, their bytes and references.

Nothing is read before it is asked for. An open image may be read from many threads.
"""

from __future__ import annotations

import os

from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import BytesSource, CountedSource, FileSource, Source, open_path
from objref.errors import FormatError, NotFoundError, UsageError
from objref.limits import DEFAULT, Limits
from objref.names import format_objref, offered, parse_key, parse_objref
from objref.object import Object, Reference
from objref.space import Space, open_space
from objref_index import FORM_BYTES, Objects, References

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Any, BinaryIO

    from objref.archive.extract import Devices
    from objref.backing import Backing
    from objref.dialects.dialect import Dialect
    from objref.dialects.plan import Plan, Scope
    from objref.extracting import Extracted
    from objref.findings import Finding
    from objref.graph import Closure, Root, Roots
    from objref.restore import Made, Maker, Restored

__all__ = ["Image", "open_image", "open_source"]

LAYER_DIGITS = 5


def open_image(
    image: str | os.PathLike[str] | bytes | BinaryIO | CountedSource, *, access: str = "auto", limits: Limits = DEFAULT
) -> Image:
    """Open an image: a path, its bytes, a seekable binary file object, or a source that counts what is read of it. A
    path may also name a stream that `index_file` made an index beside (which then is counted, too).

    access  "map" for long-lived readers of files that nobody shortens, "pread" for one question or a file of others;
            "auto" maps what belongs to you and only you can write

    Errors: SourceError, UsageError (not a regular file), FormatError and its kin (not an image, torn, damaged,
    too new).

    >>> import objref
    >>> with objref.open("tree.objref") as image:
    ...     image["task:100"].kind
    'task'
    """
    source = open_source(image, access)
    try:
        return Image(_behind(image, source, limits))
    except BaseException:
        source.close()
        raise


def open_source(image: str | os.PathLike[str] | bytes | BinaryIO | CountedSource, access: str) -> Source:
    """What to read an image from; see `open_image`."""
    if isinstance(image, CountedSource):
        return image
    if isinstance(image, bytes | bytearray | memoryview):
        return BytesSource(image)
    if isinstance(image, str | os.PathLike):
        return open_path(image, access)
    if hasattr(image, "seek") and hasattr(image, "read"):
        return FileSource(image)
    raise UsageError(f"an image is a path, bytes or a binary file object, not {image!r}")


def _behind(image: object, source: Source, limits: Limits) -> Backing:
    """A container, or a file with an index beside it: told by how it begins."""
    start = f.SUPERBLOCK_MAGIC
    if isinstance(image, CountedSource):
        image = image.name
    if not isinstance(image, str | os.PathLike) or bytes(source.read(0, min(len(start), source.length))) == start:
        return Container(source, limits)
    from objref.sidecar.opening import open_beside

    return open_beside(image, source, limits)


class Image:
    """An open image. A context manager; close it when done.

    `image["file"]` is the read-only mapping of one space, `image["file:31"]` one object.
    """

    def __init__(self, container: Backing) -> None:
        self.container = container
        self._spaces: dict[tuple[int, str], f.SpaceEntry] | None = None
        self._opened: dict[tuple[int, str], Space] = {}
        self._kinds: dict[int, f.KindEntry] | None = None
        self._roles: dict[int, f.RoleEntry] | None = None
        self._objects: Objects | None = None
        self._references: References | None = None
        self._meta: dict[str, Any] | None = None
        self._dialect: Dialect | None = None
        self.decoded = 0
        """Bytes of memory that spaces have taken for what they decoded (see `ready.py`)."""

    # -- what there is -------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of objects."""
        return self.container.footer.objects

    @property
    def stream_length(self) -> int:
        """Bytes of the original stream."""
        return self.container.footer.stream_length

    @property
    def stream_sha256(self) -> str:
        """SHA-256 of the original stream, in hexadecimal."""
        return self.container.footer.stream_digest.hex()

    @property
    def reference_count(self) -> int:
        """Number of references between objects."""
        return self.container.footer.references

    @property
    def dangling_count(self) -> int:
        """How many references name an object that is not in the image."""
        return self.reference_table.dangling_count

    @property
    def meta(self) -> dict[str, Any]:
        """What made this file, from what, with which options: what the file says of itself."""
        if self._meta is None:
            self._meta = self.container.meta()
        return self._meta

    @property
    def dialect(self) -> Dialect:
        """The dialect of the source: what its kinds are, how its objects read."""
        if self._dialect is None:
            from objref.dialects.registry import dialect

            self._dialect = dialect(str(self.meta.get("dialect", "?")))
        return self._dialect

    @property
    def source(self) -> dict[str, Any]:
        """What META says of the source: `kind`, `compression`."""
        found = self.meta.get("source")
        return found if isinstance(found, dict) else {}

    @property
    def layers(self) -> list[str]:
        """Folder of each layer in the source, newest first."""
        found = self.meta.get("layers", [])
        return [str(path) for path in found] if isinstance(found, list) else []

    @property
    def partial(self) -> list[str]:
        """Where the source was cut and what is missing; empty when all of it arrived."""
        found = self.meta.get("partial", [])
        cuts = [cut for cut in found if isinstance(cut, dict)] if isinstance(found, list) else []
        return [": ".join(str(cut[name]) for name in ("where", "text") if cut.get(name)) for cut in cuts]

    def notes(self) -> list[dict[str, str]]:
        """What the import noticed: dicts of `what`, `where`, `text`."""
        import json

        notes = self.container.table("NOTES", limit=self.container.limits.table)
        try:
            lines = [json.loads(line) for line in bytes(notes).splitlines()]
        except (ValueError, RecursionError) as error:
            raise FormatError(f"table NOTES is not JSON lines: {error}") from None
        return [{str(k): str(v) for k, v in line.items()} for line in lines if isinstance(line, dict)]

    def kinds(self) -> list[f.KindEntry]:
        """The kinds that have objects, with their number and bytes, in the dialect's order."""
        return [k for k in self.container.kinds if k.objects]

    def spaces(self) -> list[tuple[int, str]]:
        """(layer, name) of every space."""
        return list(self._all_spaces())

    # -- finding -------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """`image["file"]`: the Space of that name (`image["1/file"]` of layer 1). `image["file:31"]`: an Object.

        NotFoundError (a KeyError) has the nearest names that exist.
        """
        if not isinstance(name, str):
            raise UsageError(f'an image is asked by name, image["file:31"] or image["file"][31], not by {name!r}')
        return self.object(name) if ":" in name else self.space(name)

    def space(self, name: str, layer: int = 0) -> Space:
        """A space by its name; `1/file` names layer 1."""
        prefix, slash, rest = name.partition("/")
        if slash and prefix.isdecimal() and len(prefix) <= LAYER_DIGITS:
            layer, name = int(prefix), rest
        found = self._opened.get((layer, name))
        if found is None:
            entry = self._all_spaces().get((layer, name))
            if entry is None:
                raise self._no_space(layer, name)
            found = self._opened[layer, name] = open_space(self, entry)
        return found

    def _no_space(self, layer: int, name: str) -> NotFoundError:
        from difflib import get_close_matches

        if not self._all_spaces():
            return NotFoundError("the image has no objects, and so no spaces")
        here = sorted({n for number, n in self._all_spaces() if number == layer})
        if not here:
            return NotFoundError(f"the image has no layer {layer}; it has {max(len(self.layers), 1)}, counted from 0")
        near = tuple(get_close_matches(name, here, 3))
        return NotFoundError(f"no space {name!r} in layer {layer}; {offered(near, here)}", near)

    def object(self, name: str) -> Object:
        """An object by its objref."""
        parsed = parse_objref(name)
        space = self.space(parsed.space, parsed.layer)
        try:
            key = parse_key(parsed.key, space.form)
        except UsageError as error:
            raise UsageError(f"{name!r}: {error}") from None
        return space.claimed(key, parsed.claim)

    def get(self, name: str) -> Object | None:
        """An object by its objref, or None."""
        try:
            return self.object(name)
        except NotFoundError:
            return None

    def __contains__(self, name: Any) -> bool:
        try:
            return self[name] is not None
        except UsageError:  # nothing of that name, or no name at all
            return False

    def by_ordinal(self, ordinal: int) -> Object:
        """The object with this ordinal; NotFoundError unless 0 <= ordinal < len(image)."""
        if not hasattr(ordinal, "__index__") or not 0 <= ordinal < len(self):
            raise NotFoundError(f"no object {ordinal!r}: the image has {len(self)}, counted from 0")
        return Object(self, ordinal, self.object_table.row(ordinal))

    def objects(self, kind: str | None = None) -> Iterator[Object]:
        """All objects, or those of a kind, in stream order."""
        wanted = None if kind is None else self.kind_number(kind)
        for ordinal in range(len(self)):
            row = self.object_table.row(ordinal)
            if wanted is None or row.kind == wanted:
                yield Object(self, ordinal, row)

    def kind_number(self, name: str) -> int:
        """Number of a kind by its name; NotFoundError with near names."""
        from difflib import get_close_matches

        numbers = {k.name: k.id for k in self.container.kinds}
        if name not in numbers:
            present = [k.name for k in self.container.kinds if k.objects]
            near = tuple(get_close_matches(name, present, 3))
            raise NotFoundError(f"no kind {name!r}; {offered(near, present)}", near)
        return numbers[name]

    # -- tables, opened at first use -----------------------------------------------------------------------

    def _all_spaces(self) -> dict[tuple[int, str], f.SpaceEntry]:
        if self._spaces is None:
            self._spaces = {(s.layer, s.name): s for s in self.container.spaces}
        return self._spaces

    @property
    def object_table(self) -> Objects:
        """Rows by ordinal."""
        if self._objects is None:
            self._objects = self.container.objects()
        return self._objects

    @property
    def reference_table(self) -> References:
        """References by ordinal."""
        if self._references is None:
            self._references = self.container.references()
        return self._references

    def kind_name(self, number: int) -> str:
        """Name of a kind number."""
        if self._kinds is None:
            self._kinds = {k.id: k for k in self.container.kinds}
        return self._kinds[number].name if number in self._kinds else f"kind{number}"

    def role(self, number: int) -> f.RoleEntry:
        """A role of references by number."""
        if self._roles is None:
            self._roles = {r.id: r for r in self.container.roles}
        return self._roles.get(number, f.RoleEntry(number, "?", f"role{number}"))

    def objref(self, ordinal: int, kind: int) -> str:
        """The objref of an object of this kind."""
        name = self.kind_name(kind)
        for layer, space_name in self._all_spaces():
            if space_name == name:
                space = self.space(name, layer)
                found = space.claim(ordinal)
                if found is not None:
                    return format_objref(layer, name, found[0], space.form, found[1])
        return f"{name}#{ordinal}"

    def dangling_objref(self, index: int) -> str:
        """The objref that a dangling reference names."""
        lost = self.reference_table.dangling(index)
        name = self.kind_name(lost.kind)
        entry = self._all_spaces().get((lost.layer, name))
        form = entry.form if entry is not None else self._form_elsewhere(name)
        return format_objref(lost.layer, name, lost.key, form)

    def _form_elsewhere(self, name: str) -> int:
        """The form of a space that this image does not have."""
        form = next((kind.form for kind in self.dialect.kinds if kind.name == name), 0)
        return 0 if form == FORM_BYTES else form

    def references(self, ordinal: int) -> list[Reference]:
        """References from an object."""
        return [Reference(self, edge) for edge in self.reference_table.of(ordinal)]

    def referrers(self, ordinal: int) -> list[Reference]:
        """References to an object."""
        return [Reference(self, edge) for edge in self.reference_table.to(ordinal)]

    def closure(self, *roots: Root, **options: Any) -> Closure:
        """All that some objects need, through references, loops included; see `objref.graph.closure`."""
        from objref.graph import closure

        return closure(self, roots, **options)

    def restore(self, roots: Roots, makers: Mapping[str, Maker[Made]], **options: Any) -> Restored[Made]:
        """Create what some objects need, then link it, with functions of yours; see `objref.restore.restore`."""
        from objref.restore import restore

        return restore(self, roots, makers, **options)

    def check(self, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
        """What is wrong with the dump itself, in its dialect's terms; see `objref.checking.check_image`."""
        from objref.checking import check_image

        return check_image(self, progress)

    # -- the stream ----------------------------------------------------------------------------------------

    @property
    def lost_bytes(self) -> int:
        """Bytes of the stream that did not come back when the image was recovered; 0 of any other image."""
        return self.container.lost_bytes()

    @property
    def lost_ranges(self) -> list[tuple[int, int]]:
        """Where they are in the stream, the first of them, as META says."""
        said = self.meta.get("recovered", {})
        found = said.get("lost", []) if isinstance(said, dict) else []
        return [(r[0], r[1]) for r in found if isinstance(r, list) and len(r) == 2] if isinstance(found, list) else []

    def stream(self, *, fill: bool = False) -> Iterator[bytes | memoryview]:
        """The original bytes in order. IntegrityError at the end if they are not what was imported. LostError where
        an image that was recovered has lost bytes, unless zeros may `fill` their place."""
        return self.container.stream(fill)

    def export(
        self,
        dest: str | os.PathLike[str] | BinaryIO,
        *,
        form: str = "auto",
        replace: bool = False,
        devices: Devices = "refuse",
    ) -> Any:
        """Give the original back; see `objref.exporter.export_image`."""
        from objref.exporter import export_image

        return export_image(self, dest, form=form, replace=replace, devices=devices)

    def plan_extract(self, *objrefs: str, scope: Scope = "subtree", cut: Mapping[str, str] | None = None) -> Plan:
        """What a smaller image with just what these objects need would be; see `objref.extracting.plan_extract`."""
        from objref.extracting import plan_extract

        return plan_extract(self, objrefs, scope=scope, cut=cut)

    def extract(
        self,
        *objrefs: str,
        dest: str | os.PathLike[str] | BinaryIO,
        scope: Scope = "subtree",
        cut: Mapping[str, str] | None = None,
        form: str = "auto",
        replace: bool = False,
    ) -> Extracted:
        """Write a smaller image with just what these objects need; see `objref.extracting.extract_image`."""
        from objref.extracting import extract_image

        return extract_image(self, self.plan_extract(*objrefs, scope=scope, cut=cut), dest, form=form, replace=replace)

    def close(self) -> None:
        """Let go of the file. Objects of this image cannot be read any more."""
        self.container.close()
        for space in list(self._opened.values()):
            space.close()

    def __enter__(self) -> Image:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<objref image {self.container.source.name}: {len(self)} objects>"
