"""`objref`, and `python -m objref`: the door before the command line, which takes a while to load."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line of the process. Ctrl-C while it is loaded ends it as quietly as later on."""
    try:
        from objref.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
