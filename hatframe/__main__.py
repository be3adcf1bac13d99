"""``python -m hatframe``: the command ``hatframe``, which imports nothing from the current folder either."""

import os
import sys

if __name__ == "__main__":
    try:
        # pathlib could be a file of the current folder.
        if sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
            del sys.path[0]
    except FileNotFoundError:
        pass
    from hatframe.cli.main import main

    main()
