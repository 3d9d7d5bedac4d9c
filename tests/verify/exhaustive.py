"""Every single byte of an image, changed: `python tests/verify/exhaustive.py [--image raw] [--step 7]`.

For each byte: `verify` must find it, and every object must still be read as it was, or be refused. Takes about 20 ms
for each byte (100 000 of them with zstd, 300 000 with raw); the tests of the suite do the same for a sample.

The images: a real one as `import` stores it, with nothing compressed, and in the preset *smallest*; and a made one that
is dense: with a dictionary, with tables packed by the stripe, several stripes each, and with a packed directory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from samples import SAMPLE, content, dense_image

import objref


OPTIONS = {"zstd": objref.Options(), "raw": objref.Options(codec="raw"), "smallest": objref.Options.preset("smallest")}


def made(name: str, folder: Path) -> bytes:
    """One of the images."""
    if name == "dense":
        return dense_image()
    objref.import_image(SAMPLE, folder / "x.objref", options=OPTIONS[name])
    return (folder / "x.objref").read_bytes()


def truth(data: bytes) -> dict[str, object]:
    """The content of each object."""
    with objref.open(data) as image:
        return {found.objref: content(found) for found in image.objects()}


def wrong(data: bytes, expected: dict[str, object]) -> list[str]:
    """Objects that are read and are not what they were."""
    try:
        image = objref.open(data)
    except objref.ObjrefError:
        return []
    found = []
    with image:
        for name, value in expected.items():
            try:
                if content(image[name]) != value:
                    found.append(name)
            except objref.ObjrefError:
                continue
    return found


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", choices=(*OPTIONS, "dense"), default="zstd")
    parser.add_argument("--step", type=int, default=1, help="every n-th byte")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--objects", action="store_true", help="read all objects, too (five times as long)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = made(args.image, Path(folder))
    expected, missed, start = truth(data), [], time.time()
    for at in range(args.first, len(data), args.step):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        if objref.verify_image(bytes(changed)).sound:
            missed.append(at)
        if args.objects and (names := wrong(bytes(changed), expected)):
            print(f"byte {at}: {names[:3]} are wrong")
            missed.append(at)
    done = len(range(args.first, len(data), args.step))
    print(f"{args.image}: {done} of {len(data)} bytes changed, {len(missed)} not found {missed[:20]}, {time.time() - start:.0f} s")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
