"""The entries of the tree (docs/format.md, section 13)."""

import struct

__all__ = ["CLAIM", "CLAIM_SIZE", "KEY", "KEY_SIZE", "SPACE", "VALUE"]

SPACE = struct.Struct(">H")
"""What all keys of a space begin with."""
KEY = struct.Struct(">HQ")
"""space, key: the first object with this key. Big-endian, since LMDB compares bytes."""
CLAIM = struct.Struct(">HQI")
"""space, key, ordinal: a further object that claims it."""
VALUE = struct.Struct("<QQII")
"""where, what (the row), ordinal, n."""
KEY_SIZE, CLAIM_SIZE = KEY.size, CLAIM.size
