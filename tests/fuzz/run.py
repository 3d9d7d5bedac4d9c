"""The campaign: `python tests/fuzz/run.py --seconds 60`. Inputs that break an invariant are kept, minimised.

Exit codes: 0 nothing found, 1 something was, 2 usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FOUND = Path(__file__).resolve().parent / "found"


def main() -> int:
    """Run it."""
    args = _arguments()
    if args.guided:
        from fuzz.guided import instrument

        instrument()
    from fuzz.campaign import keep, replay, run
    from fuzz.targets import TARGETS

    if args.replay:
        problems = {path: replay(path) for path in args.replay}
        for path, problem in problems.items():
            print(f"{path}: {problem if problem is None else f'{type(problem).__name__}: {problem}'}")
        return int(any(problems.values()))
    if args.list:
        for target in TARGETS.values():
            print(f"{target.name:<11} {target.invariant}")
        return 0
    unknown = [name for name in args.target if name not in TARGETS]
    if unknown:
        sys.exit(f"no target {unknown[0]!r}; there is: {', '.join(TARGETS)}")
    found = 0
    for name in args.target or TARGETS:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as here:
            tempfile.tempdir = here
            done = run(TARGETS[name], seed=args.seed, seconds=args.seconds, runs=args.runs, folder=Path(here) / "run",
                       guided=args.guided)  # fmt: skip
            tempfile.tempdir = None
        print(f"{name:<11} {done.runs:>9} runs {done.seconds:>7.0f} s  {len(done.findings)} findings", flush=True)
        for finding in done.findings:
            print(f"  {keep(finding, args.keep)}: {finding.signature}", flush=True)
        found += len(done.findings)
    return int(bool(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", default=[], help="one parser (default: each in turn)")
    parser.add_argument("--seconds", type=float, default=0, help="for each target (default: 60, or as many as --runs take)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=0, help="what the dice start with")
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris")
    parser.add_argument("--keep", type=Path, default=FOUND, help="folder for inputs that break an invariant")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE", help="try kept inputs again, and end")
    parser.add_argument("--list", action="store_true", help="print the targets with their invariants, and end")
    args = parser.parse_args()
    if not args.seconds and not args.runs:
        args.seconds = 60
    if args.guided and importlib.util.find_spec("atheris") is None:
        parser.error("--guided needs atheris: pip install -e '.[fuzz]'")
    return args


if __name__ == "__main__":
    sys.exit(main())
