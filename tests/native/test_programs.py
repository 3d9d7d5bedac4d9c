"""What the thread was promised: an image in a pipe is compressed, encrypted, sent, signed, with the programs that are there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native.leaving import leave
from samples import SAMPLE

import objref

OBJREF = f'objref() {{ {shlex.quote(sys.executable)} -m objref "$@"; }}; '
BASH = shutil.which("bash")


def need(*programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing or BASH is None:
        pytest.skip(f"{', '.join(missing) or 'bash'} is not installed")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command line of bash, whose status is that of the first part that failed."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", OBJREF + line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    objref.import_image(SAMPLE, tmp_path / "x.objref")
    return tmp_path


def same(folder: Path) -> bool:
    return (folder / "x.objref").read_bytes() == (folder / "y.objref").read_bytes()


def test_through_a_pipe(folder: Path) -> None:
    done = shell("objref export x.objref --as native -o - | objref import - -o y.objref", folder)
    assert done.returncode == 0, done.stderr
    assert "from a native stream" in done.stdout
    assert same(folder)


@pytest.mark.parametrize("program", ["zstd -q", "gzip", "xz -1"])
def test_compressed_and_recognized(folder: Path, program: str) -> None:
    need(program.split()[0])
    done = shell(f"objref export x.objref --as native -o - | {program} | objref import - -o y.objref", folder)
    assert done.returncode == 0, done.stderr
    assert same(folder)


GPG = "gpg --batch --yes --quiet --homedir home --pinentry-mode loopback --passphrase-file secret"


def test_compressed_and_encrypted_with_gpg(folder: Path) -> None:
    need("zstd", "gpg")
    (folder / "home").mkdir(mode=0o700)
    (folder / "secret").write_text("the passphrase of a test")
    out = f"objref export x.objref --as native -o - | zstd -q | {GPG} --symmetric > sent"
    assert (done := shell(out, folder)).returncode == 0, done.stderr
    assert b"tree" not in (folder / "sent").read_bytes()
    back = f"{GPG} --decrypt sent | zstd -dq | objref import - -o y.objref"
    done = shell(back, folder)
    shell("gpgconf --homedir home --kill gpg-agent", folder)  # gpg started it
    assert done.returncode == 0, done.stderr
    assert same(folder)


def test_compressed_and_encrypted_with_age(folder: Path) -> None:
    need("zstd", "age", "age-keygen")
    assert shell("age-keygen -o key", folder).returncode == 0
    line = (
        "objref export x.objref --as native -o - | zstd -q | age -r $(age-keygen -y key) "
        "| age -d -i key | zstd -dq | objref import - -o y.objref"
    )
    assert (done := shell(line, folder)).returncode == 0, done.stderr
    assert same(folder)


@pytest.mark.parametrize(
    "damage", ["head -c -1000 sent", "head -c 20000 sent", "head -c 9000 sent; tail -c +9002 sent", "tail -c +300 sent"]
)
def test_encrypted_and_damaged_on_the_way(folder: Path, damage: str) -> None:
    """What decrypts gives out what is sound and stops; what arrived of the image is less than the image, and refused."""
    need("zstd", "age", "age-keygen")
    line = (
        "age-keygen -o key && objref export x.objref --as native -o - | zstd -q | age -r $(age-keygen -y key) > sent && "
        "{ DAMAGE; } | age -d -i key | zstd -dq | objref import - -o y.objref"
    )
    done = shell(line.replace("DAMAGE", damage), folder)
    assert done.returncode == 4, done.stderr
    assert re.search(r"cut at byte|empty; expected", done.stderr)
    assert not (folder / "y.objref").exists()


SIGN = "ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -q -Y sign -f key -n objref x.seal"
ALLOW = "printf 'tester %s\\n' \"$(cat key.pub)\" > allowed"
VERIFY = "ssh-keygen -Y verify -f allowed -I tester -n objref -s x.seal.sig < x.seal"


def test_signed_and_taken_only_as_it_was_signed(folder: Path) -> None:
    """The seal is signed, 65 bytes; whoever has it and the signature takes that very image, whatever the way."""
    need("ssh-keygen")
    line = f"objref export x.objref --as native -o x.native --seal x.seal && {SIGN} && {ALLOW} && {VERIFY}"
    assert (done := shell(line, folder)).returncode == 0, done.stderr
    take = f"{VERIFY} && cat x.native | objref import - -o y.objref --seal x.seal"
    assert (done := shell(take, folder)).returncode == 0, done.stderr
    assert same(folder)
    (folder / "y.objref").unlink()
    objref.import_image(SAMPLE.parent / "predump.tar.zst", folder / "z.objref")
    (folder / "x.native").write_bytes(leave(folder / "z.objref"))
    done = shell(take, folder)
    assert done.returncode == 4
    assert "its seal is" in done.stderr
    assert not (folder / "y.objref").exists()
    (folder / "x.seal").write_text("0" * 64 + "\n")
    assert shell(VERIFY, folder).returncode != 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("head -c 100000 x.native", "cut at byte 100000"),
        ("head -c -1 x.native", "whole up to byte"),
        ("sed -e '0,/pstree/s//PSTREE/' x.native", "damaged"),
        ("{ head -c 3000 x.native; cat x.native; }", "frame"),
        ("{ head -c 3000 x.native; tail -c +6001 x.native; head -c 6000 x.native | tail -c 3000; }", "frame 0 at byte 32"),
        ("{ head -c 3000 x.native; tail -c +3002 x.native; }", "frame 0 at byte 32"),
        ("cat x.native x.native", "bytes follow"),
    ],
)
def test_on_the_way_something_happens(folder: Path, damage: str, said: str) -> None:
    (folder / "x.native").write_bytes(leave(folder / "x.objref"))
    done = shell(f"set +o pipefail; {damage} | objref import - -o y.objref", folder)
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "y.objref").exists()


def test_what_came_is_kept(folder: Path) -> None:
    (folder / "x.native").write_bytes(leave(folder / "x.objref"))
    done = shell("head -c 300000 x.native | objref import - -o y.objref --keep-partial", folder)
    assert done.returncode == 0, done.stderr
    assert "partial" in done.stdout
    done = shell("objref info y.objref", folder)
    assert "cut at byte 300000" in done.stdout.replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("objref export x.objref -o - --seal s", 2),
        ("objref import x.native -o y.objref --seal missing", 7),
        ("objref import x.native -o y.objref --seal x.objref", 2),
        ("objref export x.objref --as native -o .", 2),
        ("objref export x.objref --as native -o x.native", 2),
        ("objref index x.native", 4),
        ("objref export x.objref --as native -o - | head -c 5000 > /dev/null", 141),
    ],
)
def test_mistakes(folder: Path, line: str, code: int) -> None:
    (folder / "x.native").write_bytes(leave(folder / "x.objref"))
    done = shell(line, folder)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
