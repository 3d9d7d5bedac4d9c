"""META is JSON of any shape: no verb may stumble over it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samples import Forger, small_image

import objref
from objref.cli import main
from objref.container import format as f

SHAPES = [
    {name: value}
    for name in ("dialect", "source", "layers", "partial", "options", "libraries", "pages", "producer", "notes_left_out",
                 "packed_from")
    for value in (None, 5, "\x1b[2J", [1, [2], {"a": 3}], {"kind": 7, "compression": [1]},
                  {"kind": "directory"}, {"all": 3}, [{"where": 1, "text": {}}])
]  # fmt: skip
VERBS = ("info", "info --json", "ls", "ls all", "ls item --json", "verify", "show item:11", "refs item:11 --depth 2",
         "export -o {new}", "export --as native -o {new}", "export --as directory -o {new}", "repack -o {new}",
         "extract item:11 -o {new}", "graph item:11", "get item:11")  # fmt: skip


def forged(meta: object) -> bytes:
    """An image with this META, as long as what was there."""
    forger = Forger(small_image("raw", plain_tables=True))
    table = forger.table("META")
    text = json.dumps(meta).encode()
    assert len(text) <= table.length
    assert table.codec == f.RAW
    forger.data[table.offset : table.offset + table.length] = text.ljust(table.length)
    return forger.seal()


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_stumbles(verb: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.objref"
    for number, meta in enumerate(SHAPES):
        path.write_bytes(forged(meta))
        name, *rest = verb.format(new=tmp_path / f"new{number}").split()
        code = main([name, str(path), *rest])  # an exception would come through
        out, err = capfd.readouterr()
        assert code in (0, 1, 2, 4, 5, 6), (meta, err)
        assert all(c.isprintable() or c == "\n" for c in out + err), meta
        assert bool(err) or code == 0, meta


def test_every_shape_opens() -> None:
    for meta in SHAPES:
        with objref.open(forged(meta)) as image:
            assert image.meta == json.loads(json.dumps(meta))
            assert isinstance(image.layers, list)
            assert isinstance(image.partial, list)
