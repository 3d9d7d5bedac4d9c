"""Extract: a smaller image with just what some objects need, as a directory, a tar, a stream, or an .objref file.

The dialect plans (`objref.dialects.plan`), here it is written: all of it as one stream, which a directory (then it is a
tar), a file, a pipe or an import takes. Only what is written is read. Nothing is left behind when it fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from objref.dialects.plan import FAIL, Cut, File, Plan, Request, Scope
from objref.errors import CutError, FormatError, SourceError, UsageError
from objref.exporter import joined

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["FORMS", "Extracted", "check_cuts", "extract_image", "form_of", "plan_extract"]

FORMS = ("auto", "directory", "tar", "stream", "objref")
MODE, FOLDER_MODE = 0o600, 0o700
"""Memory holds secrets."""
Chunk = bytes | memoryview


class Extracted(NamedTuple):
    """What an extract made."""

    form: str
    """"directory", "tar", "stream" or "objref"."""
    plan: Plan
    bytes: int
    """Of all files in it."""


def plan_extract(
    image: Image, objrefs: tuple[str, ...], *, scope: Scope = "subtree", cut: Mapping[str, str] | None = None
) -> Plan:
    """What an extract would be: its files, its cuts, how it is restored. Nothing is written.

    objrefs  such as "task:17"
    scope    "subtree": also all that descends from them; "alone": nothing else
    cut      class of cuts, or objref of what is cut → policy (docs/extract.md)

    Errors: UsageError (objects that nobody can restore by themselves, policies that do not fit), NotFoundError,
    FormatError (the image contradicts itself).
    """
    if scope not in ("subtree", "alone"):
        raise UsageError(f'scope must be "subtree" or "alone", not {scope!r}')
    extract = image.dialect.extract
    request = Request(tuple(objrefs), scope, dict(cut or {}))
    if extract is None:
        from objref.part import plan_part

        return plan_part(image, request)
    return extract(image, request)


def extract_image(
    image: Image,
    plan: Plan,
    dest: str | os.PathLike[str] | BinaryIO,
    *,
    form: str = "auto",
    replace: bool = False,
) -> Extracted:
    """Write what was planned.

    dest  a path, or a binary file object, to which a tar or a stream is written
    form  "directory" (absent or empty before), "tar", "objref"; "auto": what the suffix of dest says (.tar, .objref),
          else a directory. Times in it are 0, so the same extract is the same bytes. Of dialects whose images are
          streams: "stream", "objref"; "auto": .objref, else a stream

    Errors: CutError while a cut of the plan has the policy "fail", UsageError, SourceError, IntegrityError.
    """
    if form not in FORMS:
        raise UsageError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    check_cuts(plan)
    if plan.objects:
        return _to_part(image, plan, dest, form, replace)
    flat = "stream" if plan.stream else "tar"
    if not isinstance(dest, str | os.PathLike):
        if form not in ("auto", flat):
            raise UsageError(f"a {form} cannot be written to a pipe: name a path, or leave the form at {flat}")
        return _to_pipe(plan, dest, flat)
    form = form_of(dest, stream=plan.stream) if form == "auto" else form
    if form not in (STREAM_FORMS if plan.stream else FOLDER_FORMS):
        raise UsageError(f"a {form} cannot be made of it: it is a {'stream' if plan.stream else 'folder of files'}")
    WRITERS[form](plan, dest, replace)
    return Extracted(form, plan, plan.size)


def _to_part(image: Image, plan: Plan, dest: str | os.PathLike[str] | BinaryIO, form: str, replace: bool) -> Extracted:
    from objref.part import write_part

    suffix = isinstance(dest, str | os.PathLike) and form_of(dest) == "objref"
    if form not in ("auto", "objref") or not isinstance(dest, str | os.PathLike) or (form == "auto" and not suffix):
        raise UsageError(
            f"a part of an image of dialect {image.dialect.name!r} is no image of that dialect: {image.dialect.apart}; "
            "name an .objref file (-o NAME.objref)"
        )
    return Extracted("objref", plan, write_part(image, plan, dest, replace=replace))


STREAM_FORMS, FOLDER_FORMS = ("stream", "objref"), ("directory", "tar", "objref")


def form_of(dest: str | os.PathLike[str], *, stream: bool = False) -> str:
    """What the suffix of a path says. `stream`: of a dialect whose images are streams."""
    suffix = os.path.splitext(os.fspath(dest))[1]
    if stream:
        return "objref" if suffix == ".objref" else "stream"
    return {".tar": "tar", ".objref": "objref"}.get(suffix, "directory")


def check_cuts(plan: Plan) -> None:
    """CutError while a cut has the policy "fail", with the decisions that are missing."""
    groups: dict[str, list[Cut]] = {}
    for cut in plan.refused:
        groups.setdefault(cut.name, []).append(cut)
    if groups:
        many = "a reference leads" if len(plan.refused) == 1 else f"{len(plan.refused)} references lead"
        options = " ".join(option for name, cuts in groups.items() for option in _options(name, cuts))
        raise CutError(
            f"{many} out ({', '.join(groups)}): say what shall become of them: {options}; nothing was written"
        )


def _options(name: str, cuts: list[Cut]) -> Iterator[str]:
    """One decision for the class where all cuts of it allow one, else one for each."""
    common = [choice for choice in cuts[0].choices if all(choice in cut.choices for cut in cuts) and choice != FAIL]
    if common:
        yield f"--cut {name}={'|'.join(common)}"
        return
    for cut in cuts:
        yield f"--cut {cut.source}={'|'.join(choice for choice in cut.choices if choice != FAIL)}"


def _stream(plan: Plan) -> Iterator[Chunk]:
    """The plan as the stream that it is, or as a canonical tar stream."""
    return _content(plan.files[0]) if plan.stream else _tar(plan)


def _content(file: File) -> Iterator[Chunk]:
    done = 0
    for chunk in file.chunks():
        done += len(chunk)
        yield chunk
    if done != file.size:
        raise FormatError(f"{file.name}: {done} bytes came, {file.size} were planned")


def _tar(plan: Plan) -> Iterator[Chunk]:
    from objref.archive.tar_header import END_OF_ARCHIVE, padding
    from objref.archive.tar_member import Member
    from objref.archive.tar_write import encode_member

    yield encode_member(Member(b"./", "dir", mode=FOLDER_MODE))
    for file in plan.files:
        name = file.name.encode("utf-8", "surrogateescape")
        yield encode_member(Member(name, mode=MODE, size=file.size, real_size=file.size))
        yield from _content(file)
        yield padding(file.size)
    yield END_OF_ARCHIVE


def _to_directory(plan: Plan, dest: str | os.PathLike[str], replace: bool) -> None:
    from objref.archive.extract import extract

    extract((bytes(chunk) for chunk in joined(_stream(plan))), dest, owners="ignore")


def _to_file(plan: Plan, dest: str | os.PathLike[str], replace: bool) -> None:
    from objref.container.output import Output

    with Output(dest, replace=replace) as output:
        for chunk in joined(_stream(plan)):
            output.write(chunk)
        output.commit()


def _to_objref(plan: Plan, dest: str | os.PathLike[str], replace: bool) -> None:
    from objref.importer import import_image

    import_image(_Pipe(joined(_stream(plan))), dest, replace=replace)  # type: ignore[arg-type]  # all that it asks is read


WRITERS = {"directory": _to_directory, "tar": _to_file, "stream": _to_file, "objref": _to_objref}


def _to_pipe(plan: Plan, dest: BinaryIO, form: str) -> Extracted:
    try:
        for chunk in joined(_stream(plan)):
            dest.write(chunk)
        dest.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SourceError(f"output: cannot write: {os.strerror(error.errno or 0)}") from None
    return Extracted(form, plan, plan.size)


class _Pipe:
    """A stream of chunks to be read like a file. Mutable."""

    name = "extract"

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At least one byte and at most `size`; none at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        data, self._left = self._left[:size], self._left[size:]
        return bytes(data)
