"""All scenes: importing this module fills `making.SCENES`."""

from criu import making_contradictions, making_dumps, making_layers
from criu.making import SCENES

__all__ = ["SCENES", "making_contradictions", "making_dumps", "making_layers"]
