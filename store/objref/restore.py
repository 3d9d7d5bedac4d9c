"""Restoring in two phases, whatever the dialect: create every object without its references, then link them by lookup.

Loops cost nothing: a task whose tracer is its own child is created, the child is created, and then each is told of
the other.

Order   Objects are created targets before sources (`Closure.creation_order`), in a loop as they come; what a creator
        asks for is created on the spot. Links are made by ascending ordinal of their source, in the order of its
        fields, when all objects exist.
Memory  A dictionary entry an object, about 100 bytes, and while the order is made about 40 bytes an object and 12 a
        reference; besides what the creators make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from objref.errors import RestoreError, UsageError
from objref.graph import Closure, Roots, closure
from objref.object import Object, Reference

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["Maker", "Restored", "Restoring", "restore"]

Made = TypeVar("Made")
DEPTH = 100
"""Creators that ask for objects whose creators ask for objects …: a recursion of the caller's functions."""


class Maker(NamedTuple, Generic[Made]):
    """How objects of a kind are restored."""

    create: Callable[[Object, Restoring[Made]], Made]
    """Make one, without its references. `restoring.get(…)` gives another object that its creation needs."""
    link: Callable[[Made, Reference, Made], None] | None = None
    """Tell one (the first argument) what a reference of it leads to (the last). None: nothing need be told."""
    undo: Callable[[Made, Object], None] | None = None
    """Unmake one, when the restore fails. None: nothing need be done."""


class Restored(Mapping[str, Made]):
    """What was made, by objref, in the order of creation."""

    def __init__(self, found: Closure, made: dict[int, Made]) -> None:
        self.closure = found
        """What was restored. References that leave it were not linked: see its `cut()` and `dangling()`."""
        self._made = made

    def __getitem__(self, key: str | Object | int) -> Made:
        """By objref, object or ordinal; NotFoundError (a KeyError)."""
        return self._made[self.closure.member(key)]

    def __iter__(self) -> Iterator[str]:
        return (self.closure.image.by_ordinal(ordinal).objref for ordinal in self._made)

    def __len__(self) -> int:
        return len(self._made)


class Restoring(Generic[Made]):
    """A restore under way, as creators see it. Mutable; unusable after its first error."""

    def __init__(self, found: Closure, makers: Mapping[str, Maker[Made]], default: Maker[Made] | None) -> None:
        self.closure = found
        self.made: dict[int, Made] = {}
        self._makers = makers
        self._default = default
        self._creating: dict[int, None] = {}
        self._failure: RestoreError | None = None

    def get(self, wanted: str | Object | int | Reference) -> Made:
        """What was made of an object: an objref, an object, its ordinal, or the target of a reference.

        If it was not made yet, it is now. NotFoundError when it is not one of those that are restored, RestoreError
        when it waits for the one that asks: creations that need each other cannot be had, links that do can.
        """
        if isinstance(wanted, Reference):
            wanted = wanted.target or wanted.target_objref
        ordinal = self.closure.member(wanted)
        return self.made[ordinal] if ordinal in self.made else self._create(ordinal)

    def maker(self, kind: str) -> Maker[Made]:
        """The maker of a kind."""
        found = self._makers.get(kind, self._default)
        if found is None:
            raise UsageError(f"nothing was given that makes objects of kind {kind!r}")
        return found

    def _create(self, ordinal: int) -> Made:
        self._check_asking(ordinal)
        found = self.closure.image.by_ordinal(ordinal)
        create = self.maker(found.kind).create
        self._creating[ordinal] = None
        try:
            made = self.made[ordinal] = create(found, self)
        except RestoreError:  # of one that it asked for, which is to blame
            raise
        except Exception as error:
            raise self._failed(RestoreError("create", _said(error), found.objref)) from error
        finally:
            del self._creating[ordinal]
        if self._failure is not None:  # the creator went on without what it had asked for
            raise self._failure
        return made

    def _check_asking(self, ordinal: int) -> None:
        """Refuses what cannot end."""
        chain = [self._objref(asking) for asking in self._creating]
        if ordinal in self._creating:
            asked = self._objref(ordinal)
            loop = " asks for ".join([*chain[chain.index(asked) :], asked])
            raise self._failed(RestoreError("create", f"creations that wait for each other: {loop}", asked))
        if len(chain) >= DEPTH:
            raise self._failed(RestoreError("create", f"{DEPTH} creations wait for each other's ends", chain[-1]))

    def _objref(self, ordinal: int) -> str:
        return self.closure.image.by_ordinal(ordinal).objref

    def _failed(self, error: RestoreError) -> RestoreError:
        self._failure = self._failure or error
        return error

    def create_all(self) -> None:
        """Phase one."""
        for kind in self.closure.kinds():
            self.maker(kind)
        for ordinal in self.closure.creation_order():
            if ordinal not in self.made:
                self._create(ordinal)

    def link_all(self) -> None:
        """Phase two."""
        for found in self.closure:
            link = self.maker(found.kind).link
            for reference in found.references if link else ():
                target = reference.target
                if target is not None and target.ordinal in self.made:
                    self._link(link, found, reference, target)

    def _link(self, link: Any, found: Object, reference: Reference, target: Object) -> None:
        try:
            link(self.made[found.ordinal], reference, self.made[target.ordinal])
        except Exception as error:
            raise RestoreError("link", _said(error), found.objref, reference.role, target.objref) from error

    def undo_all(self) -> tuple[int, list[tuple[str, BaseException]]]:
        """Unmake what was made, the last first: how many were, and what failed, by objref."""
        undone = 0
        failures: list[tuple[str, BaseException]] = []
        for ordinal, made in reversed(self.made.items()):
            name = f"object {ordinal}"
            try:
                found = self.closure.image.by_ordinal(ordinal)
                name, undo = found.objref, self.maker(found.kind).undo
                if undo is not None:
                    undo(made, found)
                    undone += 1
            except BaseException as error:  # even when interrupted: the others must not stay
                failures.append((name, error))
        return undone, failures


def restore(
    image: Image,
    roots: Roots,
    makers: Mapping[str, Maker[Made]],
    *,
    default: Maker[Made] | None = None,
    **options: Any,
) -> Restored[Made]:
    """Restore objects and all that they need; every object is created once, every reference between them linked once.

    roots    objrefs, ordinals, objects; or a Closure, which is restored as it is
    makers   kind -> Maker; `default` makes what has none
    options  of `objref.graph.closure`

    References that leave the closure are not linked, whatever their strength: its `cut()` and `dangling()` tell.
    Errors: RestoreError, which says what failed (objref, role, target), why (`__cause__`), and what came of undoing
    what was created before, in reverse order; UsageError before anything is created, if a kind has no maker; those of
    `closure`. An interrupt is undone as well.
    """
    found = roots if isinstance(roots, Closure) and not options else closure(image, roots, **options)
    restoring = Restoring(found, makers, default)
    try:
        restoring.create_all()
        restoring.link_all()
    except BaseException as error:
        _report(error, *restoring.undo_all())
        raise
    return Restored(found, restoring.made)


def _report(error: BaseException, undone: int, failures: list[tuple[str, BaseException]]) -> None:
    if isinstance(error, RestoreError):
        error.undone, error.undo_failures = undone, tuple(failures)
    else:
        for objref, failure in failures:
            error.add_note(f"{objref} could not be undone: {_said(failure)}")


def _said(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
