"""Maps of sparse members, which say where data lies between holes: GNU type S, pax 0.0, 0.1 and 1.0."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from objref.archive.tar_header import BLOCK, natural, number, padding
from objref.archive.tar_pax import decimal
from objref.errors import FormatError, LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from objref.archive.tar_member import Runs

__all__ = [
    "OLD_SPARSE",
    "OLD_SPARSE_MORE",
    "RUNS_MAX",
    "MapText",
    "checked_runs",
    "encode_map",
    "old_sparse_numbers",
    "pax_map",
    "pax_number",
]

LINE_MAX = 21  # a decimal number below 2^64 and its newline
RUNS_MAX = 1 << 20
"""Data runs of one sparse member: about 100 MB of memory at worst, 4 GiB of alternate pages."""

#   off  size  field (GNU type S: over prefix and tail)
#   386    96  four runs
#   482     1  extended    not NUL: extension blocks follow
#   483    12  real size
OLD_SPARSE = Struct("386x96sc12s17x")
#     0   504  21 runs
#   504     1  extended
OLD_SPARSE_MORE = Struct("504sc7x")
RUN = Struct("12s12s")  # offset, length


def checked_runs(numbers: Sequence[int], stored: int, real_size: int) -> Runs:
    """Offsets and lengths in turn, checked: ascending, inside the file, together what is stored."""
    if len(numbers) % 2:
        raise FormatError(f"sparse map: expected pairs, found {len(numbers)} numbers")
    if len(numbers) > 2 * RUNS_MAX:
        raise LimitError(f"sparse map: {len(numbers) // 2} runs, the limit is {RUNS_MAX}")
    runs, end, total = [], 0, 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        if offset < end or length < 0 or offset + length > real_size:
            raise FormatError(
                f"sparse map: run {offset}+{length} does not lie between {end} and the file's end {real_size}"
            )
        end, total = offset + length, total + length
        if length:
            runs.append((offset, length))
    if total != stored:
        raise FormatError(f"sparse map: its runs hold {total} bytes, the member stores {stored}")
    return tuple(runs)


def old_sparse_numbers(runs: bytes) -> list[int]:
    """Runs of GNU type S; the first without text ends the list."""
    numbers: list[int] = []
    for offset, length in RUN.iter_unpack(runs):
        if not offset[0]:
            break
        numbers += number(offset, "sparse offset"), number(length, "sparse length")
    return numbers


def pax_number(values: Mapping[bytes, bytes], key: bytes) -> int:
    """A number that a sparse member's records must hold."""
    if key not in values:
        raise FormatError(f"sparse member: pax record {key!r} is missing")
    return natural(decimal(values[key], str(key)), str(key))


def pax_map(records: Sequence[tuple[bytes, bytes]]) -> list[int] | None:
    """Numbers of a 0.1 map (one list with commas) or a 0.0 map (repeated records); None: not sparse."""
    listed = [value for key, value in records if key == b"GNU.sparse.map"]
    if listed:
        return [decimal(text, "GNU.sparse.map") for text in listed[-1].split(b",")]
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
    repeated = [(key, value) for key, value in records if key in keys]
    if [key for key, _ in repeated] != list(keys) * (len(repeated) // 2):
        raise FormatError("sparse map: GNU.sparse.offset and GNU.sparse.numbytes do not alternate")
    return [decimal(value, str(key)) for key, value in repeated] or None


class MapText:
    """The 1.0 map as it comes in blocks: decimal lines COUNT, then OFFSET and LENGTH of each run. Mutable."""

    __slots__ = ("_blocks", "_lines", "_wanted", "size")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._lines = 0
        self._wanted = 1
        self.size = 0

    def add(self, block: bytes) -> None:
        if not self._blocks:
            count = natural(decimal(block.partition(b"\n")[0], "sparse map"), "sparse map")
            if count > RUNS_MAX:
                raise LimitError(f"sparse map: {count} runs, the limit is {RUNS_MAX}")
            self._wanted = 1 + 2 * count
        self._blocks.append(block)
        self._lines += block.count(b"\n")
        self.size += len(block)
        if self.size > self._wanted * LINE_MAX + BLOCK:
            raise FormatError(f"sparse map: longer than {self._wanted} numbers can be")

    @property
    def complete(self) -> bool:
        return self._lines >= self._wanted

    def numbers(self) -> list[int]:
        lines = b"".join(self._blocks).split(b"\n", self._wanted)[1:-1]
        return [decimal(line, "sparse map") for line in lines]


def encode_map(runs: Runs, real_size: int) -> bytes:
    """Map of pax sparse 1.0, padded. An empty run ends a file that ends in a hole: GNU tar wants it."""
    listed = list(runs)
    if not runs or sum(runs[-1]) != real_size:
        listed.append((real_size, 0))
    text = b"%d\n" % len(listed) + b"".join(b"%d\n%d\n" % run for run in listed)
    return text + padding(len(text))
