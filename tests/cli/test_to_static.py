"""``hatframe to-static`` as a user sees it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from command_line import hatframe
from sample_packages import compiler, element, function, make_package

from hatframe.format.reading import read_hat

NEXT = {"next": function(element("x"), returns=element("", "int", "output", "int"))}


def test_the_objects_that_are_added_are_in_the_archive(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "int next(int x) { return x + 1; }", NEXT, static=True)
    (tmp_path / "more.c").write_text("int more;\n")
    subprocess.run([compiler(), "-c", "more.c"], check=True, cwd=tmp_path)
    done = hatframe("to-static", hat, "out.hat", "--add", "more.o", "--json", folder=tmp_path, status=0)
    assert json.loads(done.stdout)["library"] == str(tmp_path / "libout.a")
    members = subprocess.run([compiler("ar"), "t", tmp_path / "libout.a"], capture_output=True, text=True, check=True)
    assert set(members.stdout.split()) == {"package.o", "more.o"}
    assert read_hat(tmp_path / "out.hat").dependencies.link_target == "libout.a"


def test_a_dynamic_package_is_an_error_in_one_line(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "int next(int x) { return x + 1; }", NEXT)
    done = hatframe("to-static", hat, "out.hat", folder=tmp_path, status=1)
    assert len(done.stderr.splitlines()) == 1
    assert "package.so" in done.stderr
    assert not (tmp_path / "out.hat").exists()
