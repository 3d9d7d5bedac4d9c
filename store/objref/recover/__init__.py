"""Recover: from a damaged container into a new one, all that can be proven good (docs/recover.md)."""

from objref.recover.account import Account
from objref.recover.run import recover

__all__ = ["Account", "recover"]
