"""The native stream: an image with all that an index knows, through a pipe (docs/native.md).

layout      every byte, declared once
frames      frames, the chain of checks and the seal, both ways
schema      what the numbers mean: dialect, kinds, roles

writing     out: an image as frames
offsets     addresses to offsets in strands
rows        objects, as soon as their bytes have gone out
keys        their keys
edges       their references

decoding    in: frames to what they say, each rule checked
said        what they say
lists       extents of objects in several places
placing     offsets in strands to addresses
collecting  what came, into a container
"""

from objref.native.layout import MAGIC

__all__ = ["MAGIC"]
