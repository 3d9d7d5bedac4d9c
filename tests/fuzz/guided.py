"""Guided by coverage: atheris, where it is installed (`pip install -e '.[fuzz]'`). Inputs that reach new code are
changed further, by the target's own mutation."""

from __future__ import annotations

import importlib
import os
import pkgutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports objref, which must be instrumented before
    from fuzz.targets import Target

__all__ = ["fuzz", "instrument"]


def instrument() -> None:
    """Before objref is imported: count the branches of all its modules."""
    import atheris

    with atheris.instrument_imports(include=["objref", "objref_index"], enable_loader_override=False):
        for name in ("objref", "objref_index"):
            package = importlib.import_module(name)
            for found in pkgutil.walk_packages(package.__path__, f"{name}."):
                if not found.name.endswith("__main__"):
                    importlib.import_module(found.name)


def fuzz(target: Target, try_one: Callable[[bytes], None], seed: int, seconds: float, runs: int, folder: Path) -> None:
    """Fuzz until the time is over, or the runs are. libFuzzer ends the process, with code 0."""
    import atheris
    from fuzz.mutating import any_bytes

    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed{number}").write_bytes(data)
    ends = time.monotonic() + seconds

    def one(data: bytes) -> None:
        if seconds and time.monotonic() > ends:
            os._exit(0)
        try_one(data)

    def mutated(data: bytes, most: int, number: int) -> bytes:
        try:
            return target.mutate(Random(number), bytes(data))[:most]
        except Exception:  # what was changed often has no structure any more that could be kept
            return any_bytes(Random(number), bytes(data))[:most]

    arguments = ["fuzz", str(corpus), f"-seed={seed + 1}", f"-runs={runs or -1}", "-max_len=262144", "-rss_limit_mb=0",
                 "-timeout=600", "-verbosity=0", "-print_final_stats=0", "-handle_segv=0", "-handle_abrt=0",
                 "-handle_bus=0", "-handle_fpe=0", "-handle_ill=0", f"-artifact_prefix={folder}/"]  # fmt: skip
    atheris.Setup(arguments, one, custom_mutator=mutated)
    atheris.Fuzz()
