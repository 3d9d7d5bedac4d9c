"""The index beside a stream that stays as it is (docs/format.md, section 13).

layout    the ending of a sidecar, byte by byte
spliced   head ‖ FILE ‖ rest as one source
joined    what they are together: a container whose keys are in a tree
checked   the tree, handed to LMDB only after its checks were compared
parts     the same piece by piece, for who needs only a few
checking  the same, read although it is damaged, for `objref verify`
reader    a stream with its sidecar: what an image asks of a file
opening   finding the sidecar of a stream, and saying why there is none
detached  an output that leaves out the bytes of FILE
writer    the container's writer, whose section is FILE itself
indexing  `objref index`
mounts    which file systems are remote
"""

__all__: list[str] = []
