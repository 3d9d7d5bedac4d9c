"""The OpenVZ CPT dialect: the sectioned checkpoint file of the OpenVZ kernels 2.6.18 to 2.6.32-042stab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.dialect import Dialect
from objref.dialects.events import Splitter
from objref.dialects.openvz.kinds import KINDS, ROLES, SIGNATURE

if TYPE_CHECKING:
    from objref.dialects.checks import Checks
    from objref.image import Image
    from objref.limits import Limits
    from objref.object import Object

__all__ = ["DIALECT"]


def _detect(head: bytes) -> bool:
    return head.startswith(SIGNATURE)


def _splitter(limits: Limits) -> Splitter:
    from objref.dialects.openvz.splitter import CptSplitter

    return CptSplitter(limits)


def _decodes(found: Object) -> bool:
    from objref.dialects.openvz.view import decodes

    return decodes(found)


def _decode(found: Object) -> dict[str, Any]:
    from objref.dialects.openvz.view import decode

    return decode(found)


def _brief(found: Object) -> str:
    from objref.dialects.openvz.brief import brief

    return brief(found)


def _about(image: Image) -> dict[str, str]:
    from objref.dialects.openvz.about import about

    return about(image)


def _checks() -> Checks:
    from objref.dialects.openvz.check import CHECKS

    return CHECKS


APART = (
    "ids in the file are positions in it, and its sections are found by positions, so a shorter file "
    "would need another id in every place that holds one, and not all of these are known"
)
DIALECT = Dialect(
    "openvz", KINDS, ROLES, _detect, _splitter, _decodes, _decode, _brief, apart=APART, always=("header",),
    about=_about, checks=_checks,
)  # fmt: skip
