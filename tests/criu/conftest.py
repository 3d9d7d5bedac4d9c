"""Makes `import making` work: with --import-mode=importlib pytest leaves sys.path alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
