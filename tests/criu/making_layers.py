"""Layers and memory: chains of parents, page sizes, holes."""

from __future__ import annotations

from criu.making import (
    LAZY,
    PAGE,
    PARENT,
    PRESENT,
    Folder,
    Link,
    Scene,
    Sparse,
    add_task,
    image,
    item,
    members_of,
    message,
    page,
    scene,
    small,
)

# -- layers ---------------------------------------------------------------------------------------------------


def _predump(name: str, layer: int, entries: list[dict[str, int]], content: bytes, parent: str = "") -> Folder:
    f = Folder(name, layer)
    f.write(
        "inventory.img",
        item("inventory:0", "inventory_entry", {"img_version": 0, "dump_uptime": 9, "pre_dump_mode": 1}),
    )
    f.pagemap(10, 1, *entries)
    f.pages(1, content)
    if parent:
        f.files["parent"] = Link(parent)
    return f


def _chain() -> tuple[Folder, Folder, Folder]:
    """Three layers; ranges of the parents are cut otherwise than those that ask for them."""
    low = _predump(
        "c/0",
        2,
        [{"vaddr": 0x1000, "nr_pages": 3, "flags": PRESENT}, {"vaddr": 0x4000, "nr_pages": 5, "flags": PRESENT}],
        b"".join(map(page, range(10, 18))),
    )
    middle = _predump(
        "c/1",
        1,
        [
            {"vaddr": 0x1000, "nr_pages": 1, "flags": PRESENT},
            {"vaddr": 0x2000, "nr_pages": 4, "flags": PARENT},
            {"vaddr": 0x6000, "nr_pages": 1, "flags": PRESENT},
            {"vaddr": 0x7000, "nr_pages": 2, "in_parent": True},
        ],
        page(21) + page(22),
        parent="../0",
    )
    top = small("c/2")
    top.pagemap(
        10, 1, {"vaddr": 0x1000, "nr_pages": 7, "flags": PARENT}, {"vaddr": 0x8000, "nr_pages": 1, "flags": PRESENT}
    )
    top.pages(1, page(31))
    top.files["parent"] = Link("../1")
    oldest = {0x1000 * (i + 1): page(10 + i) for i in range(8)}
    low.remembers("mem:10", oldest)
    second = oldest | {0x1000: page(21), 0x6000: page(22)}
    middle.remembers("mem:10", second)
    top.remembers("mem:10", second | {0x8000: page(31)})
    for f, flags in ((top, PARENT), (middle, PARENT), (low, PRESENT)):
        f.pagemap(5, 9, {"vaddr": 0, "nr_pages": 1, "flags": flags}, shared=True)
        f.pages(9, page(40) if flags == PRESENT else b"")
        f.remembers("shmem:0x5", {0: page(40)})
    middle.edges |= {("1/mem:10", "older", "2/mem:10"), ("1/shmem:0x5", "older", "2/shmem:0x5")}
    top.edges.add(("shmem:0x5", "older", "1/shmem:0x5"))
    top.edges.add(("mem:10", "older", "1/mem:10"))
    return top, middle, low


@scene
def three_layers_with_split_ranges() -> Scene:
    return Scene(_chain())


@scene
def three_layers_oldest_first() -> Scene:
    folders = _chain()
    return Scene(folders, members=members_of(folders[::-1]))


@scene
def podman_archive_with_previous() -> Scene:
    """checkpoint → pre-checkpoint, with the engine's files around them and before the page maps."""
    top, low = (
        small("checkpoint"),
        _predump("pre-checkpoint", 1, [{"vaddr": 0x1000, "nr_pages": 2, "flags": PRESENT}], page(1) + page(9)),
    )
    top.pagemap(
        10, 1, {"vaddr": 0x1000, "nr_pages": 1, "flags": PARENT}, {"vaddr": 0x2000, "nr_pages": 1, "flags": PRESENT}
    )
    top.pages(1, page(7))
    top.files["parent"] = Link("../pre-checkpoint")
    low.remembers("mem:10", {0x1000: page(1), 0x2000: page(9)})
    top.remembers("mem:10", {0x1000: page(1), 0x2000: page(7)})
    top.edges.add(("mem:10", "older", "1/mem:10"))
    stats = image("stats-dump", message("stats_entry", dump={"pages_written": 1}))
    around = [
        (b"config.dump", b"{}"),
        (b"stats-dump", stats),
        (b"rootfs-diff.tar", bytes(3000)),
        (b"volumes/v.tar", b"v" * 600),
    ]
    top.pieces["stats:0"] = [message("stats_entry", dump={"pages_written": 1})]
    return Scene((top, low), members=[*around[:2], *members_of([low, top])[::-1], *around[2:]])


