"""The command as a process among others: closed descriptors, full disks, odd locales, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import objref

COMMAND = f"{sys.executable} -m objref"


def shell(line: str, **environment: str) -> tuple[int, str, str]:
    """A line for sh, in which $O is objref."""
    done = subprocess.run(
        ["sh", "-c", line.replace("$O", COMMAND)], capture_output=True, timeout=60, env=os.environ | environment
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize("verb", ["refs {} task:101", "refs --help", "show {} member:tree/pages-1.img", "--help"])
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_output_that_is_not_utf8_escapes_what_it_has_not(image: Path, environment: dict[str, str], verb: str) -> None:
    code, out, err = shell(f"$O {verb.format(image)}", **environment)
    assert (code, err) == (0, "")
    assert out


def test_a_closed_output_is_an_error_only_when_there_is_output(image: Path, tmp_path: Path) -> None:
    for line in ("info {}", "get {} file:6", "export {} -o -", "--version", "--help", "completion bash"):
        code, _, err = shell(f"$O {line.format(image)} >&-")
        assert code == 7, line
        assert "output: it is closed" in err or "output: cannot write" in err, err
        assert "Traceback" not in err
    assert shell(f"$O verify {image} --quiet >&-") == (0, "", "")
    assert shell(f"$O get {image} file:6 -o {tmp_path}/f >&-") == (0, "", "")
    with objref.open(image) as opened:
        assert (tmp_path / "f").read_bytes() == opened.object("file:6").bytes


def test_messages_go_nowhere_when_standard_error_is_closed(image: Path) -> None:
    for line in ("info /nowhere", f"get {image} nope:1", f"get {image}", "index /nowhere"):
        code, out, _ = shell(f"$O {line} 2>&-")
        assert code in (2, 3, 7)
        assert out == ""


def test_a_closed_input_is_one_clear_line(tmp_path: Path) -> None:
    for line in (f"import - -o {tmp_path}/x", "convert --to v23-rc2"):
        code, _, err = shell(f"$O {line} <&-")
        assert code == 7, err
        assert "Bad file descriptor" in err
        assert len(err.splitlines()) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("line", ["--version", "--help", "info --help", "info {}", "ls {} all", "get {} file:6"])
def test_a_full_disk_behind_the_output_is_said_once(image: Path, line: str) -> None:
    code, _, err = shell(f"$O {line.format(image)} >/dev/full")
    assert (code, err) == (7, "objref: output: No space left on device\n")


def test_the_code_tells_even_when_messages_cannot_be_written() -> None:
    assert shell("$O info /nowhere 2>/dev/full") == (7, "", "")


def test_an_interrupt_while_the_command_is_loaded_is_quiet() -> None:
    code = (
        "import sys, builtins\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'objref.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from objref.__main__ import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "objref", "import", "-", "-o", tmp_path / "x"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"objref: interrupted; nothing was left\n")
    assert os.listdir(tmp_path) == []


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; from objref.cli import main; main(['--version']); signal.raise_signal(signal.SIGHUP)"
    code = code.replace("main([", "signal.signal(signal.SIGHUP, signal.SIG_IGN); main([")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
