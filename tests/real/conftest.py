"""Makes `import harness` work: with --import-mode=importlib pytest leaves sys.path alone. And asks for the real CRIU."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness


@pytest.fixture(scope="session", autouse=True)
def criu_root() -> None:
    reason = harness.criu_root_available()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI must test with the real CRIU: {reason}")
    if reason:
        pytest.skip(f"no real CRIU here: {reason}")
