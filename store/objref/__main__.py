"""`python -m objref`."""

import sys

from objref.cli import main

if __name__ == "__main__":
    sys.exit(main())
