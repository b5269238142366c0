"""``python -m uprobe_core.cli`` is ``uprobe``."""

import sys

from uprobe_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