@scene
def two_dumps_in_one_archive() -> Scene:
    return Scene((small("a/one"), small("b/two", 1)))


@scene
def two_dumps_on_one_parent() -> Scene:
    low = _predump("p", 1, [{"vaddr": 0x1000, "nr_pages": 1, "flags": PRESENT}], page(4))
    low.remembers("mem:10", {0x1000: page(4)})
    heads = []
    for name, layer in (("a", 0), ("z", 2)):
        f = small(name, layer)
        f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 1, "flags": PARENT})
        f.pages(1, b"")
        f.files["parent"] = Link("../p")
        f.remembers("mem:10", {0x1000: page(4)})
        f.edges.add((f.at("mem:10"), "older", "1/mem:10"))
        heads.append(f)
    return Scene((heads[0], low, heads[1]))


@scene
def parent_that_dangles() -> Scene:
    f = small()
    f.files["parent"] = Link("../gone")
    f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 1, "flags": PARENT})
    f.pages(1, b"")
    f.remembers("mem:10", {})
    return Scene((f,), (("parent", "images/parent"), ("parent", "images/pagemap-10.img")))


@scene
def parent_that_leads_outside() -> Scene:
    f = small()
    f.files["parent"] = Link("../../../etc")
    return Scene((f,), (("parent", "images/parent"),))


@scene
def parent_that_is_absolute() -> Scene:
    f, other = small("a"), small("b", 1)
    f.files["parent"] = Link("/b")
    return Scene((f, other), (("parent", "a/parent"),))


@scene
def parents_in_a_circle() -> Scene:
    """The link that closes it is not followed: a → b, and b → a is left out."""
    folders = small("a"), small("b", 1)
    for f, target in zip(folders, ("../b", "../a"), strict=True):
        f.files["parent"] = Link(target)
        f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 1, "flags": PARENT})
        f.pages(1, b"")
        f.remembers("mem:10", {})
    folders[0].edges.add(("mem:10", "older", "1/mem:10"))
    missing = (("parent", "a/pagemap-10.img"), ("parent", "b/pagemap-10.img"))
    return Scene(folders, (("parent", "b/parent"), *missing))


@scene
def parent_that_is_itself() -> Scene:
    f = small()
    f.files["parent"] = Link(".")
    return Scene((f,), (("parent", "images/parent"),))


@scene
def parent_range_beyond_its_page_map() -> Scene:
    low = _predump("p", 1, [{"vaddr": 0x2000, "nr_pages": 1, "flags": PRESENT}], page(4))
    low.remembers("mem:10", {0x2000: page(4)})
    f = small("q")
    f.files["parent"] = Link("../p")
    f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 3, "flags": PARENT})
    f.pages(1, b"")
    f.remembers("mem:10", {0x2000: page(4)})
    f.edges.add(("mem:10", "older", "1/mem:10"))
    return Scene((f, low), (("parent", "q/pagemap-10.img"), ("parent", "q/pagemap-10.img")))


@scene
def parent_with_overlapping_entries() -> Scene:
    """The overlap is left out in the layer itself and for those that lean on it."""
    low = _predump(
        "p",
        1,
        [
            {"vaddr": 0x1000, "nr_pages": 2, "flags": PRESENT},
            {"vaddr": 0x2000, "nr_pages": 1, "flags": PRESENT},
            {"vaddr": 0x3000, "nr_pages": 1, "flags": PRESENT},
        ],
        page(1) + page(2) + page(3) + page(4),
    )
    low.remembers("mem:10", {0x1000: page(1), 0x2000: page(2), 0x3000: page(4)})
    f = small("q")
    f.files["parent"] = Link("../p")
    f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 3, "flags": PARENT})
    f.pages(1, b"")
    f.remembers("mem:10", {0x1000: page(1), 0x2000: page(2), 0x3000: page(4)})
    f.edges.add(("mem:10", "older", "1/mem:10"))
    return Scene((f, low), (("page-map", "p/pagemap-10.img"),))


@scene
def predump_alone() -> Scene:
    f = _predump("0", 0, [{"vaddr": 0x1000, "nr_pages": 1, "flags": LAZY | PRESENT}], page(4))
    f.remembers("mem:10", {0x1000: page(4)})
    return Scene((f,))


# -- page sizes, holes ----------------------------------------------------------------------------------------


