"""Conversions choose output files, refuse to overwrite inputs, and write all files or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hatframe.converting.conversion import check_not_inputs, output_hat, write_package
from hatframe.errors import LinkError, UsageError


def test_the_output_is_a_file_or_a_file_in_a_folder(tmp_path: Path) -> None:
    assert output_hat(tmp_path / "new.hat", "old.hat") == tmp_path / "new.hat"
    assert output_hat(tmp_path, "old.hat") == tmp_path / "old.hat"


@pytest.mark.parametrize("output", ["new.so", "nowhere/new.hat"])
def test_an_invalid_output_is_a_usage_error(tmp_path: Path, output: str) -> None:
    with pytest.raises(UsageError):
        output_hat(tmp_path / output, "old.hat")


@pytest.mark.skipif(os.name != "posix", reason="links need privileges on Windows")
@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_another_name_of_an_input_is_not_overwritten(tmp_path: Path, link: str) -> None:
    (tmp_path / "input.hat").touch()
    output = tmp_path / "output.hat"
    check_not_inputs([output], [tmp_path / "input.hat"])
    if link == "symbolic":
        output.symlink_to("input.hat")
    else:
        output.hardlink_to(tmp_path / "input.hat")
    with pytest.raises(UsageError, match=r"output\.hat"):
        check_not_inputs([output], [tmp_path / "input.hat"])


def test_nothing_is_written_if_one_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"old")
    (tmp_path / "b.hat").mkdir()
    with pytest.raises(LinkError):
        write_package({tmp_path / "a.so": b"new", tmp_path / "b.hat": b"new"})
    assert (tmp_path / "a.so").read_bytes() == b"old"
