"""The package of the contract tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatframe import Kernel
from hatframe.backends import Linker
from hatframe.errors import PluginError
from hatframe.packages.package import read_package
from hatframe.testing.sample import FUNCTIONS, make_sample, write_sample


@pytest.fixture
def linker() -> Linker:
    try:
        return Kernel().linker()
    except PluginError as error:
        pytest.skip(str(error))


def test_its_metadata_are_valid_and_its_library_has_every_function(linker: Linker, tmp_path: Path) -> None:
    package = make_sample(tmp_path, linker)
    assert package.path is not None
    assert [each for each in Kernel().validate(package.path) if each.severity == "error"] == []
    with Kernel().load(package.path) as loaded:
        assert set(loaded) == set(FUNCTIONS)


def test_it_can_name_a_library_that_is_not_there(tmp_path: Path) -> None:
    package = read_package(write_sample(tmp_path, "none.so"))
    assert package.library == tmp_path / "none.so"
    assert package.functions.keys() == FUNCTIONS.keys()
