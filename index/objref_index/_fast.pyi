"""The native core (index/fast/fast.c)."""

from typing import Any

class Spans:
    def __init__(
        self,
        data: Any,
        spans: Any,
        word: int,
        base: int,
        keys: Any = None,
        radix: Any = None,
        shift: int = 0,
    ) -> None: ...
    def __getitem__(self, key: Any, /) -> bytes: ...
    def _release(self) -> None: ...
    def _locate_into(self, keys: Any, starts: Any, ends: Any, /) -> int: ...
    def _join_into(self, keys: Any, starts: Any, ends: Any, limit: int, /) -> bytes | None: ...
