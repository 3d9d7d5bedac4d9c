"""Whether a CRIU image is whole, and what `criu restore` will make of it if it is not (docs/check.md).

judgements  what each finding means
layer       the objects of one folder
folder      inventories, how files begin; tree: tasks, threads, cores; areas, pages: memory
files       open files and descriptors; namespaces; leftovers: files that nothing leads to
"""

from __future__ import annotations

from objref.dialects.checks import Checks
from objref.dialects.criu.check.areas import look_at_areas
from objref.dialects.criu.check.files import look_at_files
from objref.dialects.criu.check.folder import look_at_folders, look_at_magics, look_at_parents
from objref.dialects.criu.check.judgements import FINDINGS, LOST, LOST_OTHERWISE, NOTES
from objref.dialects.criu.check.layer import matters
from objref.dialects.criu.check.leftovers import look_for_leftovers
from objref.dialects.criu.check.namespaces import look_at_namespaces
from objref.dialects.criu.check.pages import look_at_pages
from objref.dialects.criu.check.tree import look_at_cores, look_at_tree

__all__ = ["CHECKS"]

CHECKS = Checks(
    NOTES,
    LOST,
    LOST_OTHERWISE,
    FINDINGS,
    (
        look_at_folders,
        look_at_magics,
        look_at_parents,
        look_at_tree,
        look_at_cores,
        look_at_namespaces,
        look_at_files,
        look_at_areas,
        look_at_pages,
        look_for_leftovers,
    ),
    matters,
)
