"""``python -m hatframe`` and the script ``hatframe``."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process, and exit; Ctrl-C shows no traceback from the first import on."""
    try:
        from hatframe.cli.main import main

        main()
    except KeyboardInterrupt:
        print("hatframe: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    try:
        # pathlib could be a file of the current folder, from which nothing is imported.
        if sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
            del sys.path[0]
    except FileNotFoundError:
        pass
    main()
