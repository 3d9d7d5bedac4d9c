"""The checksums of all tables, whether this version knows them or not."""

from __future__ import annotations

from objref.container import format as f
from objref.container.checking.layout import TABLE_NAMES, stripe_checks
from objref.container.checking.opened import Checked
from objref.errors import FormatError
from objref.findings import Findings

__all__ = ["check_tables"]

OF_SPACES = ("keys", "ends", "ordinals", "order", "place", "radix", "ordinal keys")


def check_tables(c: Checked, findings: Findings) -> int:
    """Read every table once, stripe by stripe; returns how many bytes they hold."""
    done = 0
    _check_owners(c, findings)
    for fields in c._entries(f.TABLES):
        entry = f.TableEntry(*fields)
        name = TABLE_NAMES.get(entry.what, f"{entry.what}")
        where = f"table {name} of {entry.owner}"
        with findings.watching("table", where):
            _check_table(c, name, entry, findings)
            done += entry.length
    return done


def _check_owners(c: Checked, findings: Findings) -> None:
    """Every image has a META, and tables of keys belong to a space."""
    spaces = {entry[0] for entry in c._entries(f.SPACES)}
    tables = [f.TableEntry(*fields) for fields in c._entries(f.TABLES)]
    if not any((t.what, t.owner) == (f.TABLE_IDS["META"], 0) for t in tables):
        findings.say("table", "directory, tables", "there is no META")
    for i, table in enumerate(tables):
        name = TABLE_NAMES.get(table.what)
        if name and table.owner not in (spaces if name in OF_SPACES else (0,)):
            text = f"table {name} of {table.owner}, which is no space" if name in OF_SPACES else f"{name} has an owner"
            findings.say("table", f"directory, tables {i}", text)


def _check_table(c: Checked, name: str, entry: f.TableEntry, findings: Findings) -> None:
    where = f"table {name} of {entry.owner}"
    size = f.WORD_BYTES[f.TABLE_WORDS.get(name, "B")] if name != "keys" else 1  # those of names are bytes
    if entry.length % size:
        findings.say("table", where, f"{entry.length} bytes are no whole entries of {size}")
    if entry.codec == f.RAW and entry.offset % f.TABLE_ALIGN:
        findings.say("table", where, f"starts at {entry.offset}, no multiple of {f.TABLE_ALIGN} (R16)", "R16")
    start, stop = stripe_checks(entry)
    if stop > c.footer.directory_offset:
        text = f"ends at {stop}, the directory begins at {c.footer.directory_offset} (R16)"
        findings.say("table", where, text, "R16")
        return
    if entry.codec == f.STRIPED and not _check_striped(c, where, entry, start, stop, findings):
        return
    load = c._planes_loader(where, entry, 1) if _is_unknown(entry) else c._loader(name, entry)
    for stripe in range(-(-entry.length // f.STRIPE) if entry.length else 1):
        try:
            load(stripe)
        except FormatError as error:
            findings.error("table", where, error)
            if entry.codec == f.ZSTD or "its stripes" in str(error):  # all of it is lost
                return


def _is_unknown(entry: f.TableEntry) -> bool:
    """Whether nobody knows the words of a packed table: its frames are sound all the same, or not."""
    return entry.codec == f.STRIPED and entry.what not in TABLE_NAMES


def _check_striped(c: Checked, where: str, entry: f.TableEntry, start: int, stop: int, findings: Findings) -> bool:
    """What no reader of a single stripe asks: where the last stripe ends. Returns whether there are stripes. `start`,
    `stop`: of what is said of them."""
    if not entry.length:
        findings.say("table", where, "packed by the stripe, without one (R20)", "R20")
        return False
    last = int.from_bytes(c.source.read(start + (stop - start) // 2 - 8, 8), "little")
    if last != entry.stored:
        findings.say("table", where, f"its last stripe ends at {last}, it stores {entry.stored} bytes (R20)", "R20")
    return True
