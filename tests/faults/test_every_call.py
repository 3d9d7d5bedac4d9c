"""Every command, failing or killed at its system calls: the old or the new under the final name, and nothing else.

Here some of the calls, other ones for each command and fault; `python tests/faults/run.py` takes them all (docs/hardening.md).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from faults.operations import OPERATIONS
from faults.run import build, faults

FAULTS = "kill,EIO,disk full,EINTR,short"
GROUPS = [",".join(list(OPERATIONS)[i::4]) for i in range(4)]
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the shim is made with a C compiler")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize(("first", "operations"), list(enumerate(GROUPS, 1)))
def test_old_or_new_and_a_clear_error(shim: Path, first: int, operations: str) -> None:
    done = list(faults(shim, operations, FAULTS, 3 * first, 23))
    assert len(done) == 5 * len(operations.split(","))
    assert [(one["operation"], one["problems"]) for one in done if one["problems"]] == []
    assert sum(one["points"] for one in done) > 20, "faults that never came"


def test_the_last_calls_of_an_import(shim: Path) -> None:
    """Where the image gets its name."""
    (done,) = faults(shim, "import-over", "kill", 40, 1)
    assert done["points"] > 5
    assert done["problems"] == []
