"""Recover: from a damaged container into a new one, all that can be proven good (docs/recover.md)."""

from objref.recovery.account import Account
from objref.recovery.run import recover

__all__ = ["Account", "recover"]
