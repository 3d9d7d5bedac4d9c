"""Faults on real images, many of them: `python tests/recover/campaign.py [--faults 10000] [--seed 1] IMAGE…`.

IMAGE is an .objref file, or what an import takes. For each fault (a flipped byte, a cut, a range of zeros, two ranges
that changed places): verify must find it, every object must be read as it was or be refused, and `recover` must bring
back every object whose bytes the fault did not touch. Prints what was found; exit code 1 if one of the three failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recover.faults import KINDS, Outcome, fault, image_of, known, outcome

SHOWN = 5


class Result(NamedTuple):
    """All faults of one kind on one image."""

    kind: str
    runs: int
    missed: int
    wrong: int
    counts: Counter[str]
    short: int
    """Faults after which an untouched object did not come back."""
    examples: list[str]


def campaign(path: Path, seeds: range) -> tuple[Path, int, list[Result], float]:
    """Run the faults of these seeds on one image."""
    data = image_of(path)
    sound, began = known(data), time.process_time()
    found: dict[str, list[tuple[int, Outcome]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            made = fault(data, seed)
            found[made.kind].append((seed, outcome(sound, made, Path(folder))))
    results = [_result(kind, several) for kind, several in found.items()]
    return path, len(data), results, time.process_time() - began


def _result(kind: str, several: list[tuple[int, Outcome]]) -> Result:
    counts: Counter[str] = Counter()
    examples = []
    for seed, found in several:
        counts += found.counts
        counts["missing"] += len(found.missing)
        if found.wrong or found.missed or found.missing:
            examples.append(f"seed {seed}: wrong {found.wrong[:3]}, missing {len(found.missing)} {found.missing[:3]}")
    return Result(
        kind,
        len(several),
        sum(found.missed for _, found in several),
        sum(bool(found.wrong) for _, found in several),
        counts,
        sum(bool(found.missing) for _, found in several),
        examples,
    )


def _print(path: Path, size: int, results: list[Result], seconds: float) -> bool:
    runs = sum(result.runs for result in results)
    print(f"\n{path.name}, {size:,} bytes, {runs} faults, {seconds:.0f} s of CPU")
    print("| fault | runs | found | wrong bytes | nothing lost | losses | nothing provable | untouched objects |"
          " back | faults with one missing | index made again |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for r in results:
        c, alive = r.counts, r.counts["objects"]
        print(f"| {r.kind} | {r.runs} | {r.runs - r.missed} | {r.wrong} | {c['all recovered']} |"
              f" {c['recovered with losses']} | {c['nothing recovered']} | {alive} |"
              f" {alive - c['missing']} | {r.short} | {c['index made again']} |")  # fmt: skip
    for example in [e for r in results for e in r.examples][:SHOWN]:
        print(f"  {example}")
    return all(r.missed == r.wrong == r.short == 0 for r in results)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path)
    parser.add_argument("--faults", type=int, default=10000, help="of each image (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first fault (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="images at the same time (default: %(default)s)")
    args = parser.parse_args()
    seeds, good = range(args.seed, args.seed + args.faults), True
    with ProcessPoolExecutor(args.jobs) as pool:
        for found in pool.map(campaign, args.images, [seeds] * len(args.images)):
            good &= _print(*found)
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
