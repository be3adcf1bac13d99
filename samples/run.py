"""The main job on a sample: python3 samples/run.py [options of hatframe bench].

Installs hatframe into .venv, makes a package of samples/gemm.c with `hatframe build`, and finds the fastest of its
functions with `hatframe bench`.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from environment import ROOT, environment, require_python

SAMPLES = ROOT / "samples"
BUILD = ROOT / "build" / "sample"


def run(*command: object) -> None:
    """Show a command, and run it."""
    words = [str(word) for word in command]
    print("$", shlex.join([Path(words[0]).name, *words[1:]]), flush=True)
    if status := subprocess.run(words, cwd=BUILD).returncode:
        sys.exit(status)


def main() -> None:
    require_python()
    hatframe = environment().parent / "hatframe"
    BUILD.mkdir(parents=True, exist_ok=True)
    run(hatframe, "build", SAMPLES / "gemm.c", "-o", "gemm.hat")
    run(hatframe, "bench", "gemm.hat", "--sink", "csv", *sys.argv[1:])


if __name__ == "__main__":
    main()
