"""The container: one file of sections, blocks, groups, tables, a directory and a footer (docs/format.md).

format  every byte layout, declared once
blocks  one block: compress, check, preflight, decode
source  where bytes are read from: a mapped file, a file, memory
writer  one pass, append only
reader  directory, checked blocks and tables, runs of a section
output  the file under its temporary name
"""
