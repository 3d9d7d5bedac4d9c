"""Pictures: folded when large, escaped whatever the image says, and drawn by Graphviz itself where it is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from graph.making import Arrow, Graph, Node, graphs, image_of, image_of_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLE

import objref
from objref.cli import main
from objref.picture import picture

DOT = shutil.which("dot")
needs_dot = pytest.mark.skipif(not DOT, reason="Graphviz is not here: apt-get install graphviz")


class View:
    """A dialect that says one line about everything."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.kinds = ()

    def brief(self, found: objref.Object) -> str:
        return self.said


def drawing(image: objref.Image, said: str = "", **options: Any) -> str:
    image._dialect = View(said)  # type: ignore[assignment]
    return picture(image.closure(range(len(image)), strengths="HSKO"), **options).dot


def svg(dot: str) -> ElementTree.Element:
    assert DOT is not None
    done = subprocess.run([DOT, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=60, check=True)
    assert done.stderr == b"", done.stderr
    return ElementTree.fromstring(done.stdout)


def boxes(drawn: ElementTree.Element) -> list[str]:
    """What is written on each."""
    groups = [g for g in drawn.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "node"]
    texts = (["".join(text.itertext()) for text in g.iter("{http://www.w3.org/2000/svg}text")] for g in groups)
    return [" ".join(" ".join(lines).split()) for lines in texts]


def test_objects_roles_loops_and_what_is_missing() -> None:
    arrows = [Arrow(0, 0, 1), Arrow(1, 0, 0), Arrow(1, 1, 2), Arrow(2, 3, 7)]
    with image_of_graph(Graph(3, arrows)) as image:
        dot = drawing(image)
    assert dot.count("->") == 4
    assert re.search(r'"node:0" -> "node:1" \[.*#b2182b', dot), "a loop is red"
    assert re.search(r'"node:1" -> "node:2" \[.*dashed', dot)
    assert "#b2182b" not in re.search(r'"node:1" -> "node:2" \[.*', dot)[0]  # type: ignore[index]
    assert '"missing node:7"' in dot
    assert "3 objects, 4 references" in dot
    assert "folded" not in dot


def test_many_of_a_kind_are_one_box() -> None:
    nodes = [Node("table", 0, [("hard", "fd", i) for i in range(100)])]
    nodes += [Node("fd", i, [("kept", "file", i % 3)]) for i in range(100)] + [Node("file", i) for i in range(3)]
    with image_of(nodes) as image:
        image._dialect = View("")  # type: ignore[assignment]
        drawn = picture(image.closure("table:0"), most=10)
        assert drawn.folded == {"fd": 100}
        assert (drawn.objects, drawn.references) == (104, 200)
        assert "<b>fd</b> × 100" in drawn.dot
        assert "hard ×100" in drawn.dot
        assert "kept ×34" in drawn.dot
        assert "folded: 100 fd" in drawn.dot
        assert picture(image.closure("table:0"), most=104).folded == {}
        only = picture(image.closure("table:0"), most=10, kinds=["table", "file"])
        assert (only.objects, only.references) == (4, 0)
        asked = picture(image.closure("fd:5"), most=4)
        assert "fd:5" in asked.dot


def test_many_that_are_missing_are_one_box() -> None:
    with image_of([Node("fd", 0, [("soft", "file", i) for i in range(50)])]) as image:
        drawn = drawing(image, most=5)
    assert "<b>not in the image</b> × 50" in drawn
    assert drawn.count("->") == 1


HOSTILE = st.text(st.characters(codec=None, exclude_categories=()), max_size=50)


@pytest.fixture(scope="module")
def pair() -> Iterator[objref.Image]:
    """One object that refers to another."""
    with image_of_graph(Graph(2, [Arrow(0, 0, 1)])) as image:
        yield image


@settings(max_examples=100, deadline=None)
@given(HOSTILE)
def test_whatever_an_image_says_stays_text(pair: objref.Image, said: str) -> None:
    dot = drawing(pair, said)
    dot.encode()
    assert not [c for c in dot if not c.isprintable() and c != "\n"]
    assert dot.count("\n") == drawing(pair).count("\n")
    assert len(re.findall(r'(?m)^  "node:\d', dot)) == 3


@needs_dot
@pytest.mark.parametrize(
    "said",
    ['"];evil [label="', "<b>&amp;</b>", "a\\", "\\N \\", "\x1b[31m\r\n\0", "\ud800", "}\n}", "é" * 99, "<!-- ", "--"],
)
def test_graphviz_draws_hostile_labels_as_they_are(pair: objref.Image, said: str) -> None:
    drawn = svg(drawing(pair, said))
    assert len(boxes(drawn)) == 2
    if said.isprintable() and len(said) < 30:
        assert boxes(drawn)[0] == " ".join(f"node:0 {said}".split())


@needs_dot
@settings(max_examples=10, deadline=None)
@given(graphs())
def test_graphviz_draws_any_graph(graph: Graph) -> None:
    with image_of_graph(graph) as image:
        assert len(boxes(svg(drawing(image)))) == graph.nodes + any(a.target == graph.nodes for a in graph.arrows)


@needs_dot
def test_hostile_names_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    names = ["back\\", '"quote', "<b>&lt;", "red\x1b[31m\nname", "\\N\\G", "]; evil", "-->"]
    for name in names:
        (folder / name).write_bytes(b"x")
    (folder / "pstree.img").write_bytes(b"\x19\x43\x56\x54\x30\x30\x27\x50\x02\x00\x00\x00\x08\x05")
    objref.import_image(folder, tmp_path / "x.objref")
    assert main(["graph", str(tmp_path / "x.objref"), "-o", str(tmp_path / "x.svg")]) == 0
    shown = boxes(ElementTree.fromstring((tmp_path / "x.svg").read_bytes()))
    assert {f"member:{name}" for name in names if name.isprintable()} <= set(shown)
    assert "member:red%1B[31m%0Aname" in shown
    assert main(["refs", str(tmp_path / "x.objref"), "member:back\\"]) == 0


# -- the commands --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real dump."""
    found = tmp_path_factory.mktemp("picture") / "tree.objref"
    objref.import_image(SAMPLE, found)
    return found


@needs_dot
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_file_is_drawn(tree: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"task.{suffix}"
    assert main(["graph", str(tree), "task:101", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(start)
    assert main(["graph", str(tree), "task:101", "-o", str(out)]) == 2, "it exists"


@needs_dot
def test_a_task_in_svg(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "task.svg"
    assert main(["graph", str(tree), "task:101", "--without", "parent", "--max-nodes", "45", "-o", str(out)]) == 0
    found = boxes(ElementTree.fromstring(out.read_bytes()))
    assert len(found) <= 45
    assert any(box.startswith("task:101") for box in found)
    assert not any(box.startswith("task:100") for box in found)
    said = capsys.readouterr()
    assert "58 objects" in said.out
    assert "folded into one box each: 20 file" in said.err


def test_dot_needs_no_graphviz(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["graph", str(tree), "-o", str(tmp_path / "all.dot")]) == 0
    assert "digraph objref" in (tmp_path / "all.dot").read_text()
    capsys.readouterr()
    assert main(["graph", str(tree), "task:100", "--kind", "task", "-o", "-"]) == 0
    assert "task:100" in capsys.readouterr().out
    assert main(["graph", str(tree), "-o", str(tmp_path / "all.svg")]) == 2
    assert "Graphviz" in capsys.readouterr().err
    assert not (tmp_path / "all.svg").exists()


def test_refs_both_ways(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refs", str(tree), "file:11", "--depth", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "file:11  UNIXSK", "└─ peer H → file:12  UNIXSK", "   └─ peer H → file:11 (loop)", "file:11 is referred to by",
    ]  # fmt: skip
    assert main(["refs", str(tree), "file:11", "--reverse", "--role", "peer"]) == 0
    assert capsys.readouterr().out == "file:11 is referred to by\n└─ peer H ← file:12  UNIXSK\n"
    assert main(["refs", str(tree), "task:100", "--lines", "1"]) == 0
    assert "only the first 1 lines" in capsys.readouterr().out
    assert main(["refs", str(tree), "member:tree/pstree.img"]) == 0
    assert capsys.readouterr().out.count("└─ nothing") == 2


def test_refs_for_machines(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert main(["refs", str(tree), "fs:101", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["role"], row["reverse"]) for row in rows] == [("cwd", False), ("root", False), ("fs", True)]
    assert rows[2] == {
        "source": "task:101", "role": "fs", "strength": "K", "target": "fs:101",
        "dangling": False, "reverse": True, "depth": 1, "mark": "",
    }  # fmt: skip
