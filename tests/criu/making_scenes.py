"""All scenes: importing this module fills `making.SCENES`."""

import making_contradictions
import making_dumps
import making_layers
from making import SCENES

__all__ = ["SCENES", "making_contradictions", "making_dumps", "making_layers"]
