"""The schema of CRIU images: the compiled form agrees with the text, and it reads what CRIU's own would refuse."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from objref.dialects.criu import schema as criu_schema
from objref.dialects.criu.schema import message_class
from objref.errors import UsageError

ROOT = Path(__file__).parents[2]
SCHEMA = Path(criu_schema.__file__).parent


def descriptors() -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    return FileDescriptorSet.FromString((SCHEMA / "criu.protoset").read_bytes())


def test_protoset_is_made_from_the_proto(tmp_path: Path) -> None:
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools is not installed")
    made = tmp_path / "criu.protoset"
    subprocess.run([sys.executable, ROOT / "tests/tools/compile_schema.py", made], check=True)

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    # Compared as messages: another protoc may order the bytes otherwise.
    assert FileDescriptorSet.FromString(made.read_bytes()) == descriptors()


def test_nothing_is_required_and_nothing_is_packed() -> None:
    (file,) = descriptors().file
    fields = [field for message in file.message_type for field in message.field]
    assert len(file.message_type) == 157
    assert not [field.name for field in fields if field.label == field.LABEL_REQUIRED]
    assert not [field.name for field in fields if field.options.packed]


def test_every_message_can_be_made() -> None:
    for message in descriptors().file[0].message_type:
        assert message_class(message.name).DESCRIPTOR.name == message.name


def test_a_class_is_made_once() -> None:
    assert message_class("mm_entry") is message_class("mm_entry")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no_such_entry"):
        message_class("no_such_entry")


def test_the_pool_is_private() -> None:
    from google.protobuf import descriptor_pool

    message_class("mm_entry")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("objref.criu.mm_entry")


def test_an_absent_field_is_absent_and_not_an_error() -> None:
    entry: Any = message_class("pstree_entry").FromString(b"\x08\x07")
    assert entry.pid == 7
    assert not entry.HasField("ppid")
    assert entry.SerializeToString() == b"\x08\x07"


def test_unknown_fields_survive() -> None:
    data = b"\x08\x07" + b"\xf8\x3f\x01"  # field 1023
    assert message_class("pstree_entry").FromString(data).SerializeToString() == data


def test_packed_and_unpacked_numbers_are_read() -> None:
    for threads in (b"\x28\x07\x28\x08", b"\x2a\x02\x07\x08"):
        entry: Any = message_class("pstree_entry").FromString(threads)
        assert list(entry.threads) == [7, 8]


def test_zigzag_and_defaults() -> None:
    vma: Any = message_class("vma_entry").FromString(b"\x40\x01")
    assert vma.fd == -1
    regular: Any = message_class("reg_file_entry")()
    assert regular.mnt_id == -1


def test_protobuf_is_loaded_only_to_decode() -> None:
    code = (
        "import sys\n"
        "import objref.dialects.criu.schema, objref.dialects.criu.show\n"
        "assert not [name for name in sys.modules if name.startswith('google')]\n"
        "objref.dialects.criu.show.to_crit('pstree_entry', b'')\n"
        "assert 'google.protobuf' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": f"{ROOT / 'store'}:{ROOT / 'index'}"})
