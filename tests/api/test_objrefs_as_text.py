"""Objrefs are taken apart without `re`, which takes a while to load; this is the expression that says what they are."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

import objref
from objref.names import encode_text, parse_key, parse_objref
from objref_index import FORM_BYTES

OBJREF = re.compile(
    r"(?:(?P<layer>\d{1,5})/)?(?P<space>[a-z][a-z0-9_-]*):(?P<key>.*?)(?:~(?P<claim>[1-9]\d{0,9}))?", re.S
)
TEXT = st.text(st.sampled_from("ab1٣0:~/%-_\nZ²"), max_size=14)
PARTS = st.builds("{}{}:{}{}".format, st.sampled_from(["", "1/", "99999/", "100000/", "/", "a/"]), TEXT, TEXT, TEXT)


@settings(max_examples=600)
@given(TEXT | PARTS | st.text(max_size=20))
@example("1/task:17~2")
@example("٣/a:b~1٣")
@example("a:~")
@example("a:~0")
@example("a:~1~2")
@example("a:x~12345678901")
def test_an_objref_is_what_the_expression_says(text: str) -> None:
    match = OBJREF.fullmatch(text)
    try:
        found = tuple(parse_objref(text))
    except objref.UsageError:
        found = None
    expected = match and (int(match["layer"] or 0), match["space"], match["key"], int(match["claim"] or 1))
    assert found == expected


@given(st.text(st.sampled_from("%0aFgé~"), max_size=12))
def test_escapes_of_names(text: str) -> None:
    expected = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), encode_text(text))
    assert parse_key(text, FORM_BYTES) == expected
