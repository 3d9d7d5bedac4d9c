"""Small images, made once."""

from __future__ import annotations


import pytest
from samples import SAMPLE, dense_image, small_image

import objref


@pytest.fixture(scope="session")
def packed() -> bytes:
    """Three groups, compressed: 6 KB."""
    return small_image("zstd", groups=True)


@pytest.fixture(scope="session")
def raw() -> bytes:
    """Three groups, nothing compressed, so every content can be forged."""
    return small_image("raw", groups=True, plain_tables=True)


@pytest.fixture(scope="session")
def dense() -> bytes:
    """Two groups, with a dictionary, packed tables of several stripes and a packed directory: 25 KB."""
    return dense_image()


@pytest.fixture(scope="session", params=["zstd", "raw"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real dump, with both codecs, in blocks of 16 KiB."""
    path = tmp_path_factory.mktemp("verify") / "tree.objref"
    objref.import_image(SAMPLE, path, options=objref.Options(codec=request.param, whole_log2=14))
    return path.read_bytes()
