"""Opening libraries: which file it is that the system opens, and which it takes for those that are needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from packages import compiler

from hatframe import Kernel
from hatframe.errors import PackageError


def built(folder: Path, step: int, *flags: str) -> Path:
    """A package whose function adds what a library in the folder ``lib`` gives."""
    (folder / "lib").mkdir(parents=True)
    library = folder / "lib" / f"lib{folder.parent.name}.so"
    (folder / "step.c").write_text(f"int how_far(void) {{ return {step}; }}\n")
    subprocess.run([compiler(), "-shared", "-fPIC", *flags, "-o", library, folder / "step.c"], check=True)
    (folder / "next.c").write_text("int how_far(void);\nint next(int x) { return x + how_far(); }\n")
    return Kernel().build([folder / "next.c"], folder / "p.hat", linker="gcc", libraries=[str(library)]).written.hat


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which libraries are open")
@pytest.mark.parametrize("loader", ["ctypes", "cffi"])
@pytest.mark.parametrize("soname", [True, False])
def test_another_library_of_the_same_name_is_never_taken_for_the_one_that_is_needed(
    tmp_path: Path, loader: str, soname: bool
) -> None:
    flags = [f"-Wl,-soname,lib{tmp_path.name}.so"] if soname else []
    first, second, same = (built(tmp_path / name, step, *flags) for name, step in (("a", 1), ("b", 2), ("c", 1)))
    package = Kernel().load(first, loader=loader)
    assert package.next(1) == 2
    with pytest.raises(
        PackageError, match=r"b/p\.hat: it needs lib/.*is open in this process: .*/a/lib/lib.*of their own"
    ):
        Kernel().load(second, loader=loader)
    assert package.next(1) == Kernel().load(first, loader=loader).next(1) == 2
    # One of the same content does the same.
    assert Kernel().load(same, loader=loader).next(1) == 2
