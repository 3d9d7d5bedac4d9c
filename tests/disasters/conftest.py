"""Small images, made once."""

from __future__ import annotations

import pytest
from samples import small_image


@pytest.fixture(scope="session")
def packed() -> bytes:
    """Three groups, compressed: 6 KB."""
    return small_image("zstd", groups=True)


@pytest.fixture(scope="session")
def raw() -> bytes:
    """Three groups, nothing compressed, so every content can be forged."""
    return small_image("raw", groups=True, plain_tables=True)
