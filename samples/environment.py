"""Makes the virtual environment that the sample and the tests run in; needs nothing but Python 3.10 or newer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(*extras: str, python: str | None = None, name: str = ".venv") -> Path:
    """The Python of a virtual environment in the project's folder that has hatframe with ``extras`` installed.

    ``python`` is the interpreter to make it with; without it the one that runs this.
    """
    folder = ROOT / name
    executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not executable.exists():
        print(f"making the environment {folder.name} ...", flush=True)
        if python is None:
            venv.create(folder, with_pip=True)
        else:
            subprocess.run([python, "-m", "venv", folder], check=True)
    if not _installed(folder, extras):
        target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
        print(f"installing hatframe into {folder.name} ...", flush=True)
        pip = [executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", target], check=True)
        _stamp(folder).write_text(json.dumps({"project": _project(), "extras": extras}))
    return executable


def _stamp(folder: Path) -> Path:
    return folder / "hatframe-installed.json"


def _project() -> str:
    """What decides what pip installs: the dependencies and the version."""
    files = (ROOT / "pyproject.toml", ROOT / "hatframe" / "__init__.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _installed(folder: Path, extras: tuple[str, ...]) -> bool:
    """Whether pip has nothing to do in this environment: that saves the seconds that it takes to find that out."""
    try:
        stamp = json.loads(_stamp(folder).read_text())
    except (OSError, ValueError):
        return False
    return stamp["project"] == _project() and set(extras) <= set(stamp["extras"])


def require_python() -> None:
    """End with a sentence where this Python is too old."""
    if sys.version_info < (3, 10):  # noqa: UP036 - run before anything is installed
        sys.exit(f"hatframe needs Python 3.10 or newer, and this is {sys.version.split()[0]}")
