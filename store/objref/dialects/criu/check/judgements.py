"""What it means for `criu restore` that something was found in a CRIU image (docs/check.md has the same tables).

Sources: CRIU 4.2's restore code, and restores of broken images with CRIU 4.1.1 (tests/real/test_check.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from objref.dialects.checks import Judgement, error, note, warning

__all__ = ["FINDINGS", "LOST", "LOST_OTHERWISE", "NOTES"]

INCOMPLETE = "copy all of the dump again, or dump again"
MIXED = "keep each dump in a folder of its own"

FINDINGS: Mapping[str, Judgement] = {
    "no-inventory": error("criu restore opens it first, and ends: " + INCOMPLETE),
    "version": error('criu restore refuses it ("Not supported images version"): use the CRIU that made it'),
    "no-pstree": error("CRIU crashes, it does not know which tasks there are: " + INCOMPLETE),
    "pre-dump": warning("only memory was dumped: restored is the dump that was made on top of it"),
    "magic": error('criu restore ends ("Magic doesn\'t match", "Head magic doesn\'t match"): ' + MIXED),
    "no-root": error('criu restore ends ("Can\'t find a parent"): pstree.img is damaged'),
    "two-roots": error('criu restore ends ("Parent missed on non-root task"): pstree.img is damaged'),
    "loop": error("criu restore ends, or waits without end: pstree.img is damaged"),
    "order": error('criu restore ends ("Can\'t find a parent"): pstree.img has children before their parents'),
    "threads": error('criu restore ends ("Unexpected task", "Can\'t mmap section"): pstree.img is damaged'),
    "session": error('criu restore ends ("Can\'t find a session leader"): objref extract can make it restorable'),
    "shell-job": note("criu restore needs --shell-job"),
    "core": error('criu restore ends ("Core task state data missed"): ' + MIXED),
    "machine": error('criu restore ends ("Core march mismatch"): ' + MIXED),
    "stale": warning("criu restore ignores it: probably left over from an earlier dump in the same folder"),
    "stale-ghost": warning("no deleted file has this content: remap-fpath.img is missing, or it was left over"),
    "area": error("criu restore may not notice, and memory comes out wrong: the image of the task is damaged"),
    "segment": error('criu restore ends ("Can\'t restore shmem content"): ' + INCOMPLETE),
    "no-areas": error("CRIU crashes: the image of the task is damaged"),
    "page-order": error("criu restore fills the wrong pages, or ends: the page map is damaged"),
    "outside-areas": error('criu restore ends at such an entry ("outside of VMA"): ' + MIXED),
    "pages-short": error(
        'criu restore ends ("Can\'t read mapping page"), or waits without end: the pages file is cut, copy it again'
    ),
    "pages-long": error("criu restore does not notice, and memory may be that of another dump: " + MIXED),
    "pages-shared": error("one of them has the memory of another: " + MIXED),
    "no-head": error("criu restore ends, it finds no pages for the task: the page map is damaged"),
    "parent-link": error('criu restore ends ("Can\'t open parent path"): bring all folders of the chain'),
    "parent-circle": error('criu restore ends ("Too many open files"): a parent link is wrong'),
    "parent-pages": error(
        'criu restore ends ("No parent for snapshot pagemap", "Can\'t open parent path"), '
        "pages of a pre-dump are missing: bring all folders of the chain"
    ),
    "newer": warning("made by a newer CRIU, its memory was not looked at: restore it with a CRIU that is as new"),
    "lazy": warning("criu restore needs --lazy-pages, and the page server that still has them"),
    "older-is-newer": warning("the clock of the older layer is ahead: its pages may be those of another process"),
    "file": error('criu restore ends ("ID mismatch"), or crashes: files.img is damaged'),
    "file-type": error('criu restore ends ("No file for fd"): ' + MIXED),
    "unheld": error('CRIU crashes ("Empty list on file desc"): whatever made files.img left too much in it'),
    "watches": error('criu restore ends ("epoll: Can\'t add event"): the table of descriptors is incomplete'),
    "no-tcp-stream": error("criu restore ends, the state of the connection is missing: " + INCOMPLETE),
    "namespace-part": error("criu restore ends, the namespace cannot be made: " + INCOMPLETE),
}
"""What the looks find."""

NOTES: Mapping[str, Judgement | None] = {
    "cut": error("the rest is missing: import again from a whole source"),
    "truncated": error("criu restore ends at this file, or misses what it held: " + INCOMPLETE),
    "oversized": error("criu restore ends at this file: it is damaged"),
    "unparsed": error('criu restore ends ("Failed unpacking object"): the file is damaged'),
    "foreign": None,  # see the findings magic and newer
    "holes": warning("it was not looked into: copy the dump without making it sparse"),
    "pages-size": None,  # see pages-short and pages-long
    "page-map": None,  # see page-order
    "parent": None,  # see the findings parent-link, parent-circle, parent-pages
    "claimed-twice": error("criu restore ends, crashes, or takes one and forgets the other"),
    "claimed-twice stats": None,  # stats-dump and stats-restore
    "link": note("the objects are those of the file that it leads to"),
    "folders": warning("the rest was not looked into: split the archive"),
    "no-images": error("there is nothing to restore: this is no image of CRIU"),
    "trailing": note("it is kept, and CRIU does not see it"),
    "skipped": note("it is not part of the image"),
}

NO_FILE = 'criu restore ends ("No file for fd", "No entry for reg-file-ID"): files.img is incomplete'
NO_IMAGE = "criu restore ends, the task cannot be made without it: " + INCOMPLETE
LOST: Mapping[str, Judgement | None] = {
    "parent": error('criu restore ends ("Can\'t find a parent"): pstree.img is incomplete'),
    "core": error(NO_IMAGE),
    "thread": error(NO_IMAGE),
    "ids": error(NO_IMAGE),
    "mm": error(NO_IMAGE),
    "fs": error(NO_IMAGE),
    "pagemap": error(NO_IMAGE),
    "fdtable": error("criu restore does not notice, and the task has no open files: " + INCOMPLETE),
    "pages": error("criu restore ends, memory is missing: " + INCOMPLETE),
    "older": None,  # the finding parent-pages tells which pages
    "file": error(NO_FILE),
    "exe": error(NO_FILE),
    "cwd": error(NO_FILE),
    "root": error(NO_FILE),
    "mapping": error(NO_FILE),
    "regular": error("criu restore ends, the file has no path: files.img is incomplete"),
    "segment": error('criu restore ends ("Can\'t restore shmem content"): ' + INCOMPLETE),
    "mm segment": None,  # see areas: System V segments are elsewhere
    "vma segment": None,
    "inode": error("CRIU crashes: memfd.img is missing or incomplete"),
    "map": error("criu restore ends, the contents of the BPF map are missing: " + INCOMPLETE),
    "tty": error("criu restore ends, the terminal is unknown: tty-info.img is missing or incomplete"),
    "other-end": note("the other end of the terminal was outside: criu restore may need --shell-job"),
    "peer": error('criu restore ends ("unresolved"): files.img is incomplete, or the socket is external'),
    "netdev peer": note("the other end of the device is outside: it is made by who restores (--external)"),
    "device": error("criu restore ends, the device has no master: the netdev image is incomplete"),
    "peer-namespace": note("a network namespace outside of the dump"),
    "watches": None,  # see the finding of that name
    "target": error("criu restore ends, the process of the pidfd is not in the dump"),
    "in-flight": error("criu restore ends, a file that was being sent is missing: files.img is incomplete"),
    "receiver": warning("criu restore loses these bytes: their socket is not in the dump"),
    "data": warning("criu restore loses these bytes: their terminal is not in the dump"),
    "watcher": warning("criu restore ignores it: who watches is not in the dump"),
    "remapped": error('criu restore ends ("Remap for non existing file"): files.img is incomplete'),
    "replacement": error("criu restore ends, the content of a deleted file is missing: " + INCOMPLETE),
    "replacement task": None,  # a process that had ended: CRIU makes a helper
    "holder": warning("criu restore ignores it: the lock's task is not in the dump"),
    "lock fd": error("criu restore ends, the lock's descriptor is missing"),
    "notify": error("criu restore ends, the timer's thread is missing: " + INCOMPLETE),
    "ids namespace": None,  # see namespace-part
    "namespace": error("criu restore ends, the namespace cannot be made: " + INCOMPLETE),
    "cgroup-set": error('criu restore ends ("No set found") unless told --manage-cgroups=ignore: ' + INCOMPLETE),
    "seccomp-filter": error('criu restore ends ("Corrupted filter index"): ' + INCOMPLETE),
    "previous": error("criu restore ends, the chain of filters is broken: seccomp.img is damaged"),
}
"""By "role objref" or "role kind" of what is missing, "kind role" of what refers, or role."""

LOST_OTHERWISE: Mapping[str, Judgement | None] = {
    "H": error("criu restore needs it: " + INCOMPLETE),
    "K": error("criu restore needs it: " + INCOMPLETE),
    "O": warning("what belongs together is not all there: " + INCOMPLETE),
    "S": None,
}
