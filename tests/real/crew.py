"""The crew (crew.c) under the real CRIU: dumped once, and any part of it restored, each time in a fresh root."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import harness

HERE = Path(__file__).resolve().parent
OBJREF = [sys.executable, "-m", "objref"]
SECONDS = 120.0
PATIENCE = 30.0
"""Seconds that a restore may take before it is said to hang."""
ALL = (
    "master", "writer", "reader", "stream", "datagrams", "epoller", "terminal", "shared", "files", "watcher", "owned",
    "server", "tick", "tock", "leader", "left", "right", "orphan",
)  # fmt: skip


@dataclass(frozen=True)
class Revived:
    """What came of a restore. `status`: criu's, or "hangs"."""

    status: int | str
    errors: list[str]
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    verdict: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: dict[str, list[Any]] = field(default_factory=dict)
    """pid → state and session of all that were there."""
    heard: str | None = None
    answer: dict[str, Any] | None = None

    def problems(self) -> str:
        """Everything that shows that the processes did not go on as they were; "" when they did."""
        if self.status != 0:
            return "\n".join([f"criu: {self.status}", *self.errors])
        wrong = []
        for name, was in self.before.items():
            now = self.after.get(name)
            if now is None:
                wrong.append(f"{name} does not go on")
            elif not now["memory"] or now["pid"] != was["pid"]:
                wrong.append(f"{name} is not what it was: {now}")
            else:
                wrong += [f"thread {i} of {name} stands" for i in (0, 1) if 0 < was["threads"][i] >= now["threads"][i]]
        return "\n".join(wrong)


@dataclass(frozen=True)
class Extracted:
    """What `objref extract` said and made."""

    folder: Path
    said: str
    words: list[str]


class Crew:
    """A dump of the crew in bind/images, imported as bind/crew.objref."""

    def __init__(self, bind: Path, *, around: tuple[str, ...] = ()) -> None:
        self.bind = bind
        self.image = bind / "crew.objref"
        harness.build_program(bind / "crew", HERE / "crew.c")
        said = self.inside("dump", folder="images", names=ALL, around=around)
        if said["late"] or said["status"]:
            raise RuntimeError(f"the crew could not be dumped: {said}")
        objref("import", bind / "images", "-o", self.image, "--quiet")
        self.pids = {name: self.report(name)["pid"] for name in ALL}

    def report(self, name: str) -> dict[str, Any]:
        """What a process said last before the dump."""
        found: dict[str, Any] = json.loads((self.bind / "files" / f"{name}.json").read_text())
        return found

    def inside(self, step: str, **said: Any) -> dict[str, Any]:
        """A step of crew_inside.py."""
        return inside(self.bind, step, **said)

    def task(self, name: str) -> str:
        """The objref of a process."""
        return f"task:{self.pids[name]}"

    def extract(self, *names: str, cut: str = "", to: str = "", flags: tuple[str, ...] = ()) -> Extracted:
        """Processes to bind/TO."""
        folder = self.bind / f"part-{to or '-'.join(names)}"
        shutil.rmtree(folder, ignore_errors=True)
        return extract(self.image, folder, *map(self.task, names), cut=cut, flags=flags)

    def revive(self, made: Extracted, *names: str, inherit: str = "", seconds: float = PATIENCE) -> Revived:
        """Restore with the command line that extract printed, in a root where nothing of the crew runs."""
        return revive(self.bind, made.words, *names, inherit=inherit, seconds=seconds)

    def alone(self, *names: str, cut: str = "", inherit: str = "", flags: tuple[str, ...] = ()) -> Revived:
        """Extract and restore these processes."""
        return self.revive(self.extract(*names, cut=cut, flags=flags), *names, inherit=inherit)


def objref(*args: str | Path) -> str:
    """A command that must end well; what it printed. In this process: most of what a command takes is its start."""
    from objref.cli import main

    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        status = main([str(word) for word in args])
    assert status == 0, f"objref {args[0]}: {said.getvalue()}{complaint.getvalue()}"
    return said.getvalue()


def extract(image: Path, folder: Path, *tasks: str, cut: str = "", flags: tuple[str, ...] = ()) -> Extracted:
    """`objref extract`, which must end well."""
    said = objref("extract", image, *tasks, "-o", folder, *(["--cut", cut] if cut else []), *flags)
    line = next(line for line in said.splitlines() if line.startswith("restore: "))
    words = [word.replace(str(folder.parent), "/bind") for word in shlex.split(line.removeprefix("restore: "))]
    return Extracted(folder, said, words)


def inside(bind: Path, step: str, **said: Any) -> dict[str, Any]:
    """A step of crew_inside.py, in a fresh root."""
    script = (HERE / "crew_inside.py").read_text()
    done = harness.run_in_root(["python3", "-c", script, step, json.dumps(said)], bind, SECONDS)
    if done.returncode:
        raise RuntimeError(f"{step} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def revive(
    bind: Path, words: list[str], *names: str, inherit: str = "", seconds: float = PATIENCE, **more: Any
) -> Revived:
    """Run criu with these words; hear what the processes of these names say."""
    return Revived(**inside(bind, "revive", words=words, names=names, inherit=inherit, seconds=seconds, **more))


def restores(folder: str, *options: str) -> list[str]:
    """The words for a restore of bind/FOLDER that nobody printed."""
    return ["criu", "restore", "-d", "-D", f"/bind/{folder}", "--manage-cgroups=ignore", *options]


def edit(path: Path, message: str, change: Any) -> None:
    """The naive way: the items of an image file, changed by hand (None: left out)."""
    from objref.dialects.criu.schema import message_class

    data, items = path.read_bytes(), []
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        item = message_class(message).FromString(data[at + 4 : at + 4 + size])
        at += 4 + size
        if change(item) is not None:
            items.append(item.SerializeToString())
    path.write_bytes(data[:8] + b"".join(len(item).to_bytes(4, "little") + item for item in items))


def copy_of(folder: Path, name: str) -> Path:
    """A copy beside it, for the naive way."""
    to = folder.parent / name
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


def refused(*args: str | Path) -> tuple[str, str]:
    """A command that must not end well, and must say why without a traceback: what it printed, what it complained."""
    done = harness.run_limited([*OBJREF, *args], SECONDS)
    assert done.returncode not in (0, 1), done.stdout
    assert "Traceback" not in done.stderr
    return " ".join(done.stdout.split()), done.stderr
