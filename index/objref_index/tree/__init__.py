"""Key tables as a B-tree of LMDB, for a stream that stays as it is (docs/format.md, section 13).

layout   entries, byte by byte
opened   the database, opened to be read
walked   the same read page by page, without LMDB, for few questions
keys     what a key table is asked, answered from it
build    makes it from columns; needs numpy

lmdb is imported when a tree is opened or built, not before.
"""

__all__: list[str] = []
