"""Archives and directories as one kind of stream: a tar.

sources         a directory, a file or a pipe → uncompressed tar bytes in chunks of 1 MiB; decompress*: codecs
tar             the splitter; tar_header, tar_pax, tar_sparse: its parts; tar_write: headers of our own
directory       a folder → the canonical tar of it; directory_parents: CRIU's `parent` links
extract         a tar → a folder, safe against hostile names; extract_tree, extract_place: its parts
"""
