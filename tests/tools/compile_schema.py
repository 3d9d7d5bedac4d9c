"""Makes criu.protoset from criu.proto: python tests/tools/compile_schema.py [OUTPUT]

Needs grpcio-tools. The output has no source positions, so a comment in criu.proto does not change it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCHEMA = Path(__file__).parents[2] / "store" / "objref" / "dialects" / "criu" / "schema"


def compile_schema(output: Path) -> None:
    """Write the FileDescriptorSet; raises CalledProcessError with protoc's complaint on stderr."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc"]
    subprocess.run([*protoc, f"--proto_path={SCHEMA}", f"--descriptor_set_out={output}", "criu.proto"], check=True)


if __name__ == "__main__":
    compile_schema(Path(sys.argv[1]) if len(sys.argv) > 1 else SCHEMA / "criu.protoset")
