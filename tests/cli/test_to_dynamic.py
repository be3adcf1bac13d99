"""``hatframe to-dynamic`` as a user sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hatframe_builtin.linkers import clang, gcc
from sample_packages import call, compiler, document, element, function, hat_text, make_package
from typer.testing import CliRunner

from hatframe.cli.main import build_app
from hatframe.errors import LinkError, PluginError, UsageError
from hatframe.format.reading import read_hat
from hatframe.kernel import Kernel

SOURCE = "int offset(void);\nint next_0123456789abcdef(int x) { return x + offset(); }\n"
NEXT = function(element("x"), returns=element("", "int", "output", "int"))
FUNCTIONS = {"next_0123456789abcdef": NEXT}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A static package that takes ``offset`` from elsewhere."""
    compiler("gcc")
    return make_package(tmp_path / "in", SOURCE, FUNCTIONS, static=True)


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    """A library that defines ``offset``, in a folder of its own."""
    folder = tmp_path / "deps"
    folder.mkdir()
    (folder / "offset.c").write_text("int offset(void) { return 1; }\n")
    library = folder / "liboffset.so"
    subprocess.run([compiler(), "-shared", "-fPIC", "-o", library, folder / "offset.c"], check=True)
    return library


def run(*arguments: str | Path) -> str:
    """What the command prints; its errors are raised."""
    app = build_app(Kernel([gcc, clang], entry_points=False))
    words: Sequence[str] = ["to-dynamic", *map(str, arguments)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_reports_what_it_wrote_in_one_line(package: Path, offset: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.hat"
    said = run(package, output, "-l", "offset", "-L", offset.parent, "--linker", "gcc")
    assert said == f"wrote {output} and {read_hat(output).library}, made with gcc\n"
    assert call(output) == 42


def test_json_has_the_same_facts(package: Path, offset: Path, tmp_path: Path) -> None:
    said: dict[str, Any] = json.loads(run(package, tmp_path / "new.hat", "-l", offset, "--linker=gcc", "--json"))
    library = str(read_hat(tmp_path / "new.hat").library)
    assert said == {
        "hat": str(tmp_path / "new.hat"),
        "library": library,
        "deploy_files": [],
        "other_hats": [],
        "linker": "gcc",
        "extra_exports": [],
    }


def test_the_linker_is_the_one_of_the_option(package: Path, offset: Path, tmp_path: Path) -> None:
    compiler("clang")
    said = run(package, tmp_path / "new.hat", "-l", offset, "--linker", "clang")
    assert said.endswith("made with clang\n")
    with pytest.raises(PluginError, match="no-such"):
        run(package, tmp_path / "other.hat", "--linker", "no-such")


def test_all_hats_converts_every_hat_file_of_the_library(package: Path, offset: Path, tmp_path: Path) -> None:
    other = {"same_0123456789abcdef": NEXT}
    with (package.parent / "package.c").open("a") as source:
        source.write("int same_0123456789abcdef(int x) { return x; }\n")
    command = [compiler(), "-fPIC", "-c", "-o", package.parent / "package.o", package.parent / "package.c"]
    subprocess.run(command, check=True)
    subprocess.run([compiler("ar"), "rcs", package.parent / "package.a", package.parent / "package.o"], check=True)
    (package.parent / "other.hat").write_text(hat_text(document(other, "package.a"), "other"))
    (tmp_path / "out").mkdir()
    said = run(package, tmp_path / "out", "--all", "-l", offset)
    assert "and 1 more .hat files" in said
    assert call(tmp_path / "out" / "package.hat") == 42
    assert call(tmp_path / "out" / "other.hat", "same_0123456789abcdef") == 41


def test_errors_name_the_cause(package: Path, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"package\.hat: .*\boffset\b.*-l"):
        run(package, tmp_path / "new.hat")
    with pytest.raises(UsageError, match="would be overwritten"):
        run(package, package)
    assert not (tmp_path / "new.hat").exists()
