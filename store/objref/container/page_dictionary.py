"""Which pages make the best dictionary of all pages, when all of them are there to be asked (repack).

What pages share is counted in units of 16 bytes, aligned as the words of memory are; then the page that shares most is
taken, what it covers no longer counts, and so on (greedy cover). On real images that is 6 to 10 % better than the
first pages at the same size, and better than a dictionary trained by zstd (docs/density.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING, Any

from objref.container import format as f
from objref.container.dictionary import Dictionary, cost, saving
from objref.container.options import Options
from objref.container.reader import Container

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.uint64]

__all__ = ["choose_dictionary"]

CANDIDATES = 1 << 16
"""Pages that may be chosen: of more than 256 MiB every n-th is asked."""
UNITS = 1 << 22
"""Units that are counted: 32 MiB, and as much again while they are sorted."""
UNIT_WORDS = 2
TRIED = 32
"""Blocks on which it is measured whether the dictionary pays for itself."""


def choose_dictionary(container: Container, options: Options) -> Dictionary | None:
    """The dictionary for the pages of an image; None if it has no pages or the dictionary would not pay for itself."""
    section = next((s for s in container.sections.values() if s.role == f.PAGES), None)
    if not options.dictionary_log2 or "raw" in (options.codec, options.pages) or section is None or not section.length:
        return None
    if container.footer.groups == 1 and section.length < 1 << options.whole_log2:
        return None  # one block holds all of them
    room = (1 << options.dictionary_log2) // f.PAGE
    addresses = [at for p in container.pieces(section.id) for at in range(p.address, p.address + p.length, f.PAGE)]
    stride = -(-len(addresses) // CANDIDATES)
    chosen = _chosen(container, section.id, addresses[::stride], room)
    content = b"".join(container.read(section.id, at, f.PAGE) for at in chosen)
    made = Dictionary(content, options.page_level)
    several = addresses[:: (1 << options.page_block_log2) // f.PAGE]
    tried = several[:: -(-len(several) // TRIED)]
    blocks = (_block(container, section.id, at, 1 << options.page_block_log2) for at in tried)
    return made if saving(made, blocks) * len(several) > cost(made) * len(tried) else None


def _block(container: Container, section: int, address: int, length: int) -> bytes | memoryview:
    piece = container.find_piece(section, address)
    return container.read(section, address, min(length, piece.address + piece.length - address))


def _chosen(container: Container, section: int, addresses: list[int], room: int) -> list[int]:
    """Addresses of the pages for the dictionary, ascending: the best, and if there is room left the first others."""
    if len(addresses) <= room:
        return addresses
    pages, units = _shared(_read(container, section, addresses), len(addresses))
    best = set(_cover(pages, units, len(addresses), room))
    others = (i for i in range(len(addresses)) if i not in best)
    best.update(i for i, _ in zip(others, range(room - len(best)), strict=False))
    return [addresses[i] for i in sorted(best)]


def _read(container: Container, section: int, addresses: list[int]) -> Iterator[bytes | memoryview]:
    return (container.read(section, at, f.PAGE) for at in addresses)


def _shared(pages: Iterator[bytes | memoryview], count: int) -> tuple[Numbers, Numbers]:
    """(page, unit) of all units that occur more than once, by page. Units are hashes; a share of them when many."""
    import numpy as np

    mask = np.uint64((1 << (count * f.PAGE // (8 * UNIT_WORDS * UNITS)).bit_length()) - 1)
    owners, found = [], []
    for i, data in enumerate(pages):
        units = _hashed(np.frombuffer(data, "<u8").reshape(-1, UNIT_WORDS))
        kept = np.unique(units[(units != 0) & (units >> np.uint64(40) & mask == 0)])
        owners.append(np.full(len(kept), i, np.uint64))
        found.append(kept)
    return np.concatenate(owners), np.concatenate(found)


def _hashed(words: Any) -> Numbers:
    """A number for each row; 0 for a row of zero words, which needs no dictionary."""
    import numpy as np

    mixed: Numbers = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) + words[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _cover(pages: Numbers, units: Numbers, count: int, room: int) -> list[int]:
    """Greedy cover: pages by what they share with others and no page before them covered."""
    import numpy as np

    _, inverse, counts = np.unique(units, return_inverse=True, return_counts=True)
    worth = counts.astype(np.int64) - 1
    ends = np.searchsorted(pages, np.arange(count + 1, dtype=np.uint64))
    rows = [inverse[ends[i] : ends[i + 1]] for i in range(count)]
    heap = [(-int(worth[row].sum()), i) for i, row in enumerate(rows)]
    heapify(heap)
    best: list[int] = []
    while heap and len(best) < room and heap[0][0] < 0:
        said, i = heap[0]
        now = int(worth[rows[i]].sum())
        if now != -said:  # covered in part since it was counted
            heapreplace(heap, (-now, i))
            continue
        heappop(heap)
        best.append(i)
        worth[rows[i]] = 0
    return best
