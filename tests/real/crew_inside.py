"""What happens inside the root: python3 -c "$(<crew_inside.py)" STEP JSON (crew.py does so). /bind holds the program and
what it had open (files/). Prints one JSON object."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SAID = json.loads(sys.argv[2])
DIR, LOG = Path("/tmp", SAID.get("dir", "crew")), Path("/tmp/criu.log")
COUNT = SAID.get("count", "count")
"""The field of a report that goes up."""
COMMON = ["-W", "/tmp", "-o", str(LOG), "-v4"]
HIGH_PIDS = 5000
"""For CRIU's own helpers: the small pids are those of the crew."""


def next_pid(n):
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(n))


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (got := what()) is not None:
            return got
        time.sleep(0.01)
    return None


def report(name, suffix="json"):
    with contextlib.suppress(FileNotFoundError):
        return json.loads((DIR / f"{name}.{suffix}").read_text())
    return None


def counted(name, more):
    """The report of a process once it has counted so much."""
    found = report(name)
    return found if found is not None and found[COUNT] >= more else None


def errors():
    lines = LOG.read_text(errors="replace").splitlines() if LOG.exists() else []
    return [line for line in lines if "Error" in line and "RLIMIT_NOFILE" not in line][:8]


def dump(said):
    """Start the crew, wait until all have counted, dump."""
    DIR.mkdir()
    shutil.copy("/bind/crew", DIR / "crew")
    next_pid(99)
    words = ["setsid", "env", "-i", *said["around"], "setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    program = subprocess.Popen([*words, str(DIR / "crew"), str(DIR)], cwd="/", **quiet)
    late = [name for name in said["names"] if wait_for(lambda name=name: counted(name, 5)) is None]
    images = Path("/bind", said["folder"])
    images.mkdir()
    next_pid(HIGH_PIDS)
    done = subprocess.run(["criu", "dump", "-t", str(program.pid), "-D", str(images), "--manage-cgroups=ignore",
                           "--file-locks", *COMMON], timeout=60)  # fmt: skip
    shutil.copytree(DIR, "/bind/files", symlinks=True, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    return {"late": late, "status": done.returncode, "errors": errors()}


def revive(said):
    """Restore with the words that objref printed; what the processes say before, after, and of what they hold."""
    shutil.copytree("/bind/files", DIR, symlinks=True)
    for path in DIR.glob("*.verdict"):
        path.unlink()
    before = {name: report(name) for name in said["names"]}
    mine = pipe_at_3(said["inherit"])
    next_pid(HIGH_PIDS)
    try:
        done = subprocess.run([*said["words"], *COMMON], timeout=said["seconds"], pass_fds=[3] if mine else [],
                              start_new_session=True)  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"status": "hangs", "errors": errors()}
    if mine:
        os.close(3)
    if done.returncode:
        return {"status": done.returncode, "errors": errors()}
    names = said["names"]
    after = {name: wait_for(lambda name=name: counted(name, before[name][COUNT] + 5)) for name in names}
    if said["inherit"] == "reading":
        os.write(mine, b"from outside")
    for name in names:
        if after[name] is not None:
            os.kill(after[name]["pid"], signal.SIGUSR1)
    verdict = {name: wait_for(lambda name=name: report(name, "verdict")) for name in names if after[name]}
    heard = os.read(mine, 100).decode() if said["inherit"] == "writing" else None
    return {"status": 0, "errors": errors(), "before": before, "after": after, "verdict": verdict, "heard": heard,
            "processes": processes(), "answer": ask() if "server" in names else None}  # fmt: skip


def pipe_at_3(way):
    """A pipe whose end for that way is descriptor 3; returns the other end, 0 if none is wanted."""
    if not way:
        return 0
    reads, writes = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in os.pipe())
    os.dup2(writes if way == "writing" else reads, 3)
    return reads if way == "writing" else writes


SHELL = """
while :; do echo tick; read -t 0.02 -u 9 _; done 9<> <(:) | sed -u s/tick/tock/ | cat >>/tmp/crew/lines &
wait
"""


def shell(said):
    """A shell with a pipeline in the background, dumped once lines come out of it."""
    DIR.mkdir()
    next_pid(99)
    words = ["setsid", "env", "-i", "setpriv", "--bounding-set=-all", "--inh-caps=-all", "bash", "-mc", SHELL]
    program = subprocess.Popen(words, cwd="/", **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL))
    wait_for(lambda: lines() or None)
    images = Path("/bind", said["folder"])
    images.mkdir()
    pids = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    next_pid(HIGH_PIDS)
    done = subprocess.run(["criu", "dump", "-t", str(program.pid), "-D", str(images), "--manage-cgroups=ignore", *COMMON],
                          timeout=60)  # fmt: skip
    shutil.copytree(DIR, "/bind/files")
    return {"status": done.returncode, "errors": errors(), "pids": pids}


def pipeline(said):
    """Restore the pipeline; the lines that came out of it since."""
    shutil.copytree("/bind/files", DIR)
    before = len(lines())
    next_pid(HIGH_PIDS)
    done = subprocess.run([*said["words"], *COMMON], timeout=30)
    wait_for(lambda: len(lines()) > before + 5 or None)
    return {"status": done.returncode, "errors": errors(), "lines": lines()[before:], "shell": "100" in processes()}


def lines():
    path = DIR / "lines"
    return path.read_text().splitlines() if path.exists() else []


def ask():
    """A client of the restored server."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect(str(DIR / "crew.sock"))
        return json.loads(client.makefile().read())


def processes():
    """pid → (state, sid) of all that are there and not ours."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and 100 <= int(path.name) < HIGH_PIDS:
            with contextlib.suppress(OSError):
                words = (path / "stat").read_text().rpartition(")")[2].split()
                found[path.name] = [words[0], int(words[3])]
    return found


STEPS = {"dump": dump, "revive": revive, "shell": shell, "pipeline": pipeline}
print(json.dumps(STEPS[sys.argv[1]](SAID)))
