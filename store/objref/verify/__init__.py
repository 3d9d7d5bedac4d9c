"""Is an image what it says it is? Every checksum, digest and rule of docs/format.md.

What the bytes are kept in answers for them (`container.checking`); here the objects, keys and references are asked,
and whom the damage touches. A verification never stops at the first thing that is wrong. Needs numpy.
"""

from objref.verify.run import Report, verify_image

__all__ = ["Report", "verify_image"]
