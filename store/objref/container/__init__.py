"""The container: one file of sections, blocks, groups, tables, a directory and a footer (docs/format.md).

format     every byte layout, declared once
decoding   from bytes to the values of format
encoding   from values to bytes
blocks     one block: check, preflight, decode
zstd       python-zstandard, or of it only what decodes

source     where bytes are read from: a mapped file, a file, memory
directory  reading, first layer: what is in the file and where
tables     second layer: checked tables, and the index in them
content    third layer: checked blocks, bytes of a section by address
together   neighbouring blocks in one go
ahead      sections read from start to end, the next blocks meanwhile
reader     all of it, and the stream

writer     one pass, append only
options    how sections are stored
section    one section while it grows
pages      pages that were stored before are stored once
digest     SHA-256 of the stream, on a thread
compress   batches of blocks, on threads
ending     tables and entries of the directory, written last
output     the file under its temporary name
"""
