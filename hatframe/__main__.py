"""``python -m hatframe``."""

from hatframe.cli.main import main

if __name__ == "__main__":
    main()
