"""A .hat file and a library of different builds are noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sample_packages import compiler

import hatframe
from hatframe.errors import HatError, PackageError

SOURCE = "float total(const float x[4]) {{ return x[0] + {0}; }}\n"


@pytest.fixture
def hat(tmp_path: Path) -> Path:
    """The .hat file of one build, with the library of another."""
    compiler()
    for number in (1, 2):
        (tmp_path / f"{number}.c").write_text(SOURCE.format(number))
        (tmp_path / str(number)).mkdir()
        built = hatframe.build(tmp_path / f"{number}.c", tmp_path / str(number) / "p.hat")
    hat = tmp_path / "1" / "p.hat"
    assert not [each for each in hatframe.validate(hat) if each.severity == "error"]
    with hatframe.load(hat) as package:
        assert package.total(np.ones(4, np.float32)) == 2
    shutil.copy(built.written.library, hat.parent)
    return hat


def test_a_wrong_pair_is_refused_unless_forced(hat: Path) -> None:
    for operation in (hatframe.load, hatframe.bench):
        with pytest.raises(PackageError, match="not the library") as caught:
            operation(hat)
        assert caught.value.where == str(hat)
        assert "strip" in caught.value.hint
    with hatframe.load(hat, force=True) as package:
        assert package.total(np.ones(4, np.float32)) == 3


def test_validate_reports_a_wrong_pair(hat: Path) -> None:
    (found,) = (each for each in hatframe.validate(hat) if each.key == "sha256")
    assert found.severity == "error"
    assert "libp" in found.message


def test_a_wrong_pair_is_not_converted(tmp_path: Path) -> None:
    compiler()
    (tmp_path / "p.c").write_text(SOURCE.format(1))
    built = hatframe.build(tmp_path / "p.c", tmp_path / "p.hat", static=True)
    converted = hatframe.to_dynamic(tmp_path / "p.hat", tmp_path / "dynamic.hat")
    assert not [each for each in hatframe.validate(converted.hat) if each.severity == "error"]
    built.written.library.write_bytes(built.written.library.read_bytes() + b"\n")
    with pytest.raises(HatError, match="not the library"):
        hatframe.to_dynamic(tmp_path / "p.hat", tmp_path / "again.hat")
