"""The protobuf messages of CRIU images: criu.proto, and its compiled form that is loaded here.

The compiled form is a serialized FileDescriptorSet and not generated Python, since generated code refuses
protobuf runtimes other than those it was made for.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from objref.errors import UsageError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

__all__ = ["PACKAGE", "batch_class", "message_class"]

PACKAGE = "objref.criu"
BATCH_ITEM = 1


@cache
def message_class(name: str) -> type[Message]:
    """The class of the message that CRIU calls `name`, such as "mm_entry"; made at first use.

    Raises UsageError when criu.proto has no message of that name.
    """
    from google.protobuf.message_factory import GetMessageClass

    try:
        descriptor = _pool().FindMessageTypeByName(f"{PACKAGE}.{name}")
    except KeyError:
        raise UsageError(f"CRIU message {name!r}: criu.proto has none of that name") from None
    return GetMessageClass(descriptor)


@cache
def batch_class(name: str) -> type[Message]:
    """The class of a message that holds many of those messages, in its field `item`. CRIU has no such thing."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.message_factory import GetMessageClass

    inner = message_class(name).DESCRIPTOR
    file = FileDescriptorProto(name=f"batch/{name}", package=f"{PACKAGE}.batch", dependency=[inner.file.name])
    field = FieldDescriptorProto(name="item", number=BATCH_ITEM, type_name=f".{inner.full_name}")
    field.label, field.type = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.TYPE_MESSAGE
    file.message_type.add(name=name).field.append(field)
    _pool().Add(file)
    return GetMessageClass(_pool().FindMessageTypeByName(f"{file.package}.{name}"))


@cache
def _pool() -> DescriptorPool:
    """A pool of our own: the process-wide one is not ours to fill, and takes a name only once."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool

    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_name("criu.protoset").read_bytes()).file:
        pool.Add(file)
    return pool
