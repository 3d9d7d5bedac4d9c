"""Guided by coverage: atheris, where it is installed (`pip install -e '.[fuzz]'`). Inputs that reach new code are
changed further, by the target's own mutation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz.targets import Target

__all__ = ["fuzz", "instrument"]


def instrument() -> None:
    """Before objref is imported: count the branches of its modules."""
    import atheris

    atheris.enabled_hooks.add("str")
    instrumented = atheris.instrument_imports(include=["objref", "objref_index"])
    with instrumented:
        import objref.image
        import objref.importer
        import objref.verify  # noqa: F401


def fuzz(target: Target, try_one: Callable[[bytes], None], seed: int, seconds: float, runs: int, folder: Path) -> None:
    """Fuzz until the time is over, or the runs are. libFuzzer ends the process, with code 0."""
    import atheris

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
        return target.mutate(Random(number), bytes(data))[:most]

    arguments = ["fuzz", str(corpus), f"-seed={seed + 1}", f"-runs={runs or -1}", "-max_len=262144", "-rss_limit_mb=0",
                 "-timeout=0", "-verbosity=0", "-print_final_stats=0", "-handle_segv=0", "-handle_abrt=0",
                 "-handle_bus=0", "-handle_fpe=0", "-handle_ill=0", f"-artifact_prefix={folder}/"]  # fmt: skip
    atheris.Setup(arguments, one, custom_mutator=mutated)
    atheris.Fuzz()
