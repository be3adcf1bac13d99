"""Runs the tests: python3 tests/run.py [--all] [--python PATH]... [-- options of pytest].

Installs hatframe with what the tests need into .venv, and runs the fast tests there, in parallel; with --all also those
that take seconds each. With --python they run once for each of those interpreters, in an environment of its own. A test
that this machine's tools do not allow is skipped, with the name of what is missing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "samples"))
from environment import ROOT, environment, require_python

MOST_WORKERS = 8


def main() -> None:
    require_python()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="run the slow tests too")
    parser.add_argument("--python", action="append", metavar="PATH", help="an interpreter to test with; repeatable")
    parser.add_argument("pytest", nargs="*", help="options of pytest, after --")
    options = parser.parse_args()
    failed = []
    for interpreter in options.python or [None]:
        name = ".venv" if interpreter is None else f".venvs/{version(interpreter)}"
        (ROOT / ".venvs").mkdir(exist_ok=True)
        python = environment("test", python=interpreter, name=name)
        print(f"testing with Python {version(str(python))} ...", flush=True)
        workers = str(min(MOST_WORKERS, os.cpu_count() or 1))
        command = [python, "-m", "pytest", "--quiet", "--numprocesses", workers, "--dist", "worksteal"]
        if not options.all:
            command += ["-m", "not slow"]
        if subprocess.run([*command, *options.pytest], cwd=ROOT).returncode:
            failed.append(version(str(python)))
    if failed:
        sys.exit(f"the tests failed with Python {', '.join(failed)}")


def version(interpreter: str) -> str:
    """The version of an interpreter, such as 3.12."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
