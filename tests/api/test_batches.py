"""Batches are what single lookups say, joined: of every shape of keys, from every source, by both cores."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ITEM, small_events, small_image, u64, write_events
from sidecar.making import write_beside

import objref
from objref.container.source import BytesSource, CountedSource
from objref.dialects import events as ev
from objref.direct import DirectSpace
from objref.limits import DEFAULT
from objref_index import core as cores

CORES = ["native", "python"]
SHAPES = {
    "run": lambda n: list(range(1, n + 1)),
    "far run": lambda n: list(range(1 << 40, (1 << 40) + n)),
    "last run": lambda n: list(range((1 << 64) - n, 1 << 64)),
    "gappy": lambda n: list(range(0, 3 * n, 3)),
    "sparse": lambda n: sorted(map(random.Random(n).getrandbits, [64] * n)),
    "crowded": lambda n: [*range(n - 1), (1 << 64) - 1],
    "permuted": lambda n: random.Random(n).sample(range(1, n + 1), n),
    "claimed twice": lambda n: [i // 2 for i in range(n)],
}


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    return choose(request.param, monkeypatch)


def choose(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(cores.VARIABLE, "1" if name == "native" else "0")
    if name == "native" and cores.native() is None:
        pytest.skip("the native core was not built: no compiler")
    return name


class Made(NamedTuple):
    """An image of items, and what each key must give."""

    path: Path
    truth: dict[int, bytes]


def made(folder: Path, shape: str, lengths: list[int], codec: str = "raw") -> Made:
    keys = SHAPES[shape](len(lengths))
    texts = [(b"%d of %d," % (key, i) * (length // 4 + 1))[:length] for i, (key, length) in enumerate(zip(keys, lengths, strict=True))]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    run = ev.Run("items", b"".join(texts), (ev.Part(1, 0, sum(lengths)),))
    options = objref.Options(codec=codec, block_log2=12)
    path = folder / f"{shape}-{codec}.objref"
    write_events(path, [run, ev.Objects(ITEM, 0, u64(*keys), u64(*starts), u64(*lengths))], options)
    truth: dict[int, bytes] = {}
    for key, text in zip(keys, texts, strict=True):
        truth.setdefault(key, text)
    return Made(path, truth)


def opened(path: Path, access: str, cache: int) -> objref.Image:
    limits = DEFAULT._replace(cache=cache, decoded=cache)
    return objref.open(path.read_bytes(), limits=limits) if access == "bytes" else objref.open(path, access=access, limits=limits)


LENGTHS = st.lists(st.sampled_from((0, 1, 2, 7, 90, 90, 91, 100, 300, 5000)), min_size=1, max_size=700)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", CORES)
def test_like_a_dict(data: st.DataObject, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        choose(name, patch)
        image_of = made(Path(folder), data.draw(st.sampled_from(list(SHAPES))), data.draw(LENGTHS), data.draw(st.sampled_from(("raw", "zstd"))))
        truth, known = image_of.truth, list(image_of.truth)
        strange = st.integers(0, (1 << 64) - 1) | st.sampled_from([known[0] - 1, known[-1] + 1, -5, 1 << 64])
        asked = data.draw(st.lists(st.lists(st.sampled_from(known) | strange, max_size=400), max_size=3))
        with opened(image_of.path, data.draw(st.sampled_from(("map", "pread", "bytes"))), data.draw(st.sampled_from((0, 8 << 20)))) as image:
            for keys in asked:
                for key in keys[: data.draw(st.sampled_from((0, 3)))]:  # some are ready before
                    assert image["item"].get(key) == truth.get(key)
                compare(image["item"], keys, truth)


def compare(space: objref.Space, keys: list[int], truth: dict[int, bytes]) -> None:
    wanted = [truth.get(key, b"") for key in keys]
    missing = [i for i, key in enumerate(keys) if key not in truth]
    if missing:
        with pytest.raises(KeyError, match=f"no item:{keys[missing[0]]}"):
            space.get_many(keys)
    for form in ("joined", "views"):
        batch = space.get_many(keys, form=form, missing="empty")
        assert [bytes(view) for view in batch] == wanted
        assert batch.missing.tolist() == missing
        assert len(batch) == len(keys)
    joined = space.get_many(iter(keys), missing="empty")
    assert bytes(joined.data) == b"".join(wanted)
    assert joined.ends.tolist() == np.cumsum([len(text) for text in wanted]).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_many_objects_more_than_once(shape: str, codec: str, core: str, tmp_path: Path) -> None:
    draw = random.Random(7)
    image_of = made(tmp_path, shape, [draw.choice((0, 50, 51, 52, 2000)) for _ in range(3000)], codec)
    keys = draw.choices(list(image_of.truth), k=5000)
    with objref.open(image_of.path, access="map") as image:
        for _ in range(2):
            compare(image["item"], keys, image_of.truth)
        assert all(image["item"][key] == image_of.truth[key] for key in keys)


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.uint8, np.int16, ">u4"])
def test_numpy_in_and_out(kind: Any, core: str, tmp_path: Path) -> None:
    image_of = made(tmp_path, "run", [10, 20, 0, 30] * 10)
    with objref.open(image_of.path, access="map") as image:
        keys = np.array([3, 1, 2, 40, 1], kind)
        batch = image["item"].get_many(keys[::-1])
        assert [bytes(view) for view in batch] == [image_of.truth[int(key)] for key in keys[::-1]]
        assert batch.starts.dtype == batch.ends.dtype == np.int64
        assert np.frombuffer(batch.data, np.uint8).size == batch.ends[-1]
        assert bytes(batch[-1]) == bytes(batch[4:][0]) == image_of.truth[3]
        assert batch.data.readonly


@pytest.mark.parametrize(
    "keys", [5, None, "12", b"\1\2", ["1"], [1.0], [None], [(1, 2, 3)], np.array([1.5]), np.zeros((2, 2), int), np.array(["1"])]
)
def test_what_is_no_batch_of_numbers(keys: Any, core: str, tmp_path: Path) -> None:
    with objref.open(made(tmp_path, "run", [10]).path, access="map") as image:
        for ask in (image["item"].get_many, image["item"].offsets):
            with pytest.raises(objref.UsageError):
                ask(keys)


def test_words_that_nobody_knows(core: str, tmp_path: Path) -> None:
    with objref.open(made(tmp_path, "run", [10]).path) as image:
        for wrong in ({"form": "list"}, {"missing": "skip"}):
            with pytest.raises(objref.UsageError, match="must be"):
                image["item"].get_many([1], **wrong)


def test_missing_keys_are_named(core: str, tmp_path: Path) -> None:
    with objref.open(made(tmp_path, "gappy", [10] * 100).path, access="map") as image:
        with pytest.raises(objref.NotFoundError, match="no item:1; nearest: item:0"):
            image["item"].get_many([0, 1, 3])
        with pytest.raises(objref.NotFoundError, match="no item:1, item:-2, item:4, item:5, item:7 and 2 more: 7 of 8"):
            image["item"].get_many([0, 1, -2, 4, 5, 7, 8, 10])


@pytest.mark.parametrize("access", ["map", "pread"])
def test_pairs_and_names_as_they_are_written(access: str, core: str, tmp_path: Path) -> None:
    path = tmp_path / "small.objref"
    path.write_bytes(small_image("raw"))
    with objref.open(path, access=access) as image:
        pairs, names = image["pair"], image["member"]
        assert [bytes(b) for b in pairs.get_many([(3, 1), "3/0", 3 << 32])] == [pairs["3/1"], pairs["3/0"], pairs["3/0"]]
        assert [bytes(b) for b in names.get_many(["items.img", b"pages.img"])] == [names["items.img"], names["pages.img"]]
        with pytest.raises(KeyError, match="no pair:3/7"):
            pairs.get_many(["3/1", "3/7"])
        with pytest.raises(KeyError, match=r"no member:item\.img"):
            names.get_many(["item.img"])
        with pytest.raises(objref.UsageError, match="gaps"):
            image["mem"].get_many([7])


def test_a_stream_with_an_index_beside_it(core: str, tmp_path: Path) -> None:
    write_beside(tmp_path / "dump", list(small_events(600)))
    stream = (tmp_path / "dump").read_bytes()
    for access in ("map", "pread"):
        with objref.open(tmp_path / "dump", access=access) as image:
            for name in ("item", "thing", "pair", "member"):
                space = image[name]
                keys = list(space) * 2
                for form in ("joined", "views"):
                    batch = space.get_many(keys, form=form)
                    assert [bytes(view) for view in batch] == [space[key] for key in keys]
                if name != "member":  # these lie in several places
                    found = space.offsets(keys)
                    places = zip(found.starts, found.ends, strict=True)
                    assert [stream[a:b] for a, b in places] == [space[key] for key in keys]


def test_offsets_are_places_in_the_file(core: str, tmp_path: Path) -> None:
    image_of = made(tmp_path, "sparse", [10, 0, 5000, 70] * 200)
    data, keys = image_of.path.read_bytes(), [*image_of.truth, 17]
    for access in ("map", "pread"):
        with objref.open(image_of.path, access=access) as image:
            found = image["item"].offsets(keys, missing="empty")
            assert found.missing.tolist() == [len(keys) - 1]
            places = zip(found.starts, found.ends, strict=True)
            assert [data[a:b] for a, b in places] == [*image_of.truth.values(), b""]
    packed = made(tmp_path, "sparse", [10, 0, 5000, 70] * 200, "zstd")
    with objref.open(packed.path, access="map") as image:
        assert isinstance(image["item"], DirectSpace)
        assert image["item"].get_many(keys[:-1])
        with pytest.raises(objref.UsageError, match="packed"):
            image["item"].offsets(keys[:-1])


@pytest.mark.parametrize("shape", ["run", "permuted"])
def test_each_block_is_read_once(shape: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = made(Path(folder), shape, [100] * 2000, "zstd").path.read_bytes()
    keys = random.Random(3).choices(range(1, 2001), k=4000)
    source = CountedSource(BytesSource(data))
    with objref.open(source, limits=DEFAULT._replace(cache=0, decoded=0)) as image:
        blocks = sum(p.blocks for s in image.container.sections for p in image.container.pieces(s))
        image["item"][1]
        before = source.reads
        image["item"].get_many(keys)
        assert source.reads - before <= blocks


def test_no_more_than_may_be_handed_out(core: str, tmp_path: Path) -> None:
    image_of = made(tmp_path, "run", [1000] * 50)
    for access in ("map", "pread"):
        with objref.open(image_of.path, access=access, limits=DEFAULT._replace(read=10_000)) as image:
            assert len(image["item"].get_many(range(1, 11))) == 10
            with pytest.raises(objref.LimitError, match="11 objects of space item: 11000 bytes at once, limit 10000"):
                image["item"].get_many(range(1, 12))
            with pytest.raises(objref.LimitError):
                image["item"].get_many([1] * 100_000)
    with objref.open(image_of.path, access="map", limits=DEFAULT._replace(read=10_000)) as image:
        assert len(image["item"].get_many(range(1, 51), form="views")) == 50  # views take no memory


def damaged(data: bytes, text: bytes) -> Iterator[bytes]:
    at = data.index(text)
    for place in range(at, at + len(text)):
        yield data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


def test_damage_is_an_error_for_those_whom_it_meets(core: str, tmp_path: Path) -> None:
    """Neighbours in the same stripe of keys, but in other blocks, are still had."""
    image_of = made(tmp_path, "gappy", [1000] * 64)
    path = tmp_path / "damaged.objref"
    for data in [*damaged(image_of.path.read_bytes(), b"90 of 30")]:
        path.write_bytes(data)
        with objref.open(path, access="map") as image:
            with pytest.raises(objref.IntegrityError):
                image["item"].get_many([0, 90])
            with pytest.raises(objref.IntegrityError):
                image["item"][90]
            assert [bytes(b) for b in image["item"].get_many([0, 3, 180])] == [image_of.truth[k] for k in (0, 3, 180)]
            assert image["item"][0] == image_of.truth[0]


def test_after_the_image_was_closed(core: str, tmp_path: Path) -> None:
    image_of = made(tmp_path, "run", [10] * 300)
    image = objref.open(image_of.path, access="map")
    items, views = image["item"], image["item"].get_many([1, 2], form="views")
    image.close()
    assert bytes(views[1]) == image_of.truth[2]
    for ask in (lambda: items[1], lambda: items.get_many([1]), lambda: items.get_many([1], form="views")):
        with pytest.raises(objref.UsageError, match="was closed"):
            ask()


