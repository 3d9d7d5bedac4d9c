"""A space that is not there: what the error offers instead."""

from __future__ import annotations

import pytest
from samples import small_image

import objref
from objref.image import Image


def test_a_near_name_is_called_near() -> None:
    with objref.open(small_image("zstd", groups=True)) as image:
        name = image.spaces()[0][1]
        with pytest.raises(objref.NotFoundError, match=rf"nearest: .*{name}"):
            image[name[:-1]]
        with pytest.raises(objref.NotFoundError, match="there is: "):
            image["zzzzzzzz"]


def test_no_spaces_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "_all_spaces", lambda self: {})
    with (
        objref.open(small_image("zstd", groups=True)) as image,
        pytest.raises(objref.NotFoundError, match="no objects, and so no spaces"),
    ):
        image.object("header:0x0")
