"""CPT objects in one line, for lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import ARCHITECTURES, BODY_NAME, MADE, VERSIONS
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.view import as_text, decode
from objref.errors import TruncatedError

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["BRIEFS", "brief"]

Fields = dict[str, Any]
TEXT_MAX = 256


def brief(found: Object) -> str:
    """One line about an object, or nothing."""
    if found.kind in MEMORY:
        return _ranges(found)
    line = BRIEFS.get(found.kind)
    if line is None or not found.size:
        return ""
    try:
        return line(decode(found), found)
    except (KeyError, TypeError, TruncatedError):  # an older, cut or unknown struct without that field
        return ""


MEMORY = frozenset(kind.name for kind in MADE)


def _ranges(found: Object) -> str:
    ranges = found.ranges
    return f"{ranges[0][0]:#x}…{ranges[-1][1]:#x} in {len(ranges)} ranges" if ranges else "nothing"


def _range(fields: Fields, _: Object) -> str:
    return f"{fields['cpt_start']:#x}…{fields['cpt_end']:#x}"


def _child_name(_: Fields, found: Object) -> str:
    """The text of the NAME that comes first."""
    start = int.from_bytes(found.read(12, 14), "little")
    child = found.read(start, start + HEAD.size + TEXT_MAX) if found.size >= start + HEAD.size else b""
    if len(child) < HEAD.size:
        return ""
    length, number, header, content = HEAD.unpack_from(child)
    return as_text(child[header:length]) if number == bodies.NAME and content == BODY_NAME else ""


def _header(fields: Fields, _: Object) -> str:
    version, machine = fields["cpt_image_version"], fields["cpt_os_arch"]
    return f"version {version:#x} ({VERSIONS.get(version, '?')}), {ARCHITECTURES.get(machine, '?')}"


def _task(fields: Fields, _: Object) -> str:
    thread = "" if fields["cpt_tgid"] == fields["cpt_pid"] else f", thread of {fields['cpt_tgid']}"
    return f"pid {fields['cpt_pid']} {fields['cpt_comm']}{thread}"


def _socket(fields: Fields, _: Object) -> str:
    peer = "" if fields["cpt_peer"] is None else f", peer {fields['cpt_peer']}"
    return f"index {fields['cpt_index']}, family {fields['cpt_family']}, type {fields['cpt_type']}{peer}"


def _says(text: str) -> Callable[[Fields, Object], str]:
    """A line with fields in it."""
    return lambda fields, _: text.format_map(fields)[:TEXT_MAX]


BRIEFS: dict[str, Callable[[Fields, Object], str]] = {
    "header": _header,
    "section": _says("{name}, {cpt_next} bytes"),
    "task": _task,
    "mm": _says("code {cpt_start_code:#x}…{cpt_end_code:#x}, heap {cpt_start_brk:#x}…{cpt_brk:#x}"),
    "file": _child_name,
    "vfsmount": _child_name,
    "name": _says("{name}"),
    "vma": _range,
    "pages": _range,
    "copypages": _says("{cpt_start:#x}…{cpt_end:#x} of {cpt_source}"),
    "remappages": _range,
    "lazypages": _range,
    "iterpages": _range,
    "iteryoungpages": _range,
    "files": _says("index {cpt_index}, up to {cpt_max_fds}"),
    "filedesc": _says("fd {cpt_fd} is {cpt_file}"),
    "fs": _says("umask {cpt_umask:04o}"),
    "inode": _says("mode {cpt_mode:o}, ino {cpt_ino}, {cpt_size} bytes"),
    "socket": _socket,
    "skb": _says("to socket {cpt_owner}, {cpt_len} bytes"),
    "flock": _says("{cpt_start}…{cpt_end}, files {cpt_owner}"),
    "tty": _says("index {cpt_index}, {cpt_name}"),
    "ref": _says("{cpt_pos}"),
    "bits": _says("{cpt_size} bytes"),
    "epoll-file": _says("fd {cpt_fd}, events {cpt_events:#x}"),
    "inotify-watch": _says("watch {cpt_wd}, mask {cpt_mask:#x}"),
    "inotify-event": _says("watch {cpt_wd}, mask {cpt_mask:#x}"),
    "timerfd": _says("clock {cpt_clockid}"),
    "eventfd": _says("count {cpt_count}"),
    "posix-timer": _says("timer {cpt_timer_id}, signal {cpt_sigev_signo}"),
    "sighandler": _says("signal {cpt_signo}"),
    "siginfo": _says("signal {cpt_signo}"),
    "signal-struct": _says("group {cpt_pgrp}, session {cpt_session}"),
    "x86-64-regs": _says("rip {cpt_rip:#x}, rsp {cpt_rsp:#x}"),
    "x86-regs": _says("eip {cpt_eip:#x}, esp {cpt_esp:#x}"),
    "ubc": _says("id {cpt_id}"),
    "veinfo": _says("last pid {last_pid}"),
    "cgroup": lambda fields, _: f"index {fields['cpt_index']} {fields.get('name', '')}".rstrip(),
    "net-device": _says("{cpt_index} {cpt_name}"),
    "net-ifaddr": _says("device {cpt_index} {cpt_label}"),
    "net-conntrack": _says("index {cpt_index}"),
    "sysv-shm": _says("id {cpt_id}, key {cpt_key:#x}, {cpt_segsz} bytes"),
    "sysv-sem": _says("id {cpt_id}, key {cpt_key:#x}"),
    "sysvmsg": _says("id {cpt_id}, key {cpt_key:#x}"),
    "sysvmsg-msg": _says("type {cpt_type}, {cpt_size} bytes"),
    "trailer": _says("{cpt_64bit} 64-bit tasks, {cpt_lazypages} lazy pages"),
}
