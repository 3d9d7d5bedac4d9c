"""A database of LMDB, opened to be read: no lock file, no limit of readers, nothing that a fork could break.

Whoever opens one has checked its bytes before: LMDB trusts them, and damaged pages can crash the process.
"""

from __future__ import annotations

import os
import time
import weakref
from _thread import RLock
from _thread import _local as local  # which `threading` only names

from objref_index.tree.layout import VALUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from lmdb import Environment

__all__ = ["Tree"]

ATTEMPTS, PAUSE = 100, 0.002
"""Tries to open an environment, and the seconds between."""

_trees: weakref.WeakSet[Tree] = weakref.WeakSet()
_shared: weakref.WeakValueDictionary[tuple[int, int], Environment] = weakref.WeakValueDictionary()
_opening = RLock()
"""LMDB forbids a process to have one file open twice, so trees on the same file share what is open."""


class Tree:
    """An open tree. Mutable: each thread that asks gets a transaction of its own. Safe for many threads.

    path     of a data file; a descriptor under /proc/self/fd will do
    length   of the tree in that file, bytes
    damage   makes the exception to raise when LMDB finds it unsound
    """

    def __init__(self, path: str, length: int, damage: Callable[[str], Exception]) -> None:
        self._path = path
        self._length = length
        self.damage = damage
        self.local: Any = _Unopened(self)
        """`local.get(key)`: the value or None. Ask for it anew each time: a fork or `close` replaces it."""
        _watch_forks()
        _trees.add(self)

    def opened(self) -> Any:
        """`local`, once the environment is open."""
        with _opening:
            if isinstance(self.local, _Unopened):
                self.local = _Local(self._environment())
            return self.local

    def _environment(self) -> Environment:
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise self.damage(f"{self._path}: {error.strerror}") from None
        identity = status.st_dev, status.st_ino
        found = _shared.get(identity)
        if found is None:
            found = _shared[identity] = self._open()
        return found

    def _open(self) -> Environment:
        import lmdb

        for left in reversed(range(ATTEMPTS)):
            try:
                return lmdb.open(
                    self._path, subdir=False, readonly=True, create=False, lock=False, map_size=self._length, max_dbs=0
                )
            except lmdb.Error as error:
                # "Already open": another thread is just closing what nobody uses any more.
                if not left or type(error) is not lmdb.Error:
                    raise self.damage(f"LMDB cannot open the tree: {error}") from None
            time.sleep(PAUSE)
        raise AssertionError  # the last attempt returned or raised

    def value(self, key: bytes) -> tuple[int, int, int, int] | None:
        """(where, what, ordinal, n) of an entry."""
        try:
            found = self.local.get(key)
        except Exception as error:
            raise self._failed(error) from None
        return None if found is None else self.unpacked(found)

    def unpacked(self, value: bytes) -> tuple[int, int, int, int]:
        """The fields of a value."""
        if len(value) != VALUE.size:
            raise self.damage(f"the tree has a value of {len(value)} bytes, expected {VALUE.size}")
        where, what, ordinal, n = VALUE.unpack(value)
        return where, what, ordinal, n

    def entries(self, start: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of the entries from `start` on, as long as their keys begin with `prefix`."""
        try:
            with self.local.begin() as txn, txn.cursor() as cursor:
                there = cursor.set_range(start)
                while there and (key := bytes(cursor.key())).startswith(prefix):
                    yield key, bytes(cursor.value())
                    there = cursor.next()
        except Exception as error:
            raise self._failed(error) from None

    def last_before(self, key: bytes) -> bytes | None:
        """The last key below `key`."""
        try:
            with self.local.begin() as txn, txn.cursor() as cursor:
                found = cursor.prev() if cursor.set_range(key) else cursor.last()
                return bytes(cursor.key()) if found else None
        except Exception as error:
            raise self._failed(error) from None

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self.local.stat()["entries"])

    def _failed(self, error: Exception) -> Exception:
        """What to raise for an error: only LMDB's own are about the tree."""
        import lmdb

        return self.damage(f"the tree is unsound: {error}") if isinstance(error, lmdb.Error) else error

    def close(self, gone: Callable[[], Exception]) -> None:
        """Let go of it; whoever asks now gets the exception that `gone` makes. The map stays as long as another
        thread is inside: to unmap it there would end the process."""
        with _opening:
            self.local = _Gone(gone)


class _Unopened:
    """Opens the environment at the first question. Also what a forked child finds: LMDB's environments belong to
    the process that opened them."""

    def __init__(self, tree: Tree) -> None:
        self._tree = weakref.ref(tree)

    def __getattr__(self, name: str) -> Any:
        tree = self._tree()
        return getattr(tree.opened() if tree is not None else None, name)


class _Local(local):
    """What one thread has of an environment: LMDB allows a transaction to one thread at a time."""

    def __init__(self, environment: Environment) -> None:
        self.begin = environment.begin
        self.stat = environment.stat
        self.get = environment.begin().get


class _Gone:
    """A closed tree."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error()


def _forked() -> None:
    global _opening
    _opening = RLock()  # another thread may have held it
    _shared.clear()
    for tree in list(_trees):
        if isinstance(tree.local, _Local):
            tree.local = _Unopened(tree)


_watching: list[bool] = []


def _watch_forks() -> None:
    if not _watching:
        _watching.append(True)
        os.register_at_fork(after_in_child=_forked)
