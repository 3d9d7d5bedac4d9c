"""Whether a container is what docs/format.md says, byte for byte. It goes on after damage, as far as can be trusted.

structure  superblock, footer, directory, trailers, pieces
layout     where everything lies, and that nothing lies between
tables     the checksums of all tables
braid      that the runs of each group are the bytes of its pieces
stream     digests, group by group, and every block
slots      that every page leads to a page
torn       what is left when the footer or the directory is gone

Needs numpy. Rules about objects, keys and references are in `objref.verify`.
"""

from objref.container.checking.damage import Damage, Spans
from objref.container.checking.run import NOTHING, Bytes, Depth, check_container

__all__ = ["NOTHING", "Bytes", "Damage", "Depth", "Spans", "check_container"]
