"""The sample: its .hat file keeps to the format, and compilers take it as a header without a word."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from packages import ARCHITECTURE, OS, compiler

from hatframe import Kernel

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample's static package, for this machine."""
    subprocess.run([compiler(), "-O1", "-fPIC", "-c", SAMPLES / "gemm.c", "-o", tmp_path / "gemm.o"], check=True)
    subprocess.run([compiler("ar"), "rcs", tmp_path / "gemm.a", tmp_path / "gemm.o"], check=True)
    text = (SAMPLES / "gemm.hat").read_text()
    text = re.sub(
        r'os = "\w+"', f'os = "{OS}"', re.sub(r'architecture = "\w+"', f'architecture = "{ARCHITECTURE}"', text)
    )
    (tmp_path / "gemm.hat").write_text(text)
    return tmp_path / "gemm.hat"


def test_it_has_no_deviation_from_the_format(sample: Path) -> None:
    assert Kernel().validate(sample) == []


@pytest.mark.parametrize(("program", "language"), [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")])
def test_compilers_take_it_as_a_header(sample: Path, program: str, language: str) -> None:
    options = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-x", language]
    done = subprocess.run([compiler(program), *options, sample], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_c_program_includes_it_and_links_the_package(sample: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.c"
    program.write_text(
        '#include "gemm.hat"\nstatic float a[65536], b[65536], c[65536], d[65536];\n'
        "int main(void) {\n"
        "  for (int i = 0; i < 65536; i++) { a[i] = i % 7; b[i] = i % 5; }\n"
        "  gemm_naive(a, b, c); gemm_tiled(a, b, d);\n"
        "  for (int i = 0; i < 65536; i++) if (c[i] != d[i]) return 1;\n"
        "  return c[0] > 0 ? 0 : 2;\n}\n"
    )
    output = tmp_path / "program"
    subprocess.run([compiler(), "-Wall", "-Werror", program, tmp_path / "gemm.a", "-o", output], check=True)
    assert subprocess.run([output]).returncode == 0
