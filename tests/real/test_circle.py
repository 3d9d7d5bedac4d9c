"""The whole circle: real processes → CRIU → objref → CRIU → the same processes, going on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import harness
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

OBJREF = [sys.executable, "-m", "objref"]
SECONDS = 20.0
ODD_TIME = 1_234_567_890_123_456_789  # a time in ns that no float, and no whole second, can hold


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to be /bind, with a fresh dump in images/ whose metadata no plain copy would make."""
    folder = tmp_path_factory.mktemp("circle")
    images = harness.dump_tree(folder)
    os.chmod(images / "files.img", 0o600)
    os.chown(images / "inventory.img", 1234, 4321)
    os.utime(images / "pstree.img", ns=(ODD_TIME, ODD_TIME))
    return folder


@pytest.fixture(scope="module", params=["sample", "live"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a chain in predump/{0,1,2}: the sample, and a fresh one where the kernel can."""
    folder = tmp_path_factory.mktemp("chain")
    if request.param == "sample":
        return harness.unpack_sample("predump", folder).parent
    if not harness.memory_tracking():
        pytest.skip("this kernel does not track changed pages (CONFIG_MEM_SOFT_DIRTY)")
    return harness.dump_chain(folder, "predump").parent


def objref(*args: str | Path) -> str:
    done = harness.run_limited([*OBJREF, *args], SECONDS)
    assert done.returncode == 0, f"objref {args[0]}: {done.stderr}"
    return done.stdout


def data_ranges(path: Path) -> Iterator[tuple[int, int]]:
    """The byte ranges of a file that are not holes."""
    with open(path, "rb") as file:
        end, size = 0, path.stat().st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start, end


def facts(path: Path) -> tuple[Any, ...]:
    """All that `diff` does not compare."""
    stat = path.lstat()
    plain = path.is_file() and not path.is_symlink()
    target = os.readlink(path) if path.is_symlink() else None
    holes = list(data_ranges(path)) if plain else None
    return oct(stat.st_mode), stat.st_uid, stat.st_gid, stat.st_mtime_ns, target, holes


def assert_same(original: Path, exported: Path, *, holes: bool = True) -> None:
    diff = harness.run_limited(["diff", "-r", "--no-dereference", original, exported], SECONDS)
    assert diff.returncode == 0, diff.stdout + diff.stderr
    for path in sorted(original.rglob("*")):
        name = path.relative_to(original)
        ours, theirs = facts(path), facts(exported / name)
        assert (ours if holes else ours[:-1]) == (theirs if holes else theirs[:-1]), name


def assert_goes_on(bind: Path, images: Path) -> None:
    assert harness.restore_and_check(bind, images).problems() == []


def test_the_harness_itself_tells_a_live_tree_from_a_fresh_one(bind: Path) -> None:
    evidence = harness.restore_and_check(bind, bind / "images")
    assert evidence.problems() == []
    assert set(evidence.found) == {
        "pipe", "stream", "datagrams", "eventfd", "regular", "ghost", "posix_lock", "flock",
    }  # fmt: skip
    stopped = harness.Evidence(evidence.before, evidence.before, evidence.found | {"pipe": False})
    assert len(stopped.problems()) == 1 + len(stopped.counters(stopped.before))
    assert len(evidence.problems("another secret")) == 2


def test_the_sample_goes_on(tmp_path: Path) -> None:
    assert_goes_on(tmp_path, harness.unpack_sample("tree", tmp_path))


def test_a_dump_comes_back_the_same_and_goes_on(bind: Path) -> None:
    objref("import", bind / "images", "-o", bind / "tree.objref")
    objref("export", bind / "tree.objref", "-o", bind / "export")
    assert_same(bind / "images", bind / "export")
    assert_goes_on(bind, bind / "export")


def test_a_dump_goes_through_pipes(bind: Path) -> None:
    image, export = bind / "piped.objref", bind / "piped"
    export.mkdir()
    archive: list[str | Path] = ["tar", "-C", bind / "images", "--format=posix", "-cf", "-", "."]
    harness.run_piped(archive, [*OBJREF, "import", "-", "-o", image], SECONDS)
    unpack: list[str | Path] = ["tar", "-C", export, "--numeric-owner", "-xpf", "-"]
    harness.run_piped([*OBJREF, "export", image, "-o", "-"], unpack, SECONDS)
    assert_same(bind / "images", export, holes=False)  # a plain tar has none
    assert_goes_on(bind, export)


def test_a_chain_comes_back_side_by_side_and_its_newest_goes_on(chain: Path) -> None:
    objref("import", chain / "predump" / "2", "-o", chain / "chain.objref")
    objref("export", chain / "chain.objref", "-o", chain / "export")
    assert_same(chain / "predump", chain / "export")
    assert_goes_on(chain, chain / "export" / "2")


def test_a_deduplicated_chain_keeps_its_holes(tmp_path: Path) -> None:
    dumps = harness.unpack_sample("predump", tmp_path)
    done = harness.run_in_root(["criu", "dedup", "-D", "/bind/predump/2", "-o", "/tmp/log"], tmp_path, SECONDS)
    assert done.returncode == 0, done.stderr
    pages = dumps / "0" / "pages-1.img"
    assert sum(end - start for start, end in data_ranges(pages)) < pages.stat().st_size, "criu made no hole"
    objref("import", dumps / "2", "-o", tmp_path / "chain.objref")
    objref("export", tmp_path / "chain.objref", "-o", tmp_path / "export")
    assert_same(dumps, tmp_path / "export")
    assert_goes_on(tmp_path, tmp_path / "export" / "2")


CRIT_SHOW = """
mkdir /bind/crit
cd /bind/images
ls | xargs -P 4 -I {} sh -c 'crit show "{}" >"/bind/crit/{}" 2>/dev/null || rm "/bind/crit/{}"'
"""


def named_as_in_4_2(shown: Any) -> Any:
    """CRIU 4.2 calls pagemap_entry's field 2 compat_nr_pages (nr_pages is field 5 now); the root has 4.1.1's crit."""
    for entry in shown["entries"] if shown["magic"] == "PAGEMAP" else []:
        if "nr_pages" in entry and "compat_nr_pages" not in entry:
            entry["compat_nr_pages"] = entry.pop("nr_pages")
    return shown


def test_show_says_what_crit_says(bind: Path) -> None:
    done = harness.run_in_root(["bash", "-c", CRIT_SHOW], bind, 2 * SECONDS)
    assert done.returncode == 0, done.stderr
    shown = {path.name for path in (bind / "crit").iterdir()}
    silent = {path.name for path in (bind / "images").iterdir()} - shown
    assert all(name.startswith("pages-") for name in silent), silent  # raw memory: crit has no words for it
    objref("import", bind / "images", "-o", bind / "show.objref")
    for name in sorted(shown):
        theirs = named_as_in_4_2(json.loads((bind / "crit" / name).read_text()))
        assert json.loads(objref("show", bind / "show.objref", f"member:{name}", "--json")) == theirs, name


def test_a_time_limit_ends_the_whole_root(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        harness.run_in_root(["bash", "-c", "while sleep 0.05; do : >/bind/alive; done"], tmp_path, 1.0)
    beat = tmp_path / "alive"
    beat.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not beat.exists(), "something inside the root outlived it"
