"""The real CRIU, for tests: dump a small process tree, restore it somewhere new, hear what it remembers.

Every command runs in a fresh `.ci/criu-root run` under a time limit, and everything it started ends with it:
the only process killed here is the one that was started here, and its namespaces go with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Evidence",
    "build_program",
    "criu_root_available",
    "dump_chain",
    "dump_tree",
    "memory_tracking",
    "restore_and_check",
    "run_in_root",
    "run_limited",
    "run_piped",
    "unpack_sample",
]

HERE = Path(__file__).resolve().parent
CRIU_ROOT_SCRIPT = HERE.parents[1] / ".ci" / "criu-root"
SAMPLES = HERE.parent / "images"
SECRET = "kept in memory only"
SECONDS = 20.0


def run_limited(
    cmd: Sequence[str | Path], timeout: float, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; when the time is up it is killed, by its id. The status is for the caller to check."""
    return subprocess.run(
        [str(part) for part in cmd],
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=None if env is None else os.environ | env,
    )


def run_piped(first: Sequence[str | Path], second: Sequence[str | Path], timeout: float) -> None:
    """Run `first | second`: both must end well, and in time; neither is left behind when one does not."""
    with subprocess.Popen([str(part) for part in first], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as source:
        assert source.stdout is not None
        try:
            subprocess.run([str(part) for part in second], stdin=source.stdout, timeout=timeout, check=True)
            source.stdout.close()  # not before: a source that still writes shall see that nobody reads
            if source.wait(timeout):
                raise subprocess.CalledProcessError(source.returncode, source.args)
        finally:
            source.kill()


def run_in_root(
    cmd: Sequence[str], bind: Path, timeout: float, runner: Path = CRIU_ROOT_SCRIPT
) -> subprocess.CompletedProcess[str]:
    """Run a command in a fresh CRIU root with `bind` as its /bind. `runner`: .ci/criu-root or guest."""
    verb = ["run"] if runner == CRIU_ROOT_SCRIPT else []
    return run_limited([runner, *verb, *cmd], timeout, {"CRIU_BIND": str(bind)})


@cache
def criu_root_available() -> str | None:
    """None when the real CRIU can run here, otherwise the reason why it cannot."""
    try:
        done = run_in_root(["criu", "check"], HERE, SECONDS)
    except subprocess.TimeoutExpired:
        return f"`criu check` did not end within {SECONDS:.0f} s"
    if done.returncode:
        return (done.stderr.strip() or f"`criu check` ended with {done.returncode}").splitlines()[-1]
    return None


@cache
def memory_tracking() -> bool:
    """Whether this kernel tracks changed pages (CONFIG_MEM_SOFT_DIRTY), which only pre-dumps need."""
    return run_in_root(["criu", "check", "--feature", "mem_dirty_track"], HERE, SECONDS).returncode == 0


def build_program(to: Path, source: Path = HERE / "tree.c") -> None:
    """Compile a program, static: nothing but the one file has to be there at a restore."""
    compiler = shutil.which("musl-gcc") or shutil.which("gcc") or "cc"  # musl: 50 KB instead of 780
    done = run_limited([compiler, "-static", "-Os", "-s", "-pthread", "-o", to, source], 60)
    if done.returncode:
        raise RuntimeError(f"{compiler} could not build {source.name}: {done.stderr}")


def _step(bind: Path, timeout: float, *step: str, runner: Path = CRIU_ROOT_SCRIPT) -> str:
    script = (HERE / "steps.sh").read_text()
    done = run_in_root(["bash", "-c", script, "steps", *step], bind, timeout, runner)
    if done.returncode:
        raise RuntimeError(f"{step[0]} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def _ready(bind: Path) -> None:
    if not (bind / "program").exists():
        build_program(bind / "program")


def dump_tree(bind: Path, name: str = "images", timeout: float = SECONDS, runner: Path = CRIU_ROOT_SCRIPT) -> Path:
    """Start the tree and dump it into bind/NAME; its open files are kept in bind/files. Returns bind/NAME."""
    _ready(bind)
    _step(bind, timeout, "dump", name, SECRET, runner=runner)
    return bind / name


def dump_chain(bind: Path, name: str = "dumps", timeout: float = SECONDS, runner: Path = CRIU_ROOT_SCRIPT) -> Path:
    """The same in three rounds: bind/NAME/0 and 1 are pre-dumps, 2 the dump, tied by `parent` links."""
    _ready(bind)
    _step(bind, timeout, "predump", name, SECRET, runner=runner)
    return bind / name


def unpack_sample(name: str, bind: Path) -> Path:
    """Unpack tests/images/NAME.tar.zst to bind/NAME, which is returned, and what a restore needs to bind."""
    import zstandard

    for archive in (f"{name}.tar.zst", f"{name}.files.tar.zst"):
        with (
            open(SAMPLES / archive, "rb") as packed,
            zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed) as raw,
            tarfile.open(fileobj=raw, mode="r|") as tar,
        ):
            tar.extractall(bind, filter="tar")
    return bind / name


@dataclass(frozen=True)
class Evidence:
    """What the tree itself said: its last reports before the dump, later ones after, what it still holds."""

    before: dict[str, dict[str, Any]]
    after: dict[str, dict[str, Any]]
    found: dict[str, bool]

    def counters(self, when: dict[str, dict[str, Any]]) -> dict[str, int]:
        """All counters of one moment: the private ones, and the shared ones as each process saw them."""
        counts = {"thread": when["parent"]["thread"]}
        for process, report in when.items():
            counts[f"{process} private"] = report["private"]
            counts |= {f"{slot} as {process} sees it": n for slot, n in report["shared"].items()}
        return counts

    def problems(self, secret: str = SECRET) -> list[str]:
        """Everything that shows that the processes did not go on as they were; empty when they did."""
        before, after = self.counters(self.before), self.counters(self.after)
        wrong = [f"{name} stands at {n}, was {before[name]}" for name, n in after.items() if n <= before[name]]
        wrong += [f"{name} is not as it was" for name, intact in self.found.items() if not intact]
        for name, said in self.after.items():
            expected = self.before[name] | {"memory": True, "secret": secret}
            fields = ("pid", "memory", "secret")
            wrong += [f"{name}: {key} is {said[key]!r}" for key in fields if said[key] != expected[key]]
        return wrong


def restore_and_check(bind: Path, images_dir: Path, timeout: float = SECONDS) -> Evidence:
    """Restore a dump (a folder in `bind`) with bind/files in a fresh root; return what the tree then says."""
    said = json.loads(_step(bind, timeout, "restore", str(images_dir.relative_to(bind))))
    found = {name: intact for verdict in said["found"] for name, intact in verdict.items()}
    return Evidence(said["before"], said["after"], found)
