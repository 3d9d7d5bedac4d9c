"""A shorter linux-cr stream with some tasks of a longer one (docs/extract.md, docs/linux-cr.md).

original    objects by position, their records one by one
refusals    streams of which no part can be taken
forest      which tasks, and what the TREE says of them
draft       what is kept, and what is changed in it
reach       what the tasks need
cuts        links that lead to what only tasks that are left out have; classes: what can be done about them
places      which object is written inside which
areas       shared memory: its pages are with the first area that names it
compose     the order: an object is defined where it was, or else at its first use
leading     what comes before the tasks; pieces: the result
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.cuts import Cuts
from objref.dialects.linux_cr.extract.classes import CLASSES
from objref.dialects.linux_cr.extract.compose import Composer
from objref.dialects.linux_cr.extract.cuts import settle
from objref.dialects.linux_cr.extract.draft import Draft
from objref.dialects.linux_cr.extract.forest import Forest, asked_for
from objref.dialects.linux_cr.extract.leading import leading
from objref.dialects.linux_cr.extract.original import Original
from objref.dialects.linux_cr.extract.pieces import Pieces
from objref.dialects.linux_cr.extract.reach import grow
from objref.dialects.linux_cr.extract.refusals import check_stream
from objref.dialects.plan import File, Plan

if TYPE_CHECKING:
    from objref.dialects.plan import Request
    from objref.image import Image

__all__ = ["plan"]

NAME = "stream"


def plan(image: Image, request: Request) -> Plan:
    """What an extract of these tasks is. Nothing is written; of the pages nothing is read.

    Errors: UsageError (no task, a policy that does not fit), NotFoundError, UnsupportedError (a stream of which no part
    can be taken), FormatError (it contradicts itself).
    """
    chosen = asked_for(image, request)
    cuts = Cuts(request.policy, CLASSES)
    forest = Forest(Original(image), chosen, request.scope)
    if forest.whole:
        cuts.check_all_used()
        file = File(NAME, image.stream_length, image.stream)
        return _plan(request, forest, file, cuts, ())
    check_stream(image)
    return compose(forest, request, cuts)


def compose(forest: Forest, request: Request, cuts: Cuts) -> Plan:
    """The plan of a part, or of all, record by record."""
    draft = Draft(forest.original, cuts, forest.kept)
    draft.notes += forest.orphans()
    tree = forest.entries(cuts)
    grow(draft, draft.tasks)
    settle(draft)
    cuts.check_all_used()
    pieces = Pieces(draft.image)
    leading(draft, forest, tree, pieces)
    Composer(draft, pieces).write()
    pieces.object(forest.original.only("tail"))
    return _plan(request, forest, File(NAME, pieces.size, pieces.chunks), cuts, tuple(draft.notes))


def _plan(request: Request, forest: Forest, file: File, cuts: Cuts, notes: tuple[str, ...]) -> Plan:
    names = tuple(dict.fromkeys(request.objrefs))
    kept = tuple(forest.original.objref(task) for task in forest.kept)
    return Plan(names, kept, (file,), tuple(cuts.found.values()), (), (), (), notes, stream=True)