def _paged(size: int, auxv: list[int]) -> Folder:
    f = small()
    add_task_again = Folder()
    add_task(add_task_again, 10, auxv=auxv)
    f.files["mm-10.img"] = add_task_again.files["mm-10.img"]
    f.pieces["mm:10"] = add_task_again.pieces["mm:10"]
    data = b"".join(page(i + 1) for i in range(2 * size // PAGE))
    f.pagemap(
        10, 1, {"vaddr": size, "nr_pages": 1, "flags": PRESENT}, {"vaddr": 4 * size, "nr_pages": 1, "flags": PRESENT}
    )
    f.pages(1, data)
    f.remembers("mem:10", {size: data[:size], 4 * size: data[size:]})
    return f


@scene
def pages_of_16_kib_by_auxv() -> Scene:
    return Scene((_paged(1 << 14, [6, 1 << 14]),))


@scene
def pages_of_64_kib_by_auxv() -> Scene:
    return Scene((_paged(1 << 16, [16, 6, 6, 1 << 16]),))


@scene
def pages_of_16_kib_by_the_size_of_the_file() -> Scene:
    return Scene((_paged(1 << 14, [16, 0]),))


@scene
def page_size_in_auxv_that_no_machine_has() -> Scene:
    return Scene((_paged(PAGE, [6, 12345]),))


@scene
def parent_of_16_kib_pages_does_not_say_so() -> Scene:
    """A pre-dump whose pages file has not all its pages: the size comes from the dump that leans on it."""
    size = 1 << 14
    top, low = _paged(size, [6, size]), Folder("p", 1)
    data = b"".join(page(i + 50) for i in range(size // PAGE))
    low.pagemap(10, 1, {"vaddr": 0, "nr_pages": 1, "flags": PRESENT}, {"vaddr": size, "nr_pages": 2, "flags": PRESENT})
    low.pages(1, data)
    low.remembers("mem:10", {0: data})
    top.files["parent"] = Link("../p")
    top.pagemap(10, 1, {"vaddr": 0, "nr_pages": 1, "flags": PARENT})
    top.pages(1, b"")
    top.remembers("mem:10", {0: data})
    top.edges.add(("mem:10", "older", "1/mem:10"))
    return Scene((top, low), (("pages-size", "p/pagemap-10.img"),))


@scene
def pages_file_with_holes() -> Scene:
    f = small()
    f.pagemap(
        10, 1, {"vaddr": 0x1000, "nr_pages": 6, "flags": PRESENT}, {"vaddr": 0x9000, "nr_pages": 2, "flags": PRESENT}
    )
    f.pages(1, Sparse(((PAGE, page(1)), (2 * PAGE + 512, b"x" * 100), (5 * PAGE, page(2) + page(3))), 8 * PAGE))
    half = bytes(512) + b"x" * 100 + bytes(PAGE - 612)
    f.remembers(
        "mem:10",
        {
            0x1000: page(0),
            0x2000: page(1),
            0x3000: half,
            0x4000: page(0),
            0x5000: page(0),
            0x6000: page(2),
            0x9000: page(3),
            0xA000: page(0),
        },
    )
    return Scene((f,))


@scene
def pages_file_that_is_one_hole() -> Scene:
    f = small()
    f.pages(1, Sparse((), 3 * PAGE))
    f.remembers("mem:10", {0x1000: page(0), 0x2000: page(0), 0x8000: page(0)})
    return Scene((f,))


@scene
def image_file_with_holes() -> Scene:
    f = small()
    content = f.files["files.img"]
    assert isinstance(content, bytes)
    f.files["files.img"] = Sparse(((0, content),), len(content) + PAGE)
    for number in (1, 2):
        del f.pieces[f"file:{number}"]
    return Scene((f,), (("holes", "images/files.img"),))


@scene
def pages_file_that_ends_inside_a_page() -> Scene:
    f = small()
    f.pages(1, page(1) + page(2) + page(3)[:100])
    f.remembers("mem:10", {0x1000: page(1), 0x2000: page(2), 0x8000: page(3)[:100]})
    return Scene((f,), (("pages-size", "images/pagemap-10.img"),))


@scene
def pages_of_no_bytes_in_a_pagemap() -> Scene:
    f = small()
    f.pagemap(
        10,
        1,
        {"vaddr": 0x1000, "nr_pages": 0, "flags": PRESENT},
        {"vaddr": 0x1000, "nr_pages": 0, "flags": PARENT},
        {"vaddr": 0x1000, "nr_pages": 3, "flags": PRESENT},
    )
    f.pages(1, Sparse(((0, page(1)),), 3 * PAGE))
    f.remembers("mem:10", {0x1000: page(1), 0x2000: page(0), 0x3000: page(0)})
    return Scene((f,))
