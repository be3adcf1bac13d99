"""The main job on a sample: python3 samples/run.py [options of hatframe bench].

Installs hatframe into .venv, compiles samples/gemm.c with the C compiler found into a static package, converts
it to a dynamic one with `hatframe to-dynamic`, and benchmarks that with `hatframe bench`.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from environment import ROOT, environment, require_python

SAMPLES = ROOT / "samples"
BUILD = ROOT / "build" / "sample"


def run(*command: object) -> None:
    """Show a command, and run it."""
    words = [str(word) for word in command]
    print("$", *(Path(words[0]).name, *words[1:]), flush=True)
    if status := subprocess.run(words, cwd=BUILD).returncode:
        sys.exit(status)


def main() -> None:
    require_python()
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if not compiler:
        sys.exit("no C compiler was found: install one, such as gcc or clang")
    hatframe = environment().parent / "hatframe"
    BUILD.mkdir(parents=True, exist_ok=True)
    tuning = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    run(compiler, "-O3", tuning, "-fPIC", "-c", SAMPLES / "gemm.c", "-o", "gemm.o")
    (BUILD / "gemm.a").unlink(missing_ok=True)
    run(shutil.which("ar") or "ar", "rcs", "gemm.a", "gemm.o")
    write_hat()
    run(hatframe, "to-dynamic", "gemm.hat", "gemm_dynamic.hat")
    run(hatframe, "bench", "gemm_dynamic.hat", "--sink", "csv", *sys.argv[1:])


def write_hat() -> None:
    """The sample's .hat file, saying which machine it was compiled for."""
    system = {"Darwin": "macos", "Windows": "windows"}.get(platform.system(), "linux")
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    text = (SAMPLES / "gemm.hat").read_text()
    text = text.replace('os = "linux"', f'os = "{system}"').replace('"x86_64"', f'"{machine}"')
    (BUILD / "gemm.hat").write_text(text)


if __name__ == "__main__":
    main()
