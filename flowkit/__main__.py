"""``python -m flowkit``, the same as the command ``flowkit``."""

import sys

from flowkit_command import main

if __name__ == "__main__":
    sys.exit(main())
