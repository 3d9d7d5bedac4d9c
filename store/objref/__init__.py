"""objref: process checkpoint images in one file, any object by its id, and the same bytes back.

>>> import objref
>>> report = objref.import_image("tree", "tree.objref")
>>> with objref.open("tree.objref") as image:
...     files = image["file"]          # a read-only mapping of one space: id -> bytes
...     task = image["task:100"]       # one object
...     [r.role for r in task.references][:3]
['group', 'session', 'core']

Names are loaded when first used, so that a command that needs one object starts fast.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from objref.batch import Batch, Offsets
    from objref.cut import Cut
    from objref.errors import (
        CutError,
        FormatError,
        IntegrityError,
        LimitError,
        LostError,
        NotFoundError,
        ObjrefError,
        RestoreError,
        SourceError,
        TruncatedError,
        UnsupportedError,
        UsageError,
    )
    from objref.exporter import export_image
    from objref.graph import Closure
    from objref.image import Image
    from objref.image import open_image as open
    from objref.importer import Options, Report, import_image
    from objref.limits import Limits
    from objref.object import Object, Reference
    from objref.recovery import Account, recover
    from objref.repacker import Repacked, repack_image
    from objref.restore import Maker, Restored
    from objref.sidecar.indexing import index_file
    from objref.space import Space
    from objref.verify import verify_image

__all__ = [
    "Account",
    "Batch",
    "Closure",
    "Cut",
    "CutError",
    "FormatError",
    "Image",
    "IntegrityError",
    "LimitError",
    "Limits",
    "LostError",
    "Maker",
    "NotFoundError",
    "Object",
    "ObjrefError",
    "Offsets",
    "Options",
    "Reference",
    "Repacked",
    "Report",
    "RestoreError",
    "Restored",
    "SourceError",
    "Space",
    "TruncatedError",
    "UnsupportedError",
    "UsageError",
    "convert_stream",
    "export_image",
    "import_image",
    "index_file",
    "open",
    "recover",
    "repack_image",
    "verify_image",
]

_HOMES = {
    "Account": "recovery",
    "Batch": "batch",
    "Closure": "graph",
    "Cut": "cut",
    "Image": "image",
    "Limits": "limits",
    "Maker": "restore",
    "Object": "object",
    "Offsets": "batch",
    "Options": "importer",
    "Reference": "object",
    "Repacked": "repacker",
    "Report": "importer",
    "Restored": "restore",
    "Space": "space",
    "convert_stream": "converter",
    "export_image": "exporter",
    "import_image": "importer",
    "index_file": "sidecar.indexing",
    "recover": "recovery",
    "repack_image": "repacker",
    "verify_image": "verify",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "open":
        found = globals()[name] = import_module("objref.image").open_image
        return found
    if name not in __all__:
        raise AttributeError(f"module 'objref' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"objref.{_HOMES.get(name, 'errors')}"), name)  # asked once
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
