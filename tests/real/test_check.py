"""What `check` says of broken dumps, and what the real CRIU does with them: errors do not restore, leftovers do."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import crew
import harness
import pytest
from criu.breaking import BREAKS, Files, files_of

import objref
from objref.dialects.criu.check.judgements import FINDINGS

pytestmark = pytest.mark.real

SOUND = "sound"
SILENT = {"fdinfo", "pages_that_go_on", "areas_overlap", "newer"}
"""Restored although something is wrong: CRIU does not notice, so that memory may be wrong is not to be seen."""
TRIED = [name for name, one in BREAKS.items() if one.restores is not None]
SECONDS = 300.0
SCRIPT = r"""
for name in "$@"; do
  folder=/bind/broken/$name
  [[ ! -d $folder/2 ]] || folder=$folder/2
  rm -rf /tmp/tree && mkdir /tmp/tree && cp -a /bind/files/. /tmp/tree/
  timeout -s KILL 20 criu restore -d -D "$folder" -W /tmp -o /tmp/log -v4 --file-locks $(<"/bind/broken/$name.options") &>/dev/null
  status=$?
  alive=no
  [[ $(cat /proc/100/comm 2>/dev/null) != tree ]] || alive=yes
  echo "== $name $status $alive"
  grep -a -e Error -e BUG -e killed /tmp/log
  for pid in 100 101; do kill -KILL $pid 2>/dev/null; done
  while [[ -d /proc/100 || -d /proc/101 ]] && ((tries++ < 10000)); do :; done
done
"""


class Restored(NamedTuple):
    """What came of a restore."""

    status: int
    alive: bool
    log: str


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Restored]:
    """All of them, one after the other in one root."""
    bind = tmp_path_factory.mktemp("broken")
    for name in ("predump", "tree"):
        harness.unpack_sample(name, bind)
    (bind / "broken").mkdir()
    for name in (SOUND, *TRIED):
        files = files_of(BREAKS[name].sample if name != SOUND else "tree")
        if name != SOUND:
            BREAKS[name].edit(files)
        _lay_out(files, bind / "broken" / name)
        options = "" if name == "cgroup" else "--manage-cgroups=ignore"
        (bind / "broken" / f"{name}.options").write_text(options + " --tcp-established" * (name == "connection"))
    done = harness.run_in_root(["bash", "-c", SCRIPT, "broken", SOUND, *TRIED], bind, SECONDS)
    parts = re.split(r"^== (\S+) (\d+) (yes|no)\n", done.stdout, flags=re.M)[1:]
    return {
        name: Restored(int(status), alive == "yes", log)
        for name, status, alive, log in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True)
    }


def _lay_out(files: Files, folder: Path) -> None:
    for path, content in files.items():
        to = folder / path.partition("/")[2]
        to.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            os.symlink(content, to)
        else:
            to.write_bytes(content)


def test_the_sound_one_is_restored(restored: dict[str, Restored]) -> None:
    assert (restored[SOUND].status, restored[SOUND].alive) == (0, True), restored[SOUND].log
    assert set(restored) == {SOUND, *TRIED}


@pytest.mark.parametrize("name", TRIED)
def test_criu_does_what_is_said_of_it(name: str, restored: dict[str, Restored]) -> None:
    broken, found = BREAKS[name], restored[name]
    assert (found.status == 0 and found.alive) is broken.restores, found.log
    assert broken.restores is (broken.severity != "error") or name in SILENT or broken.severity == "warning"


@pytest.mark.parametrize(
    "name", [name for name in TRIED if BREAKS[name].what in FINDINGS and BREAKS[name].restores is False]
)
def test_it_ends_with_the_words_that_are_quoted(name: str, restored: dict[str, Restored]) -> None:
    quoted = re.findall('"(.+?)"', FINDINGS[BREAKS[name].what].meaning)
    crashed = restored[name].status > 128
    assert not quoted or crashed or any(words in restored[name].log for words in quoted), restored[name].log


def test_nothing_is_wrong_with_a_fresh_dump(tmp_path: Path) -> None:
    images = harness.dump_tree(tmp_path)
    objref.import_image(images, tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        assert list(image.check()) == []


def test_of_all_that_criu_can_dump_only_what_it_cannot_restore_is_an_error(tmp_path: Path) -> None:
    """Epolls, terminals, zombies, files and sockets in flight; and an orphan whose session leader had ended, below the
    root: CRIU dumps it and refuses to restore it (tests/real/test_extract.py)."""
    made = crew.Crew(tmp_path)
    with objref.open(made.image) as image:
        found = list(image.check())
    assert [(one.what, one.where) for one in found if one.severity == "error"] == [("session", made.task("orphan"))]
    assert {one.severity for one in found} == {"error"}
