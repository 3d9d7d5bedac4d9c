"""The index of a sectioned store, usable alone: from a key to an object, from an object to its bytes and references.

It knows nothing of files or containers. A reader hands in `load` functions that return checked stripes of a table;
a writer takes the built tables and stores them. Reading needs no numpy, building does.

keys        from a key to an ordinal and back (a run, or sorted with a radix directory)
objects     from an ordinal to where its bytes are
references  from an ordinal to what it refers to, and what refers to it
traversal   what is reached from some objects (frontier, strides, flat: with numpy, when it is much)
arrays      parts of columns as numpy arrays, none of it remembered
cut         the references of some objects, by where they lead
components  which of them lead to each other, and an order
build       makes all of these from columns
columns     tables of integers, checked stripe by stripe at first touch
named       named tuples, made without `typing`
interface   what all of these can be asked, wherever they lie
tree        key tables in a B-tree of LMDB, for the index beside a stream that stays as it is
"""

from objref_index.columns import Column, Load
from objref_index.interface import KeyTable, NameTable, NumberTable, Objects, References
from objref_index.keys import FORM_BYTES, FORM_DECIMAL, FORM_HEX, FORM_PAIR, ByteKeys, IntKeys, KeyShape
from objref_index.objects import Extent, ObjectTable, Row
from objref_index.references import Dangling, Edge, ReferenceTable

__all__ = [
    "FORM_BYTES",
    "FORM_DECIMAL",
    "FORM_HEX",
    "FORM_PAIR",
    "ByteKeys",
    "Column",
    "Dangling",
    "Edge",
    "Extent",
    "IntKeys",
    "KeyShape",
    "KeyTable",
    "Load",
    "NameTable",
    "NumberTable",
    "ObjectTable",
    "Objects",
    "ReferenceTable",
    "References",
    "Row",
]
