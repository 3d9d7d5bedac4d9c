"""Which file systems are remote. LMDB's documentation rules these out: locks and maps may not hold there."""

from __future__ import annotations

import os

__all__ = ["remote_type"]

MOUNTS = "/proc/self/mountinfo"
REMOTE = (
    "9p afs beegfs ceph cifs coda fuse.cephfs fuse.glusterfs fuse.s3fs fuse.sshfs gfs2 glusterfs gpfs lustre nfs nfs4 "
    "ocfs2 orangefs smb2 smb3 smbfs virtiofs"
)
"""Types as `mount` names them: served by another machine, or shared with others."""


def remote_type(path: str | int) -> str | None:
    """Type of the remote file system that holds a path or descriptor; None when it is local, or cannot be told."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as lines:
            found = {_type(fields) for line in lines if (fields := line.split())[2] == wanted}
    except (OSError, IndexError):
        return None
    return next((name for name in REMOTE.split() if name in found), None)


def _type(fields: list[str]) -> str:
    """proc(5): optional fields end with a hyphen, the type follows."""
    return fields[fields.index("-") + 1] if "-" in fields[:-1] else ""
