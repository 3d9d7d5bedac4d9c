"""Building the index of an image whose columns do not fit in memory.

scratch   an unlinked temporary file, columns in it, and tables that are read from it
columns   what an import learns, kept in memory until there is too much of it
ordered   rows in the order of a key, however many there are
tables    the tables of the index, made from such columns; the same ones that build.py makes
"""

from typing import TypeAlias

from objref_index.build import Columns
from objref_index.large.columns import LargeColumns
from objref_index.large.scratch import Scratch, Stored

__all__ = ["AnyColumns", "Columns", "LargeColumns", "Scratch", "Stored"]

AnyColumns: TypeAlias = Columns | LargeColumns
